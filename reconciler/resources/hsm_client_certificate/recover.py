"""Whether an interrupted step made its certificate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.hsm_client_certificate.steps import identity_of


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the certificate that the intent's token made, None if it made none (I10)."""
    if intent.step != "make-certificate":
        return None
    provider = hsm_provider(services, intent.provider)
    found = provider.find_client_certificate(caller(services, intent.provider), token=intent.token)
    return None if found is None else identity_of(found)
