"""What differs about a client certificate. Pure. A certificate cannot be changed, and never goes by the way: what the
HSM has registered would be worth nothing from then on."""

from __future__ import annotations

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.expiring import is_soon, told_at, when
from reconciler.resources.hsm_client_certificate import steps
from reconciler.resources.hsm_client_certificate.observe import HsmClientCertificateObservation
from reconciler.resources.hsm_client_certificate.spec import HsmClientCertificateSpec
from reconciler.resources.kind import DiffInput

Given = DiffInput[HsmClientCertificateSpec, HsmClientCertificateObservation]


def diff(given: Given) -> Verdict:
    """The operations that leave the declared certificate."""
    recorded, observed = given.recorded, given.observed
    is_made = recorded is not None and recorded.identity is not None
    if given.desired is None:
        return _remove(given) if is_made else verdicts.NOTHING
    if not is_made or observed is None:
        reason = "it was removed behind our back, private key and all" if is_made else "declared, and not there yet"
        operation = Operation(verb=Verb.CREATE, reason=reason, steps=(_create(given, given.desired),))
        entries = [
            DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY),
            DiffEntry(path="spec.commonName", before=None, after=given.desired.common_name),
        ]
        return verdicts.created(operation, diff=entries)
    return _compare(given, given.desired, observed)


def replace(given: Given) -> Verdict:
    """Made anew, key pair and all, while nothing uses it (``--replace``)."""
    observed = given.observed
    if given.desired is None or observed is None or given.recorded is None:
        return diff(given)
    if observed.used_by:
        return _in_use(given, observed, "made anew")
    made = verdicts.replaced((_delete(given, is_last=False), _create(given, given.desired)), calls=0)
    after = DiffEntry(path="fingerprint", before=observed.fingerprint, after=KNOWN_AFTER_APPLY)
    return Verdict(action=made.action, operations=made.operations, diff=(after,))


def _remove(given: Given) -> Verdict:
    observed = given.observed
    if observed is None:
        return Verdict(action=Action.FORGET)
    return verdicts.deleted(_delete(given, is_last=True), reason=given.removal_reason, lets_go=observed.arn)


def _compare(given: Given, desired: HsmClientCertificateSpec, observed: HsmClientCertificateObservation) -> Verdict:
    if given.recorded_name != given.name:
        return verdicts.rename_refused(given, "client certificate", given.recorded_name)
    entries = verdicts.differences(
        {
            "spec.commonName": (observed.common_name, desired.common_name),
            "spec.validity": (f"{observed.valid_days}d", f"{desired.validity.days}d"),
        }
    )
    if entries:
        refused = verdicts.blocked(
            "fixed-attribute",
            f"{', '.join(entry.path for entry in entries)} cannot be changed on a certificate that is made",
            *_with_a_second_one(given),
            f"Or, while nothing uses it: `reconciler plan --replace {given.address}` makes it anew.",
        )
        return verdicts.together(refused, Verdict(diff=tuple(entries)))
    return Verdict(warnings=expiring(given, observed))


def expiring(given: Given, observed: HsmClientCertificateObservation) -> tuple[str, ...]:
    """What a plan says of one that ends soon."""
    if not is_soon(observed.not_after, given.now):
        return ()
    then = "the HSM refuses it" if observed.not_after <= given.now else "from then on the HSM refuses it"
    return (f"{given.address} {when(observed.not_after, given.now)}; {then}. {' '.join(_with_a_second_one(given))}",)


def due_at(spec: object, attributes: object, observed: HsmClientCertificateObservation | None) -> float | None:
    """From when on it is told of."""
    return None if observed is None else told_at(observed.not_after)


def _in_use(given: Given, observed: HsmClientCertificateObservation, what: str) -> Verdict:
    return verdicts.blocked(
        "certificate-in-use",
        f"{', '.join(observed.used_by)} {'is' if len(observed.used_by) == 1 else 'are'} reached with {given.address}; "
        f"{what}, the HSM would refuse us until the new one is registered there",
        *_with_a_second_one(given),
    )


def _with_a_second_one(given: Given) -> tuple[str, ...]:
    return (
        "Declare a second HsmClientCertificate, and apply.",
        "Register it at the HSM (`reconciler show HsmClientCertificate/NAME --pem` prints it).",
        f"Let each HsmPartition name it, and apply; then remove {given.address}.",
    )


def _create(given: Given, desired: HsmClientCertificateSpec) -> steps.MakeCertificate:
    return steps.MakeCertificate(
        id="make-certificate",
        summary=f"make a key pair and its certificate, for {desired.validity.days} days; `reconciler show "
        f"{given.address} --pem` then prints what is registered at the HSM",
        address=given.address,
        provider=given.provider,
        certificate=given.name,
        common_name=desired.common_name,
        valid_days=desired.validity.days,
    )


def _delete(given: Given, *, is_last: bool) -> steps.DeleteCertificate:
    return steps.DeleteCertificate(
        id="delete-certificate",
        summary="remove the certificate and its private key",
        reversible=False,
        address=given.address,
        provider=given.provider,
        certificate=given.recorded_name,
        is_last=is_last,
    )
