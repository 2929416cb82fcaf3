"""A statement from its text to its commit; worked out again when another one was quicker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from typing import Any, Final

from sqlglot import exp

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException, ReconcilerError, ValidationException
from reconciler.providers.warehouse import OpenFile, StatementResult
from reconciler_warehouse import shares
from reconciler_warehouse.foreign.keys import unwrapping
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.keys.mode_changed import ModeChanged, StaleKeys
from reconciler_warehouse.online import mode
from reconciler_warehouse.queries.dataset import Reading
from reconciler_warehouse.queries.select import select
from reconciler_warehouse.queries.statements import parse
from reconciler_warehouse.queries.table_state import Moved, tables_of
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep import pins
from reconciler_warehouse.upkeep.drafts import drafts, empty_trash
from reconciler_warehouse.writing import carried_out, compaction, copying_in, deleting, inserting, tables, updating
from reconciler_warehouse.writing.carried_out import Call
from reconciler_warehouse.writing.commit import commit
from reconciler_warehouse.writing.edit import Edit, Work, require_not_stopped
from reconciler_warehouse.writing.kinds import (
    Changing,
    CopyIn,
    CreateTable,
    CreateTableAs,
    Delete,
    DropTable,
    Insert,
    Truncate,
    Update,
)
from reconciler_warehouse.writing.recognition import recognise
from reconciler_warehouse.writing.turns import at_ones_turn

ATTEMPTS: Final = 12
LONGEST_TOKEN: Final = 256
_PATIENCE: Final = 3  # after so many attempts a statement asks the others to wait for it


def execute(
    site: Site, caller: Caller, name: str, statement: str, *, open_file: OpenFile, token: str
) -> StatementResult:
    """See ``ExecutesStatements.execute``."""
    try:
        return _executed(site, caller, name, statement, open_file, token)
    except ReconcilerError:
        require_not_stopped(site)  # what was interrupted is no error of the statement
        raise


def _executed(  # noqa: PLR0917  # on whose behalf, where, what
    site: Site, caller: Caller, name: str, statement: str, open_file: OpenFile, token: str
) -> StatementResult:
    parsed = parse(statement)
    if not 1 <= len(token) <= LONGEST_TOKEN or not token.isprintable():
        raise ValidationException(f"A token is 1 to {LONGEST_TOKEN} printable characters")
    if isinstance(parsed, exp.Query):
        return StatementResult(verb="SELECT", answer=select(site, name, statement))
    for attempt in range(ATTEMPTS):
        changing = recognise(parse(statement) if attempt else parsed)  # anew: working it out changes the tree
        try:
            with at_ones_turn(site, keep=attempt >= _PATIENCE):
                result = _once(site, caller, name, changing, statement, open_file, token)
        except (Moved, ModeChanged, StaleKeys):
            continue
        with suppress(ReconcilerError):  # it is done, whatever else is wrong
            empty_trash(site)
        return result
    raise ConflictException(
        f"Other statements change the same rows of cluster {name} all the time; nothing was changed",
        suggestion="Run the command again.",
    )


def _once(  # noqa: PLR0917  # on whose behalf, where, what
    site: Site, caller: Caller, name: str, changing: Changing, statement: str, open_file: OpenFile, token: str
) -> StatementResult:
    verb, work_out = _WORKED_OUT[type(changing)]
    named = cluster_named(site, name)
    with ExitStack() as stack:
        deks = stack.enter_context(opened(site, named.uid, f"Cluster {name}"))
        cluster = mode.for_writing(site, named, deks)
        call = Call(token=token, cluster=cluster.uid, text=statement, dek=cluster.dek)
        with site.catalogue.read() as catalogue:
            before = None if catalogue is None else carried_out.find(catalogue, call, deks)
        if before is not None:
            return before
        stack.enter_context(pins.held(site))
        work = Work(
            site=site,
            cluster=cluster,
            deks=deks,
            tables=tables_of(site, cluster),
            reading=stack.enter_context(closing(Reading(site.segments))),
            made=stack.enter_context(drafts(site)),
            shared=shares.readable_by(site, cluster.uid),
            opened_too=stack,
            unwrap=unwrapping(site, caller),
        )
        edit = (
            copying_in.edit_of(work, changing, open_file) if isinstance(changing, CopyIn) else work_out(work, changing)
        )
        require_not_stopped(site)
        result = commit(work, call, verb, edit)
        if edit is not None:
            compaction.after(work, edit.table)
    return result


def _unused(work: Work, changing: Any) -> Edit | None:
    raise AssertionError("COPY needs the project's files")


_WORKED_OUT: Final[Mapping[type[Changing], tuple[str, Callable[[Work, Any], Edit | None]]]] = {
    Insert: ("INSERT", inserting.edit_of),
    CopyIn: ("COPY", _unused),
    Delete: ("DELETE", deleting.edit_of),
    Update: ("UPDATE", updating.edit_of),
    CreateTable: ("CREATE TABLE", tables.created),
    CreateTableAs: ("CREATE TABLE AS", tables.created_as),
    DropTable: ("DROP TABLE", tables.dropped),
    Truncate: ("TRUNCATE", tables.truncated),
}
