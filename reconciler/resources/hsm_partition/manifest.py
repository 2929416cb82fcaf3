"""The manifest that would declare a partition as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.providers.root_arns import PARTITION
from reconciler.resources.declared_again import reference, said
from reconciler.resources.hsm_partition.observe import HsmPartitionObservation
from reconciler.resources.kind import ManifestInput

_CERTIFICATE = ":hsmclientcertificate:"


def manifest(given: ManifestInput[HsmPartitionObservation]) -> Mapping[str, Any]:
    """The fields. The PIN stays where it is."""
    observed = given.observed
    named = None
    if observed.client_certificate is not None:
        place = observed.arn.partition(PARTITION)[0]
        arn = f"{place}{_CERTIFICATE}{observed.client_certificate}"
        named = reference(given, "HsmClientCertificate", observed.client_certificate, arn=arn)
    return said(
        {
            "tokenLabel": observed.token_label,
            # A label stays where slots are numbered anew.
            "slot": observed.slot if observed.token_label is None else None,
            "pinFrom": observed.pin_from,
            "address": observed.address,
            "serverCertificate": observed.server_certificate,
            "clientCertificate": named,
            "allowUnenforced": observed.allow_unenforced,
            "verify": observed.verify,
        },
        allowUnenforced=False,
        verify="full",
    )
