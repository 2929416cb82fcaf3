"""Access keys for scripts (``schemas/credentials-made.json``, ``schemas/credentials-list.json``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.serving.credentials import Credential
from reconciler.views.json_text import FORMAT_VERSION, timestamp


def made_document(made: Credential) -> dict[str, Any]:
    """What ``serve credentials make --format json`` prints: the only place where a secret stands."""
    shown = _shown(made)
    return {"formatVersion": FORMAT_VERSION, **shown, "secretAccessKey": made.secret, "sessionToken": made.token}


def credentials_document(listed: Sequence[Credential]) -> dict[str, Any]:
    """What ``serve credentials list --format json`` prints."""
    return {"formatVersion": FORMAT_VERSION, "credentials": [_shown(each) for each in listed]}


def _shown(credential: Credential) -> dict[str, Any]:
    return {
        "accessKeyId": credential.access_key_id,
        "principal": credential.principal,
        "tags": dict(credential.tags),
        "administrator": credential.is_administrator,
        "created": timestamp(credential.created),
        "expires": None if credential.expires is None else timestamp(credential.expires),
    }
