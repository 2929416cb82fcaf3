"""The manifest that would declare a client certificate as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.hsm_client_certificate.observe import HsmClientCertificateObservation
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[HsmClientCertificateObservation]) -> Mapping[str, Any]:
    """The fields."""
    return {"commonName": given.observed.common_name, "validity": f"{given.observed.valid_days}d"}
