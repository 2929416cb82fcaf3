"""What differs about a table, and what it takes. Pure."""

from __future__ import annotations

from reconciler.model.change import KNOWN_AFTER_APPLY, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.providers.tables import INACCESSIBLE, ClusteringColumn, Column, TableSchema
from reconciler.resources import verdicts
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import Reference, name_of
from reconciler.resources.table import steps
from reconciler.resources.table.observe import TableObservation, schema_observation
from reconciler.resources.table.spec import TableSpec

Given = DiffInput[TableSpec, TableObservation]

OWNED = "the owned key"
ACTIVE = "ACTIVE"
UPDATING = "UPDATING"
_ANOTHER_KEY = "it is under another key than its manifest names"
_CALLS_OF_CREATION = 4  # DescribeKey, CreateGrant, GenerateDataKey, Decrypt (AU2)
_CALLS_OF_SWITCH = 4  # DescribeKey, CreateGrant, ReEncrypt, RetireGrant


def diff(given: Given) -> Verdict:
    """The operations that make the table what its manifest says."""
    return verdicts.of_data(
        given,
        "table",
        create=_create,
        remove=_remove,
        lost=lambda: verdicts.data_missing(given.address, "the table service", "Put its data back from a backup."),
        compare=_compare,
    )


def _compare(given: Given, desired: TableSpec, observed: TableObservation) -> Verdict:
    if observed.status == INACCESSIBLE:
        return verdicts.keys_lost(given, "catalogue and key ring of the table service")
    return verdicts.together(
        _unchangeable(given, desired, observed),
        _switch_key(given, desired, observed),
        Verdict(warnings=() if observed.status in (ACTIVE, UPDATING) else (f"{given.address} is {observed.status}.",)),
    )


def _create(given: Given, desired: TableSpec) -> Verdict:
    key = None if desired.encryption is None else desired.encryption.key
    step = steps.CreateTable(
        id="create-table",
        summary=f"create the table in {desired.keyspace}, its table key under {key or OWNED}",
        address=given.address,
        provider=given.provider,
        table=given.name,
        keyspace=desired.keyspace,
        table_schema=declared_schema(desired),
        key=key,
    )
    operation = Operation(
        verb=Verb.CREATE,
        reason="declared, and not there yet",
        steps=(step,),
        impact=Impact(key_service_calls=2 if key is None else _CALLS_OF_CREATION),
    )
    entries = (
        DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY),
        DiffEntry(path="spec.encryption", before=None, after=_wanted(given, key)),
    )
    return verdicts.created(operation, diff=entries)


def _remove(given: Given, observed: TableObservation) -> Verdict:
    keyspace, table = _place(given)
    step = steps.DeleteTable(
        id="delete-table",
        summary="drop the table, its key and its grant",
        reversible=False,
        address=given.address,
        provider=given.provider,
        keyspace=keyspace,
        table=table,
        uid=observed.uid,
    )
    return verdicts.deleted(step, reason=f"{given.removal_reason}, and nothing protects it", lets_go=observed.arn)


def _unchangeable(given: Given, desired: TableSpec, observed: TableObservation) -> Verdict:
    keyspace, table = _place(given)
    if table != given.name and given.is_renamed:
        return verdicts.rename_refused(given, "table", table)
    target = given.resolve(desired.keyspace)
    has, wanted = observed.table_schema, schema_observation(declared_schema(desired))
    entries = verdicts.differences(
        {
            "spec.externalName": (table, given.name),
            "spec.keyspace": (keyspace, KNOWN_AFTER_APPLY if target is None else name_of(target)),
            "spec.schema.columns": (dict(has.columns), dict(wanted.columns)),
            "spec.schema.partitionKey": (list(has.partition_key), list(wanted.partition_key)),
            "spec.schema.clusteringKey": (_pairs(has.clustering_key), _pairs(wanted.clustering_key)),
            "spec.schema.static": (list(has.static), list(wanted.static)),
        }
    )
    if not entries:
        return verdicts.NOTHING
    refused = verdicts.blocked(
        "fixed-attribute",
        f"{', '.join(entry.path for entry in entries)} cannot be changed on a table by this version",
        "Write them as they are.",
        "Or declare a second Table with the new properties, and move its rows.",
    )
    return verdicts.together(refused, Verdict(diff=tuple(entries)))


def _switch_key(given: Given, desired: TableSpec, observed: TableObservation) -> Verdict:
    """Another key for the table key, in both directions (KS2)."""
    if desired.encryption is None:
        return _silent(given, observed)
    key = desired.encryption.key
    is_under = _is_under(given, key, observed)
    if is_under and observed.status != UPDATING:
        return verdicts.NOTHING
    keyspace, table = _place(given)
    switch = steps.SwitchTableKey(
        id="switch-key",
        summary=f"wrap its table key under {key or OWNED}; data stay as they are",
        address=given.address,
        provider=given.provider,
        keyspace=keyspace,
        table=table,
        key=key,
    )
    verify = steps.VerifyTableKey(
        id="verify-key",
        summary=f"read back that it is under {key or OWNED}",
        address=given.address,
        provider=given.provider,
        keyspace=keyspace,
        table=table,
        key=key,
    )
    operation = Operation(
        verb=Verb.SWITCH_KEY,
        reason="a switch of its key was begun and is not over" if is_under else _ANOTHER_KEY,
        steps=(switch, verify),
        impact=Impact(key_service_calls=_CALLS_OF_SWITCH),
        lets_go=(observed.arn,),
    )
    entries = verdicts.differences({"spec.encryption": (observed.key_arn or OWNED, _wanted(given, key))})
    return verdicts.changed([operation], entries)


def _is_under(given: Given, key: Reference | None, observed: TableObservation) -> bool:
    """Whether the table has that key already. A key that is yet to be made is never the one that is there."""
    if key is None:
        return observed.key_arn is None
    return observed.key_arn is not None and given.arn_of(key) == observed.key_arn


def _silent(given: Given, observed: TableObservation) -> Verdict:
    """A manifest without ``encryption``: the default holds at creation only (I18)."""
    if observed.key_arn is None:
        return verdicts.NOTHING
    return verdicts.blocked(
        "silent-downgrade",
        f"its manifest names no key, and {given.address} is under {observed.key_arn}; a key is never taken away by "
        "omission",
        "Write `encryption: {type: CUSTOMER_MANAGED_KMS_KEY, key: …}` with the Key that it is under to leave it as it "
        "is.",
        "Write `encryption: {type: AWS_OWNED_KMS_KEY}` to put it under the owned key.",
    )


def declared_schema(desired: TableSpec) -> TableSchema:
    """The manifest's schema as the table service takes it."""
    schema = desired.table_schema
    return TableSchema(
        columns=tuple(Column(name=column.name, type=column.type) for column in schema.columns),
        partition_key=schema.partition_key,
        clustering_key=tuple(
            ClusteringColumn(name=column.name, order=column.order) for column in schema.clustering_key
        ),
        static=schema.static,
    )


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return [" ".join(pair) for pair in pairs]


def _wanted(given: Given, key: Reference | None) -> str:
    return OWNED if key is None else given.arn_of(key) or KNOWN_AFTER_APPLY


def _place(given: Given) -> tuple[str, str]:
    """Keyspace and name that the table was made under."""
    recorded = {} if given.recorded is None else given.recorded.attributes
    return str(recorded["keyspace"]), name_of(recorded)
