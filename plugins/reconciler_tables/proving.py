"""Proof by behaviour that a table is protected as declared (KS1, KS2, KS5, KS6, CONTRACT 3). Reads only.

The table key is opened by the key service under the declared key, and must be refused under others; every sealed row
opens where it stands and nowhere else, and adds up to what its partition's head says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_sealed
from reconciler.errors import (
    DamagedStore,
    InvalidCiphertextException,
    ReconcilerError,
)
from reconciler.providers.keys import Context, DecryptedKey
from reconciler.providers.proofs import (
    KEYS_OPENED,
    REFUSALS,
    REFUSED,
    ROWS,
    SAMPLES,
    Check,
    Witness,
    failed,
    unprotected,
)
from reconciler_tables import catalogue, keyring
from reconciler_tables.catalogue import TableRecord
from reconciler_tables.keyring import Wrap
from reconciler_tables.names import TableName
from reconciler_tables.rows import Places, RowSum, head_of
from reconciler_tables.site import Site
from reconciler_tables.table_key import INDEX, ROW, InnerKeys, open_inner_keys, unwrap

_BATCH: Final = 256
_OTHERS: Final = 2
_NEIGHBOURS: Final = 8
_CANARY_BYTES: Final = 24
_DISTINCT: Final = 12
_RESTORE: Final = "Nothing was changed. Put back a copy of tables.db and keyring.db from one backup."
_CUT_OFF: Final = "Give the table its key back: run `reconciler apply`, enable the key, or allow the table service."
_NEXT: Final = """SELECT partition, row, sealed FROM sealed_row WHERE table_uid = ? AND (partition, row) > (?, ?)
    ORDER BY partition, row LIMIT ?"""
_EMPTY: Final = """SELECT partition FROM partition_head h WHERE table_uid = ?
    AND NOT EXISTS (SELECT 1 FROM sealed_row r WHERE r.table_uid = h.table_uid AND r.partition = h.partition)"""


def table(site: Site, name: TableName, key_arn: str | None, witness: Witness) -> Iterator[Check]:
    """See ``ProvesTables.prove_table``."""
    with site.catalogue.read() as reading:
        record = None if reading is None else catalogue.table_named(reading, name)
    if record is None:
        yield unprotected(ROWS, f"there is no table {name} in {site.region}", _RESTORE)
        return
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.wraps_of(ring, record.uid)
        sealed = {} if ring is None else keyring.inner_keys_of(ring, record.uid)
        rest = [] if ring is None else keyring.neighbours(ring, record.uid, _NEIGHBOURS)
    live = next((wrap for wrap in wraps if wrap.stage == keyring.LIVE), None)
    if live is None:
        yield unprotected(KEYS_OPENED, f"the key ring holds no table key for {name}", _RESTORE)
        return
    yield from _declared(site, live, name, key_arn)
    with ExitStack() as wiped:
        try:
            key = wiped.enter_context(unwrap(site, live))
            inner = wiped.enter_context(open_inner_keys(key, live, record.schema, sealed))
        except ReconcilerError as error:
            yield failed(KEYS_OPENED, error, _CUT_OFF)
            return
        for one in (key, inner.row, inner.index):
            witness.opened(one)
        yield Check(what=KEYS_OPENED, count=3)
        yield from _refused(site, live, rest, witness)
        yield from _inner_refused(site, live, record, sealed, key)
        yield from _rows(site, record, inner, witness)


def _declared(site: Site, live: Wrap, name: TableName, key_arn: str | None) -> Iterator[Check]:
    if live.customer_key != key_arn:
        found, wanted = live.customer_key or "the owned key", key_arn or "the owned key"
        fix = "Run `reconciler plan`: it puts the table under the declared key. Find out who changed it."
        yield unprotected(KEYS_OPENED, f"table {name} is under {found}, and is declared to be under {wanted}", fix)
    if dict(live.context) != site.context(name):
        yield unprotected(
            KEYS_OPENED, f"the table key of {name} is not bound to its keyspace and table (KS6)", _RESTORE
        )


def _refused(site: Site, live: Wrap, rest: list[Wrap], witness: Witness) -> Iterator[Check]:
    others = [wrap.key_arn for wrap in rest if wrap.key_arn != live.key_arn]
    others += witness.other_keys(live.key_arn)
    attempts = {f"under {arn}": _attempt(site, live, live.context, arn) for arn in dict.fromkeys(others)}
    attempts = dict(list(attempts.items())[:_OTHERS])
    first = min(live.context)
    changed = {**live.context, first: f"{live.context[first]}-other"}
    attempts["under another table's context"] = _attempt(site, live, changed, live.key_arn)
    more = {**live.context, "reconciler:verify": "other"}
    attempts["under a context with one pair more"] = _attempt(site, live, more, live.key_arn)
    for how, attempt in attempts.items():
        try:
            attempt().plaintext.wipe()
        except REFUSED:
            yield Check(what=REFUSALS)
        else:
            yield unprotected(
                REFUSALS,
                f"the table key of {live.name} opens {how} too",
                "Do not trust this key service with data: it does not check what it opens. Report it.",
            )


def _attempt(site: Site, wrap: Wrap, context: Context, key_arn: str) -> Callable[[], DecryptedKey]:
    return lambda: site.keys.decrypt(site.itself(), wrap.wrapped or b"", context, key_id=key_arn)


def _inner_refused(
    site: Site, live: Wrap, record: TableRecord, sealed: dict[str, bytes], key: DataKey
) -> Iterator[Check]:
    """The keys below the table key under a strange key, exchanged for each other, and bound to another schema."""
    exchanged = {ROW: sealed[INDEX], INDEX: sealed[ROW]}
    with DataKey.generate(site.random) as stranger:
        wrong = ((stranger, record.schema, sealed), (key, record.schema, exchanged), (key, record.schema + " ", sealed))
        for parent, schema, keys in wrong:
            with suppress(DamagedStore), open_inner_keys(parent, live, schema, keys):
                yield unprotected(REFUSALS, f"the keys of table {live.name} open where they must not", _RESTORE)
                return
    yield Check(what=REFUSALS, count=len(wrong))


def _rows(site: Site, record: TableRecord, keys: InnerKeys, witness: Witness) -> Iterator[Check]:
    """Every sealed row, a batch at a time; the heads of the partitions as they end."""
    places = Places(record, keys)
    held: Counter[str] = Counter()
    found: list[Check] = []
    sums: dict[bytes, RowSum] = {}
    regular = 0
    last = (b"", b"")
    with DataKey.generate(site.random) as stranger:
        while True:
            with site.catalogue.read() as reading:
                rows = [] if reading is None else reading.execute(_NEXT, (record.uid, *last, _BATCH)).fetchall()
            for partition, row, sealed in rows:
                found += _row(places, stranger, (partition, row, sealed), held, witness)
                regular += row != places.static(partition)
                sums.setdefault(partition, RowSum()).add(places.member(partition, row, sealed))
            ended = [partition for partition in sums if not rows or partition != rows[-1][0]]
            found += [
                check
                for partition in ended
                if (check := _head(site, places, partition, sums.pop(partition))) is not None
            ]
            witness.progress(f"rows of {record.name}", held[ROWS], record.rows)
            yield from found
            found.clear()
            if not rows:
                break
            last = rows[-1][:2]
    yield from _emptied(site, places)
    yield from _counted(site, record, regular)
    yield from (Check(what=what, count=count) for what, count in held.items())


def _row(
    places: Places, stranger: DataKey, stored: tuple[bytes, bytes, bytes], held: Counter[str], witness: Witness
) -> list[Check]:
    partition, row, sealed = stored
    named = f"row {row.hex()[:12]} of table {places.table.name}"
    try:
        content = places.open_row(partition, row, sealed)
    except DamagedStore:
        return [unprotected(ROWS, f"{named} does not open: it is not what was written, or not here", _RESTORE)]
    held[ROWS] += 1
    if len(content) >= _DISTINCT and content in sealed:
        return [unprotected(SAMPLES, f"{named} is stored in clear", "Find out who wrote it; write the row again.")]
    held[SAMPLES] += 1
    if held[SAMPLES] == 1:  # the deeper attempts once a table: they cost as much as a row each
        with suppress(InvalidCiphertextException):
            open_sealed(stranger, sealed, places.row_binding(partition, row))
            return [unprotected(REFUSALS, f"{named} opens under another table's key", _RESTORE)]
        with suppress(DamagedStore):
            places.open_row(partition, bytes(32), sealed)
            return [unprotected(REFUSALS, f"{named} opens in another row's place", _RESTORE)]
        held[REFUSALS] += 2
    start = len(content) // 3
    canary = content[start : start + _CANARY_BYTES]
    if len(canary) == _CANARY_BYTES and len(set(canary)) >= _DISTINCT:
        witness.canary(canary)
    return []


def _head(site: Site, places: Places, partition: bytes, seen: RowSum) -> Check | None:
    """Whether a partition's rows add up to its head. A write meanwhile is no finding: it is looked at whole then."""
    with site.catalogue.read() as reading:
        if reading is None:
            return None
        try:
            head = head_of(reading, places, partition)
        except DamagedStore as error:
            return unprotected(ROWS, error.summary, error.suggestion or _RESTORE)
        if head == seen:
            return None
        again = RowSum()
        for row, sealed in reading.execute(
            "SELECT row, sealed FROM sealed_row WHERE table_uid = ? AND partition = ?", (places.table.uid, partition)
        ):
            again.add(places.member(partition, row, sealed))
    if head == again:
        return None
    return unprotected(
        ROWS,
        f"a partition of table {places.table.name} holds {again.members} rows that do not add up to its head "
        f"({head.members}): some were dropped, doubled or put back",
        _RESTORE,
    )


def _emptied(site: Site, places: Places) -> Iterator[Check]:
    """Partitions whose rows are all gone, while their heads say otherwise."""
    with site.catalogue.read() as reading:
        empty = [] if reading is None else reading.execute(_EMPTY, (places.table.uid,)).fetchall()
    yield from (check for (partition,) in empty if (check := _head(site, places, partition, RowSum())) is not None)


def _counted(site: Site, record: TableRecord, regular: int) -> Iterator[Check]:
    """Whole partitions that are gone: their heads went with them, so only the table's count tells."""
    with site.catalogue.read() as reading:
        now = None if reading is None else catalogue.table_of_uid(reading, record.uid)
    if now is not None and now.rows == record.rows != regular:
        yield unprotected(ROWS, f"table {record.name} counts {record.rows} rows and has {regular}", _RESTORE)
