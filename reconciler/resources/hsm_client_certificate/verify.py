"""Proof that a client certificate is the one that was made, and still holds (HS4)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.ports import Services
from reconciler.providers.proofs import THERE, Check, Witness, unprotected
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.expiring import when
from reconciler.resources.hsm_client_certificate.observe import HsmClientCertificateObservation
from reconciler.resources.hsm_client_certificate.spec import HsmClientCertificateSpec
from reconciler.resources.kind import VerifyInput
from reconciler.resources.reference import name_of


def verify(
    given: VerifyInput[HsmClientCertificateSpec, HsmClientCertificateObservation], services: Services, witness: Witness
) -> Iterator[Check]:
    """It is there, with the key pair of then, and not over. That the HSM takes it is proved of the partitions."""
    name = name_of(given.attributes)
    provider = hsm_provider(services, given.provider)
    found = next(iter(provider.describe_client_certificates(caller(services, given.provider), [name])), None)
    if found is None:
        yield unprotected(THERE, f"the client certificate {name} is gone", "Run `reconciler plan`.")
        return
    if found.fingerprint != given.attributes.get("fingerprint"):
        yield unprotected(
            THERE,
            f"the client certificate {name} is another than was made (SHA-256 {found.fingerprint})",
            "Find out who replaced it, and whether the HSM has it registered.",
        )
    elif found.not_after <= services.clock.now():
        fix = "Declare a second HsmClientCertificate, register it at the HSM, and let the partitions name it."
        yield unprotected(THERE, f"the client certificate {name} {when(found.not_after, services.clock.now())}", fix)
    else:
        yield Check(what=THERE)
