"""Key tables, blocks and the raw bytes of segment files, tried with the right keys and with wrong ones (RE3, I7, I18).

One segment in memory at a time. Without ``--full`` a few blocks of each segment are opened (the first, the last, two at
random), in at most ``_SAMPLED`` segments; every key table always is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final

from reconciler.envelope.blocks import ENTRY_BYTES, TAG_BYTES, open_block
from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore, InvalidCiphertextException
from reconciler.providers.proofs import (
    BLOCKS,
    FILES,
    KEY_TABLES,
    MANIFESTS,
    PLAIN_BLOCKS,
    REFUSALS,
    SAMPLES,
    Check,
    Witness,
    unprotected,
)
from reconciler_warehouse import manifest
from reconciler_warehouse.blocks.key_tables import KeyTable, SegmentId, open_table
from reconciler_warehouse.blocks.raw_samples import PARQUET, canaries, plaintext_in
from reconciler_warehouse.blocks.segment_files import BUFFERS, StoredSegment
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.proofs.proving_vectors import vectors
from reconciler_warehouse.rows import SegmentRow, segment_now, segment_uids
from reconciler_warehouse.site import Site

_SAMPLED: Final = 64
_BATCH: Final = 32
_LOOKS: Final = 3  # a segment that an apply moves meanwhile is looked at again
_SHORTEST_CANARY: Final = 12
_RESTORE: Final = "Nothing was changed. Restore the file from a backup, or the cluster from a snapshot."
_ENCRYPT: Final = "Find out who wrote it. Restore the warehouse's folder from a backup, or load the table again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose segments: a cluster or a snapshot. ``origin`` is the cluster uid in its AADs, ``dek`` names the key of new
    writes, None when they are plain; ``context`` the pairs that its CEK must be bound to, as far as they are known."""

    kind: str
    uid: str
    name: str
    origin: str
    dek: str | None
    context: Mapping[str, str] = field(default_factory=dict)


