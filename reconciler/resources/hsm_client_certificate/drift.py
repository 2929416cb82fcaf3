"""How a client certificate's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.expiring import SOON, is_soon, when
from reconciler.resources.hsm_client_certificate.observe import HsmClientCertificateObservation
from reconciler.resources.hsm_client_certificate.spec import HsmClientCertificateSpec
from reconciler.resources.kind import DriftInput


def drift(given: DriftInput[HsmClientCertificateSpec, HsmClientCertificateObservation]) -> Sequence[Finding]:
    """One that is gone, ends soon, or is another than was registered. Which partitions use it is theirs to say."""
    observed = given.observed
    if observed is None:
        fix = "`reconciler apply` makes another, which is to be registered at the HSM in its place"
        return [verdicts.missing(given, fix=fix)]
    found = _replaced(given, observed)
    if is_soon(observed.not_after, given.now):
        fix = (
            "declare a second HsmClientCertificate, register it at the HSM (`reconciler show … --pem`), and let the "
            "partitions name it"
        )
        found.append(
            verdicts.finding(
                given,
                "certificate-expiring",
                "not_after",
                expected=f"valid for more than {SOON.days} days",
                observed=when(observed.not_after, given.now),
                fix=fix,
            )
        )
    return found


def _replaced(
    given: DriftInput[HsmClientCertificateSpec, HsmClientCertificateObservation],
    observed: HsmClientCertificateObservation,
) -> list[Finding]:
    expected = given.expected
    if expected is None or expected.fingerprint == observed.fingerprint:
        return []
    fix = "find out who made it; the HSM takes it once it is registered there (`reconciler show … --pem`)"
    return [
        verdicts.finding(
            given,
            "attribute-changed",
            "fingerprint",
            expected=expected.fingerprint,
            observed=observed.fingerprint,
            fix=fix,
        )
    ]
