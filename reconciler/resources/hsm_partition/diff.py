"""What differs about a partition. Pure: from what its provider keeps of it, without asking the HSM."""

from __future__ import annotations

from typing import Any

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.expiring import is_soon, told_at, when
from reconciler.resources.hsm_partition import steps
from reconciler.resources.hsm_partition.observe import HsmPartitionObservation, pin_in_words
from reconciler.resources.hsm_partition.retired import retired
from reconciler.resources.hsm_partition.server_certificate import fingerprint
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import name_of

Given = DiffInput[HsmPartitionSpec, HsmPartitionObservation]


def diff(given: Given) -> Verdict:
    """The operations that leave the declared partition adopted and configured."""
    return verdicts.of_data(
        given, "partition", create=_create, remove=_remove, lost=lambda: _lost(given), compare=_compare
    )


def due_at(spec: object, attributes: object, observed: HsmPartitionObservation | None) -> float | None:
    """From when on the end of the HSM's certificate is told of."""
    return None if observed is None else told_at(observed.server_not_after)


def _create(given: Given, desired: HsmPartitionSpec) -> Verdict:
    step = steps.AdoptPartition(
        id="adopt-partition",
        summary=f"reach {_place(desired)}; test its mechanisms and that it keeps keys in; put our marker key into it",
        **_configuration(given, desired),
    )
    operation = Operation(verb=Verb.CREATE, reason="declared, and not there yet", steps=(step,))
    entries = (
        DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY),
        DiffEntry(
            path="spec.tokenLabel" if desired.slot is None else "spec.slot", before=None, after=_found_by(desired)
        ),
    )
    created = verdicts.created(operation, diff=entries)
    return Verdict(
        action=created.action, operations=created.operations, diff=created.diff, warnings=_weaknesses(given, desired)
    )


def _remove(given: Given, observed: HsmPartitionObservation) -> Verdict:
    """Its keys go with it, so nothing may be under them: the guard asks the census as it does of a key (I3)."""
    name = given.recorded_name
    common: dict[str, Any] = {"address": given.address, "provider": given.provider, "partition": name}
    operation = Operation(
        verb=Verb.DELETE,
        reason=f"{given.removal_reason}, and nothing protects it",
        steps=(
            steps.DestroyClusterKeys(
                id="destroy-cluster-keys",
                summary="destroy the cluster keys in it that nothing is under any more",
                reversible=False,
                arn=observed.arn,
                **common,
            ),
            steps.ReleasePartition(
                id="release-partition",
                summary="remove our marker key and its configuration; whatever else is in it stays",
                reversible=False,
                arn=observed.arn,
                **common,
            ),
        ),
        cuts_off=(observed.arn,),
    )
    return Verdict(action=Action.DELETE, operations=(operation,))


def _lost(given: Given) -> Verdict:
    """Configuration, marker and canaries are gone: adopted anew, nothing would tell its keys from a stranger's."""
    return verdicts.blocked(
        "key-missing",
        f"{given.address} is recorded, and Provider/{given.provider} keeps nothing of it; adopted anew, nothing could "
        "prove that the keys in it are those that were made",
        "Check that `home` and the Provider's account and region are those that it was adopted in.",
        "Put the HSM provider's store back from a backup.",
        f"If it is truly lost: `reconciler state rm {given.address}` forgets it, and the next apply adopts the "
        "partition anew.",
    )


def _compare(given: Given, desired: HsmPartitionSpec, observed: HsmPartitionObservation) -> Verdict:
    name = given.recorded_name
    if name != given.name:
        return verdicts.rename_refused(given, "partition", name)
    warnings = Verdict(warnings=(*_expiring(given, observed), *_weaknesses(given, desired)))
    return verdicts.together(_reconfigured(given, desired, observed), retired(given, desired, observed), warnings)


def _reconfigured(given: Given, desired: HsmPartitionSpec, observed: HsmPartitionObservation) -> Verdict:
    entries = _differing(given, desired, observed)
    if not entries:
        return verdicts.NOTHING
    step = steps.ReconfigurePartition(
        id="reconfigure-partition",
        summary="see that our marker key opens there, and keep the new configuration",
        **_configuration(given, desired),
    )
    operation = Operation(verb=Verb.UPDATE, reason="its configuration differs from its manifest", steps=(step,))
    return verdicts.changed([operation], entries)


def _differing(given: Given, desired: HsmPartitionSpec, observed: HsmPartitionObservation) -> list[DiffEntry]:
    named = desired.client_certificate
    arn = None if named is None else given.arn_of(named) or KNOWN_AFTER_APPLY
    wanted = None if arn is None else arn if arn == KNOWN_AFTER_APPLY else name_of({"id": arn})
    pinned = None if desired.server_certificate is None else fingerprint(desired.server_certificate)
    pairs: dict[str, tuple[Any, Any]] = {
        # Only what the manifest names: the other one is a hint.
        "spec.tokenLabel": (observed.token_label, desired.token_label or observed.token_label),
        "spec.slot": (observed.slot, observed.slot if desired.slot is None else desired.slot),
        "spec.pinFrom": (pin_in_words(observed.pin_from), pin_in_words(_pin(desired))),
        "spec.address": (observed.address, desired.address),
        "spec.serverCertificate": (observed.server_fingerprint, pinned),
        "spec.clientCertificate": (observed.client_certificate, wanted),
        "spec.allowUnenforced": (observed.allow_unenforced, desired.allow_unenforced),
        "spec.verify": (observed.verify, desired.verify),
    }
    return verdicts.differences(pairs)


def _weaknesses(given: Given, desired: HsmPartitionSpec) -> tuple[str, ...]:
    """What the manifest gives up by its own words, said while it is adopted or changed."""
    if not desired.allow_unenforced or (given.observed is not None and given.observed.allow_unenforced):
        return ()
    return (
        f"{given.address} says `allowUnenforced: true`: keys are made in it even if it gives out what was made "
        "non-extractable, so that they are only as safe as whoever may log in.",
    )


def _expiring(given: Given, observed: HsmPartitionObservation) -> tuple[str, ...]:
    ends = observed.server_not_after
    if ends is None or not is_soon(ends, given.now):
        return ()
    return (
        f"The HSM's certificate that {given.address} pins {when(ends, given.now)}. Have its operator make the next "
        "one, and write that as spec.serverCertificate when the agent shows it.",
    )


def _configuration(given: Given, desired: HsmPartitionSpec) -> dict[str, Any]:
    return {
        "address": given.address,
        "provider": given.provider,
        "partition": given.name,
        "pin_from": _pin(desired),
        "token_label": desired.token_label,
        "slot": desired.slot,
        "at": desired.address,
        "server_certificate": desired.server_certificate,
        "client_certificate": desired.client_certificate,
        "allow_unenforced": desired.allow_unenforced,
        "verify": desired.verify,
    }


def _pin(desired: HsmPartitionSpec) -> dict[str, Any]:
    found: dict[str, Any] = desired.pin_from.model_dump(mode="json", exclude_none=True)
    return found


def _found_by(desired: HsmPartitionSpec) -> str | int | None:
    return desired.token_label if desired.slot is None else desired.slot


def _place(desired: HsmPartitionSpec) -> str:
    token = f"slot {desired.slot}" if desired.slot is not None else f'the token "{desired.token_label}"'
    return token if desired.address is None else f"{token} through the agent at {desired.address}"
