"""Which files are still to be loaded into a cluster's tables: each content once a table (CONTRACT 1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from reconciler.model.change import DiffEntry, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.cluster import steps
from reconciler.resources.cluster.observe import ClusterObservation, TableObservation
from reconciler.resources.cluster.spec import ClusterSpec, ClusterTable, DataFile
from reconciler.resources.kind import DiffInput

Given = DiffInput[ClusterSpec, ClusterObservation]


def loads(
    given: Given,
    desired: ClusterSpec,
    observed: ClusterObservation | None,
    *,
    left: Collection[str] = (),
) -> Verdict:
    """One load operation for each table that lacks a declared file. Tables that no manifest declares are left alone;
    those in ``left`` will have lost their rows by then (RE10)."""
    there = {} if observed is None else {table.name: table for table in observed.tables}
    return verdicts.together(
        *(_load(given, table, there.get(table.name), is_left=table.name in left) for table in desired.tables)
    )


def _load(given: Given, table: ClusterTable, observed: TableObservation | None, *, is_left: bool = False) -> Verdict:
    if observed is not None and observed.backup != table.backup:
        return _backup_refused(table, observed)
    held = () if observed is None else observed.loads
    missing = [file for file in table.load if file.sha256 not in held]
    if not missing:
        return verdicts.NOTHING
    changed = {} if observed is None else _changed(_recorded(given, table), table, missing, observed)
    if changed and table.mode is None:
        return _change_refused(table, list(changed))
    entries = [
        DiffEntry(path=f"spec.tables.{table.name}.load.{path}", before=before, after=after)
        for path, (before, after) in changed.items()
    ]
    if changed and table.mode == "replace":
        return verdicts.changed([_replacement(given, table, list(changed))], entries)
    step = steps.LoadTable(
        id=f"load-{table.name}",
        summary=f"load {_names(missing)} into table {table.name}",
        address=given.address,
        provider=given.provider,
        table=table.name,
        files=tuple((file.path, file.sha256) for file in missing),
        backup=table.backup,
    )
    reason = f"table {table.name} lacks what its manifest loads"
    if is_left:
        reason = f"table {table.name} is BACKUP NO, and not carried through; what its manifest loads is loaded again"
    if changed:
        reason = f"{', '.join(changed)} changed, and `mode: append` adds the rows to table {table.name}"
    return verdicts.changed([Operation(verb=Verb.LOAD, reason=reason, steps=(step,))], entries)


def _changed(
    recorded: Mapping[str, str], table: ClusterTable, missing: list[DataFile], observed: TableObservation
) -> dict[str, tuple[str | None, str]]:
    """Path → (old, new SHA-256) of the files that were loaded with another content. A load that neither the state nor
    the manifest knows may have been any of them: then all count as changed, so that no row is doubled in silence."""
    declared = {file.sha256 for file in table.load}
    is_unexplained = any(digest not in recorded and digest not in declared for digest in observed.loads)
    latest = {path: digest for digest, path in recorded.items()}
    return {
        file.path: (latest.get(file.path), file.sha256) for file in missing if file.path in latest or is_unexplained
    }


def _replacement(given: Given, table: ClusterTable, changed: list[str]) -> Operation:
    step = steps.ReplaceTable(
        id=f"load-{table.name}",
        summary=f"put {_names(table.load)} in the place of what table {table.name} holds",
        reversible=False,
        address=given.address,
        provider=given.provider,
        table=table.name,
        files=tuple((file.path, file.sha256) for file in table.load),
        backup=table.backup,
    )
    reason = f"{', '.join(changed)} changed, and `mode: replace` puts the new rows in the place of the old"
    return Operation(verb=Verb.LOAD, reason=reason, steps=(step,))


def _recorded(given: Given, table: ClusterTable) -> Mapping[str, str]:
    """SHA-256 → path of what earlier loads recorded, in their order."""
    recorded = {} if given.recorded is None else given.recorded.attributes
    known: Mapping[str, str] = recorded.get(steps.loads_attribute(table.name)) or {}
    return known


def _backup_refused(table: ClusterTable, observed: TableObservation) -> Verdict:
    return verdicts.blocked(
        "fixed-attribute",
        f"table {table.name} was made with `backup: {str(observed.backup).lower()}`, and that cannot be changed",
        f"Write `backup: {str(observed.backup).lower()}` for it.",
        "Or declare a second table with the other setting, and load it.",
    )


def _change_refused(table: ClusterTable, changed: list[str]) -> Verdict:
    return verdicts.blocked(
        "changed-load",
        f"{', '.join(changed)} is not what was loaded into table {table.name}; a load runs once",
        "Put the file back as it was.",
        "Or write `mode: append` for the table to add its rows, `mode: replace` to put them in the place of all rows.",
    )


def _names(files: Sequence[DataFile]) -> str:
    return ", ".join(file.path for file in files)