def segments(site: Site, holder: Holder, deks: OpenDeks, witness: Witness) -> Iterator[Check]:
    """The manifest, then every segment. Checks that held are counted together, those that failed come one by one."""
    total, found = _manifest(site, holder, deks)
    yield from found
    every = max(1, -(-total // _SAMPLED))
    held: Counter[str] = Counter()
    for number, row in enumerate(_rows(site, holder), 1):
        witness.progress(f"{holder.kind} {holder.name}", number, total)
        prover = _Segment(site, holder, deks, witness, is_sampled=witness.is_full or number % every == 0, held=held)
        yield from prover.checks(row)
    yield from (Check(what=what, count=count) for what, count in held.items())
    yield from vectors(site, holder.kind, holder.uid, holder.name, holder.origin, holder.dek, deks)


def strays(site: Site, witness: Witness) -> Iterator[Check]:
    """Files that nothing refers to: none is in clear, unless its segment is a plain cluster's. A catalogue with
    plain key tables holds their bounds in clear."""
    with site.catalogue.read() as catalogue:
        if catalogue is not None and catalogue.execute("SELECT 1 FROM key_table WHERE dek IS NULL LIMIT 1").fetchone():
            witness.in_clear(site.catalogue.path)
    names = site.segments.names()
    for start in range(0, len(names), _BATCH):
        witness.progress(f"files of {site.region}", start, len(names))
        for name, ends in site.segments.ends_of(_unreferenced(site, names[start : start + _BATCH]), len(PARQUET)):
            if PARQUET in ends:
                yield unprotected(
                    FILES,
                    f"segment file {name} in {site.region} is in clear, and nothing refers to it",
                    "Run `reconciler apply`: it removes what interrupted changes left. A file that stays is not "
                    "the warehouse's: find out who wrote it.",
                )
    yield Check(what=FILES, count=len(names))


def _manifest(site: Site, holder: Holder, deks: OpenDeks) -> tuple[int, list[Check]]:
    """How many segments there are, and whether the manifest over them is right, under its own key only."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return 0, []
        total = len(segment_uids(catalogue, holder.kind, holder.uid))
        try:
            manifest.check(catalogue, holder.kind, holder.uid, holder.name, deks)
        except DamagedStore as error:
            return total, [unprotected(MANIFESTS, error.summary, error.suggestion or _RESTORE)]
        if holder.dek is None:
            return total, [Check(what=MANIFESTS)]
        with DataKey.generate(site.random) as stranger, suppress(DamagedStore):
            manifest.check(catalogue, holder.kind, holder.uid, holder.name, {holder.dek: stranger})
            return total, [unprotected(REFUSALS, f"the manifest of {holder.name} holds under any key", _RESTORE)]
    return total, [Check(what=MANIFESTS), Check(what=REFUSALS)]


def _rows(site: Site, holder: Holder) -> Iterator[SegmentRow]:
    """Every segment, one at a time, so that no transaction stays open while blocks are read."""
    with site.catalogue.read() as catalogue:
        uids = [] if catalogue is None else segment_uids(catalogue, holder.kind, holder.uid)
    for uid in uids:
        with site.catalogue.read() as catalogue:
            row = None if catalogue is None else segment_now(catalogue, holder.kind, holder.uid, uid)
        if row is not None:  # it went with its table meanwhile
            yield row


class _Segment:
    """Checks of one segment."""

    def __init__(
        self,
        site: Site,
        holder: Holder,
        deks: OpenDeks,
        witness: Witness,
        *,
        is_sampled: bool,
        held: Counter[str],
    ) -> None:
        self._site = site
        self._holder = holder
        self._deks = deks
        self._witness = witness
        self._is_sampled = is_sampled
        self._held = held

    def checks(self, row: SegmentRow) -> Iterator[Check]:
        """What does not hold. An apply may move the segment while it is read: then what it is by now counts."""
        found: list[Check] = []
        for _ in range(_LOOKS):
            counted: Counter[str] = Counter()
            found = self._look(row, counted)
            now = self._now(row) if found else row
            if now == row:
                self._held.update(counted)
                break
            if now is None:
                return  # dropped with its table
            row = now
        yield from found

    def _now(self, row: SegmentRow) -> SegmentRow | None:
        with self._site.catalogue.read() as catalogue:
            return None if catalogue is None else segment_now(catalogue, self._holder.kind, self._holder.uid, row.uid)

    def _look(self, row: SegmentRow, counted: Counter[str]) -> list[Check]:
        where = f"segment {row.uid} of {self._holder.kind} {self._holder.name}"
        if self._holder.dek is not None and row.dek is None:
            return [
                unprotected(KEY_TABLES, f"{where} is stored in clear, and its {self._holder.kind} is not", _ENCRYPT)
            ]
        if row.dek is not None and row.dek not in self._deks:
            return [unprotected(KEY_TABLES, f"{where} is sealed under {row.dek}, which is not held", _RESTORE)]
        identity = row.identity(self._holder.origin)
        try:
            table = open_table(
                row.body, identity, row.generation, dek=row.dek, key=self._deks.get(row.dek) if row.dek else None
            )
        except DamagedStore as error:
            return [unprotected(KEY_TABLES, f"{where}: {error.summary}", error.suggestion or _RESTORE)]
        counted[KEY_TABLES] += 1
        found = self._refused(row, identity, where, counted) if row.dek is not None else []
        self._hand_over(table)
        if self._is_sampled:
            try:
                found += self._blocks(row, table, identity, where, counted)
            except DamagedStore as error:
                found.append(unprotected(BLOCKS, f"{where}: {error.summary}", error.suggestion or _RESTORE))
            except FileNotFoundError:
                found.append(unprotected(BLOCKS, f"{where}: segment file {row.file} is gone", _RESTORE))
        return found

    def _refused(self, row: SegmentRow, identity: SegmentId, where: str, counted: Counter[str]) -> list[Check]:
        """The key table under another DEK, another segment's name and an older generation."""
        dek = row.dek or ""
        elsewhere = SegmentId(origin=identity.origin, table=identity.table, segment=self._site.uid())
        with DataKey.generate(self._site.random) as stranger:
            wrong = [(identity, row.generation, dek, stranger)]
            wrong += [
                (elsewhere, row.generation, dek, self._deks[dek]),
                (identity, row.generation + 1, dek, self._deks[dek]),
            ]
            wrong += [(identity, row.generation, dek, key) for name, key in self._deks.items() if name != dek]
            for one, generation, named, key in wrong:
                with suppress(DamagedStore):
                    open_table(row.body, one, generation, dek=named, key=key)
                    return [unprotected(REFUSALS, f"the key table of {where} opens where it must not", _RESTORE)]
        counted[REFUSALS] += len(wrong)
        return []

    def _hand_over(self, table: KeyTable) -> None:
        """Text bounds of the zone maps: values of rows that are known without opening a block."""
        if table.sealed:
            for bounds in table.zones.values():
                for value in bounds:
                    if isinstance(value, str) and len(value.encode()) >= _SHORTEST_CANARY:
                        self._witness.canary(value.encode())

    def _blocks(
        self, row: SegmentRow, table: KeyTable, identity: SegmentId, where: str, counted: Counter[str]
    ) -> list[Check]:
        """Blocks opened, in a sample also with wrong keys and looked at as they lie there."""
        site, found = self._site, []
        sample = self._sample(table.blocks)
        origin = identity.blocks()
        with closing(StoredSegment(site.segments, row.file, table, origin)) as stored, BUFFERS.borrowed() as plain:
            for index in range(table.blocks) if self._witness.is_full else sorted(sample):
                block = plain[: stored.length(index)]
                stored.block_into(index, block)
                counted[BLOCKS if table.sealed else PLAIN_BLOCKS] += 1
                if table.sealed and index in sample:
                    found += self._raw(stored, origin, index, block, where=where, counted=counted)
            if stored.stored_size() != table.size:
                problem = f"{where}: file {row.file} is not as long as what was written"
                found.append(unprotected(BLOCKS, problem, _RESTORE))
        return found

    def _raw(
        self,
        stored: StoredSegment,
        origin: bytes,
        index: int,
        plain: memoryview,
        *,
        where: str,
        counted: Counter[str],
    ) -> list[Check]:
        site, table, length = self._site, stored.table, len(plain)
        with BUFFERS.borrowed() as buffer, BUFFERS.borrowed() as out:
            stored.raw_into(index, buffer[:length])
            seen = plaintext_in(buffer[:length], plain)
            if seen is not None:
                return [
                    unprotected(SAMPLES, f"block {index} of file {stored.name} ({where}) is in clear: {seen}", _ENCRYPT)
                ]
            counted[SAMPLES] += 1
            for value in canaries(plain):
                self._witness.canary(value)
            own = table.entry(index)
            other = table.entry((index + 1) % table.blocks) if table.blocks > 1 else site.random.bytes(ENTRY_BYTES)
            for entry, place in ((other, index), (own, index + 1)):
                with suppress(InvalidCiphertextException):
                    open_block(buffer[: length + TAG_BYTES], out[:length], entry, origin, place)
                    return [unprotected(REFUSALS, f"block {index} of {where} opens where it must not", _RESTORE)]
            counted[REFUSALS] += 2
        return []

    def _sample(self, blocks: int) -> set[int]:
        if blocks <= 4:
            return set(range(blocks))
        drawn = [int.from_bytes(self._site.random.bytes(4)) % blocks for _ in range(2)]
        return {0, blocks - 1, *drawn}


def _unreferenced(site: Site, names: list[str]) -> list[str]:
    """Those that no segment and no snapshot refers to, that nobody is writing, and that are not a plain cluster's."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return names
        return [
            name
            for name in names
            if catalogue.execute(
                """SELECT 1 FROM segment WHERE file = ?1 UNION ALL SELECT 1 FROM past_segment WHERE file = ?1
                   UNION ALL SELECT 1 FROM pending WHERE file = ?1
                   UNION ALL SELECT 1 FROM segment s JOIN data_table t ON t.uid = s.data_table
                   JOIN cluster c ON c.uid = t.cluster WHERE s.uid = ?2 AND c.dek IS NULL LIMIT 1""",
                (name, name.partition(".")[0]),
            ).fetchone()
            is None
        ]
