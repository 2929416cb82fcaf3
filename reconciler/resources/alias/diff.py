"""What differs about an alias. Pure."""

from __future__ import annotations

from reconciler.model.change import KNOWN_AFTER_APPLY, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.alias import steps
from reconciler.resources.alias.observe import AliasObservation
from reconciler.resources.alias.spec import AliasSpec
from reconciler.resources.kind import DiffInput

Given = DiffInput[AliasSpec, AliasObservation]
ONE_CALL = Impact(key_service_calls=1)


def diff(given: Given) -> Verdict:
    """The operations that make the alias name the declared key."""
    name = alias_name(given)
    existing = None if given.recorded is None else given.recorded.identity
    if given.desired is None:
        if existing is None:
            return verdicts.NOTHING
        step = steps.DeleteAlias(
            id="delete-alias", summary="remove the name", address=given.address, provider=given.provider, name=existing
        )
        return verdicts.deleted(step, reason=given.removal_reason)
    key = given.resolve(given.desired.key)
    shown = KNOWN_AFTER_APPLY if key is None else str(key["arn"])
    if existing is None or given.observed is None:
        step_create = steps.CreateAlias(
            id="create-alias",
            summary=f"name {given.desired.key} {name}",
            address=given.address,
            provider=given.provider,
            name=name,
            key=given.desired.key,
        )
        reason = "declared, and not there yet" if existing is None else "it was removed behind our back"
        operation = Operation(verb=Verb.CREATE, reason=reason, steps=(step_create,), impact=ONE_CALL)
        return verdicts.created(operation, diff=[DiffEntry(path="spec.key", before=None, after=shown)])
    if existing != name:
        return verdicts.blocked(
            "alias-rename",
            f"the alias is {existing}, and its manifest asks for {name}; whoever uses the old name would lose it",
            "Declare a second Alias with the new name, and apply.",
            f"Remove {given.address} when nobody uses the old name.",
        )
    if key is not None and str(key["arn"]).endswith(f":key/{given.observed.target_key_id}"):
        return verdicts.NOTHING
    step_retarget = steps.RetargetAlias(
        id="retarget-alias",
        summary=f"let {name} name {given.desired.key}",
        address=given.address,
        provider=given.provider,
        name=name,
        key=given.desired.key,
    )
    operation = Operation(
        verb=Verb.UPDATE, reason="it names another key than its manifest", steps=(step_retarget,), impact=ONE_CALL
    )
    return verdicts.changed([operation], [DiffEntry(path="spec.key", before=_target_arn(given.observed), after=shown)])


def _target_arn(observed: AliasObservation) -> str:
    place, _, _ = observed.arn.partition(":alias/")
    return f"{place}:key/{observed.target_key_id}"


def alias_name(given: Given) -> str:
    """Its name at the provider, with the prefix that every alias has."""
    return given.name if given.name.startswith("alias/") else f"alias/{given.name}"
