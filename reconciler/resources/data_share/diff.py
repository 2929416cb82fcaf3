"""What differs about a share. Pure. Its tables are changed in place; between other clusters it is made anew."""

from __future__ import annotations

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.data_share import steps
from reconciler.resources.data_share.observe import DataShareObservation
from reconciler.resources.data_share.spec import DataShareSpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import Reference, name_of

Given = DiffInput[DataShareSpec, DataShareObservation]


def diff(given: Given) -> Verdict:
    """The operations that leave exactly the declared share."""
    recorded, observed = given.recorded, given.observed
    is_made = recorded is not None and recorded.identity is not None
    if given.desired is None:
        return _remove(given) if is_made else verdicts.NOTHING
    if not is_made or observed is None:
        return _create(given, given.desired, "removed behind our back" if is_made else "not there yet")
    return _compare(given, given.desired, observed)


def replace(given: Given) -> Verdict:
    """The share removed and made anew (``--replace``); no data are touched by that."""
    verdict = diff(given)
    if verdict.operations or verdict.blocked or given.desired is None or given.observed is None:
        return verdict
    return verdicts.replaced((_delete(given, is_last=False), _made(given, given.desired)), calls=0)


def _create(given: Given, desired: DataShareSpec, why: str) -> Verdict:
    operation = Operation(verb=Verb.CREATE, reason=f"declared, and {why}", steps=(_made(given, desired),))
    return verdicts.created(
        operation,
        diff=[
            DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY),
            DiffEntry(path="spec.tables", before=None, after=list(desired.tables)),
        ],
    )


def _remove(given: Given) -> Verdict:
    if given.observed is None:
        return Verdict(action=Action.FORGET)
    return verdicts.deleted(_delete(given, is_last=True), reason=given.removal_reason)


def _compare(given: Given, desired: DataShareSpec, observed: DataShareObservation) -> Verdict:
    between = verdicts.differences(
        {
            "spec.externalName": (given.recorded_name, given.name),
            "spec.producer": (observed.producer, _cluster(given, desired.producer)),
            "spec.consumer": (observed.consumer, _cluster(given, desired.consumer)),
        }
    )
    tables = verdicts.differences({"spec.tables": (list(observed.tables), list(desired.tables))})
    if between:
        operation = Operation(
            verb=Verb.REPLACE,
            reason="it is between other clusters, or called otherwise, than its manifest says",
            steps=(_delete(given, is_last=False), _made(given, desired)),
        )
        return Verdict(action=Action.REPLACE, operations=(operation,), diff=(*between, *tables))
    if not tables:
        return verdicts.NOTHING
    step = steps.AlterShare(
        id="alter-share",
        summary=f"share {', '.join(desired.tables)}, and nothing else",
        address=given.address,
        provider=given.provider,
        share=given.name,
        tables=desired.tables,
    )
    reason = "its tables are others than its manifest names"
    return verdicts.changed([Operation(verb=Verb.UPDATE, reason=reason, steps=(step,))], tables)


def _cluster(given: Given, reference: Reference) -> str:
    """The name of the cluster that is meant; the share of one that this plan renames goes along with it."""
    attributes = given.resolve(reference)
    return KNOWN_AFTER_APPLY if attributes is None else name_of(attributes)


def _made(given: Given, desired: DataShareSpec) -> steps.CreateShare:
    return steps.CreateShare(
        id="create-share",
        summary=f"let {desired.consumer} select from {', '.join(desired.tables)} of {desired.producer}",
        address=given.address,
        provider=given.provider,
        share=given.name,
        producer=desired.producer,
        consumer=desired.consumer,
        tables=desired.tables,
    )


def _delete(given: Given, *, is_last: bool) -> steps.DeleteShare:
    return steps.DeleteShare(
        id="delete-share",
        summary="share no longer; the tables stay where they are",
        address=given.address,
        provider=given.provider,
        share=given.recorded_name,
        is_last=is_last,
    )
