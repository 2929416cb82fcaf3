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
    if existing is None or given.observed is None:
        reason = "declared, and not there yet" if existing is None else "it was removed behind our back"
        operation = Operation(
            verb=Verb.CREATE, reason=reason, steps=(_create(given, given.desired, name),), impact=ONE_CALL
        )
        entry = DiffEntry(path="spec.key", before=None, after=_wanted(given, given.desired))
        return verdicts.created(operation, diff=[entry])
    return _compare(given, given.desired, given.observed, existing, name)


def _compare(given: Given, desired: AliasSpec, observed: AliasObservation, existing: str, name: str) -> Verdict:
    if existing != name:
        return _renamed(given, desired, existing, name) if given.is_renamed else _undeclared(given, existing, name)
    leftover = None if given.recorded is None else given.recorded.attributes.get("replaces")
    if leftover is not None:
        return verdicts.changed([_drop(given, str(leftover), "an interrupted apply left its old name")], [])
    key = given.resolve(desired.key)
    if key is not None and str(key["arn"]).endswith(f":key/{observed.target_key_id}"):
        return verdicts.NOTHING
    step = steps.RetargetAlias(
        id="retarget-alias",
        summary=f"let {name} name {desired.key}",
        address=given.address,
        provider=given.provider,
        name=name,
        key=desired.key,
    )
    operation = Operation(
        verb=Verb.UPDATE, reason="it names another key than its manifest", steps=(step,), impact=ONE_CALL
    )
    entry = DiffEntry(path="spec.key", before=_target_arn(observed), after=_wanted(given, desired))
    return verdicts.changed([operation], [entry])


def replace(given: Given) -> Verdict:
    """The name removed and given anew: no two aliases can have one name."""
    desired, recorded = given.desired, given.recorded
    if desired is None or recorded is None or given.observed is None:
        return diff(given)
    delete = steps.DeleteAlias(
        id="delete-alias",
        summary="remove the name; for a moment nothing has it",
        address=given.address,
        provider=given.provider,
        name=str(recorded.identity),
    )
    return verdicts.replaced((delete, _create(given, desired, alias_name(given))), calls=2)


def _undeclared(given: Given, existing: str, name: str) -> Verdict:
    return verdicts.blocked(
        "alias-rename",
        f"the alias is {existing}, and its manifest asks for {name}; whoever uses the old name would lose it",
        f"Give the manifest another metadata.name too, with `renamedFrom: {given.address.name}`: it is renamed.",
        "Or declare a second Alias with the new name, and apply; "
        f"remove {given.address} when nobody uses the old name.",
    )


def _renamed(given: Given, desired: AliasSpec, old: str, new: str) -> Verdict:
    """An alias cannot get another name: the new one is made before the old one goes."""
    made = Operation(
        verb=Verb.RENAME,
        reason=f"its manifest says that it was {old}; the new name is made first",
        steps=(_create(given, desired, new, replaces=old),),
        impact=ONE_CALL,
    )
    gone = _drop(given, old, "the new name takes its place; whoever uses the old one loses it")
    return verdicts.changed([made, gone], [DiffEntry(path="spec.externalName", before=old, after=new)])


def _create(given: Given, desired: AliasSpec, name: str, replaces: str | None = None) -> steps.CreateAlias:
    return steps.CreateAlias(
        id="create-alias",
        summary=f"name {desired.key} {name}",
        address=given.address,
        provider=given.provider,
        name=name,
        key=desired.key,
        replaces=replaces,
    )


def _wanted(given: Given, desired: AliasSpec) -> str:
    return given.arn_of(desired.key) or KNOWN_AFTER_APPLY


def _drop(given: Given, old: str, reason: str) -> Operation:
    step = steps.DeleteAlias(
        id="delete-alias",
        summary=f"remove the name {old}",
        address=given.address,
        provider=given.provider,
        name=old,
        is_last=False,
    )
    return Operation(verb=Verb.RETIRE, reason=reason, steps=(step,), impact=ONE_CALL)


def _target_arn(observed: AliasObservation) -> str:
    place, _, _ = observed.arn.partition(":alias/")
    return f"{place}:key/{observed.target_key_id}"


def alias_name(given: Given) -> str:
    """Its name at the provider, with the prefix that every alias has."""
    return given.name if given.name.startswith("alias/") else f"alias/{given.name}"
