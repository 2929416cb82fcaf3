"""A cluster's encryption is changed while it is in use: nobody waits, nothing is lost, nothing plain is left (RE2, RE9,
RE10)."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.errors import HostError, InvalidClusterStateFault
from reconciler.providers.warehouse import EstimatesChanges, ReEncrypts
from reconciler_warehouse.tests.online_worlds import (
    CHANGES,
    COUNT,
    FILES,
    SUM,
    TOTAL,
    change,
    described,
    filled,
    insert,
    key_tables,
    one_by_one,
    plaintext_in,
    re_encrypt,
    run,
)
from reconciler_warehouse.tests.statement_worlds import site_of
from reconciler_warehouse.tests.test_crashes import opened
from reconciler_warehouse.tests.test_two_processes import verify_snapshots
from reconciler_warehouse.tests.worlds import NONE, OWNED, World, silent


def test_it_does_both(world: World) -> None:
    assert isinstance(world.warehouse(), ReEncrypts)
    assert isinstance(world.warehouse(), EstimatesChanges)


def test_segments_in_files_and_in_the_catalogue_and_deleted_rows_take_the_new_form(world: World, kind: str) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before)
    old = described(world)
    run_it(world)
    assert world.select(COUNT) == [(TOTAL, SUM)]
    now = described(world)
    assert now.status == "available"
    assert {dek for dek, _ in key_tables(world).values()} == {now.dek_id}
    assert (now.dek_id is None) == (kind == "decrypt")
    assert now.dek_id != old.dek_id
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        vectors = {dek for (dek,) in catalogue.execute("SELECT dek FROM delete_vector")}
        assert vectors == {now.dek_id}
        for table in ("lease", "pending", "trash"):
            assert catalogue.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608  # three names
    if kind != "decrypt":
        assert plaintext_in(world.folder()) == []  # nor in the catalogue's log, which is there while it is open
    world.reopen()
    verify_snapshots(world)


def test_another_process_reads_and_writes_meanwhile_and_its_rows_take_the_new_form_at_once(
    world: World, kind: str
) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before)
    old = described(world).dek_id
    other = opened(world.home, world.files)
    seen: list[tuple[int, set[str | None]]] = []

    def meanwhile() -> None:
        number = len(seen)
        assert number < 40, "what is written meanwhile is never done"
        there = set(key_tables(other))
        run(other, insert(), token=str(number))
        run(other, f"UPDATE flights SET canary_column = 'CANARY-TAIL-updated' WHERE id = {200 + number}")  # noqa: S608
        added = {dek for uid, (dek, _) in key_tables(other).items() if uid not in there}
        assert other.select(COUNT) == [(TOTAL + number + 1, SUM)]
        seen.append((len(added), added))

    world.checkpoint = meanwhile
    with one_by_one():
        run_it(world)
    world.checkpoint = lambda: None
    other.reopen()
    assert len(seen) >= FILES
    assert all(deks == {described(world).dek_id} and old not in deks for _, deks in seen)
    assert world.select(COUNT) == [(TOTAL + len(seen), SUM)]
    world.reopen()
    if kind != "decrypt":
        assert plaintext_in(world.folder()) == []


def test_other_threads_of_the_same_process_write_and_read_meanwhile(world: World, kind: str) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before)
    is_over, written, failures = threading.Event(), list[int](), list[BaseException]()

    def write() -> None:
        try:
            while not is_over.is_set() and len(written) < 100:
                run(world, insert(), token=f"t{len(written)}")
                written.append(1)
                world.load(world.file(f"t{len(written)}.csv", f"id,canary_column\n0,t{len(written)}\n"))
                written.append(1)
        except BaseException as error:
            failures.append(error)

    def read() -> None:
        try:
            while not is_over.is_set():
                ((_, total),) = world.select(COUNT)
                assert total == SUM
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for one in threads:
        one.start()
    try:
        with one_by_one():
            run_it(world)
    finally:
        is_over.set()
        for one in threads:
            one.join()
    assert failures == []
    assert world.select(COUNT) == [(TOTAL + len(written), SUM)]
    assert {dek for dek, _ in key_tables(world).values()} == {described(world).dek_id}


def test_no_resize_meanwhile_and_an_older_node_generation_is_read_only(world: World, kind: str) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before, node_type="dc2.large")
    refused: list[str] = []

    def meanwhile() -> None:
        if described(world).awaits_snapshot:
            return
        assert world.select(COUNT) == [(TOTAL, SUM)]
        for write in (
            lambda: run(world, insert()),
            lambda: run(world, "DELETE FROM flights"),
            lambda: run(world, "CREATE TABLE more (id int)"),
            lambda: world.load(world.file("m.csv", "id,canary_column\n0,CANARY-TAIL\n")),
        ):
            with pytest.raises(InvalidClusterStateFault, match="read-only while its encryption is changed"):
                write()
            refused.append(kind)
        for nodes in (1, 4):
            with pytest.raises(InvalidClusterStateFault, match="not resized while the encryption"):
                world.warehouse().resize_cluster(world.caller, "sales", node_type="dc2.large", nodes=nodes)

    world.checkpoint = meanwhile
    with one_by_one():
        run_it(world)
    world.checkpoint = lambda: None
    assert refused
    run(world, insert())
    assert world.select(COUNT) == [(TOTAL + 1, SUM)]
    world.warehouse().resize_cluster(world.caller, "sales", node_type="dc2.large", nodes=4)
    assert described(world).nodes == 4


def test_tables_marked_backup_no_are_not_carried_through_an_encryption(world: World) -> None:
    filled(world, NONE)
    world.load(world.file("scratch.csv", "id,canary_column\n1,CANARY-TAIL\n"), table="scratch", backup=False)
    change(world, OWNED)
    tables = {one.name: one.rows for one in described(world).tables}
    assert tables == {"flights": TOTAL, "scratch": 0}
    assert any("scratch is BACKUP NO" in one.message for one in world.warehouse().events("sales"))
    world.load(world.file("scratch.csv", "id,canary_column\n1,CANARY-TAIL\n"), table="scratch", backup=False)
    assert world.select("SELECT id FROM scratch") == [(1,)]
    re_encrypt(world)
    change(world, NONE, token="off")
    assert world.select("SELECT id FROM scratch") == [(1,)]


def test_what_is_left_behind_is_no_part_of_what_an_encryption_moves(world: World) -> None:
    filled(world, NONE)
    world.load(world.file("scratch.csv", "id,canary_column\n1,CANARY-TAIL\n"), table="scratch", backup=False)
    sizes = {one.name: one.bytes for one in described(world).tables}
    before = world.warehouse().estimate_change("sales")
    assert before is not None
    assert (before.bytes, before.segments) == (sizes["flights"], FILES + 1)
    begun: list[tuple[int, int]] = []

    def look(text: str, done: int | None, total: int | None) -> None:
        found = world.warehouse().change_progress("sales")
        if found is not None and not described(world).awaits_snapshot:
            begun.append((found.bytes_total, found.segments_total))

    change(world, OWNED, progress=look)
    assert set(begun) == {(before.bytes, before.segments)}
    world.load(world.file("scratch.csv", "id,canary_column\n1,CANARY-TAIL\n"), table="scratch", backup=False)
    after = world.warehouse().estimate_change("sales")  # a decryption carries all of it through
    assert after is not None
    assert after.bytes == sum(one.bytes for one in described(world).tables) > before.bytes


def test_re_encrypting_makes_every_key_and_every_byte_anew_but_those_of_snapshots(world: World) -> None:
    root = world.key("k1")
    filled(world, root)
    world.warehouse().create_snapshot(world.caller, "sales", "before", retention_days=None, token="s")
    old, files, tables = described(world), world.data_files(), key_tables(world)
    re_encrypt(world)
    now = described(world)
    assert (now.root, now.status) == (root, "available")
    assert now.cek_id != old.cek_id
    assert now.dek_id != old.dek_id
    assert {body for _, body in key_tables(world).values()}.isdisjoint({body for _, body in tables.values()})
    kept = world.data_files()
    assert files.items() <= kept.items()  # the snapshot's
    assert not set(files.values()) & {kept[name] for name in kept.keys() - files.keys()}
    with site_of(world).keyring.read() as ring:
        assert ring is not None
        held = {dek for (dek,) in ring.execute("SELECT dek FROM holding WHERE holder = ?", (now.uid,))}
    assert held == {now.dek_id}
    verify_snapshots(world)
    re_encrypt(world)
    assert described(world).dek_id == now.dek_id
    world.warehouse().delete_snapshot(world.caller, "before")
    assert not files.keys() & world.data_files().keys()


def test_what_was_said_in_statements_cannot_be_tried_with_the_key_that_is_given_up(world: World) -> None:
    filled(world, OWNED)
    re_encrypt(world)
    run(world, insert())
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        kept = catalogue.execute("SELECT DISTINCT dek FROM statement WHERE length(proof) > 0").fetchall()
    assert kept == [(described(world).dek_id,)]
    run(world, "INSERT INTO flights VALUES (5000, 'CANARY-TAIL-inline')")
    assert world.select(COUNT) == [(TOTAL + 1, SUM)], "the token of what was done before still counts"


def test_what_is_not_encrypted_is_not_encrypted_again(world: World) -> None:
    filled(world, NONE)
    with pytest.raises(InvalidClusterStateFault, match="not encrypted"):
        re_encrypt(world)


def test_how_far_it_is_and_what_it_will_take_are_measured(world: World) -> None:
    filled(world, NONE)
    assert world.warehouse().change_progress("sales") is None
    before = world.warehouse().estimate_change("sales")
    assert before is not None
    assert before.seconds is None  # nothing was measured yet
    assert before.segments == FILES + 1
    assert before.bytes == sum(one.bytes for one in described(world).tables)
    assert world.warehouse().estimate_change("nothing") is None
    seen: list[tuple[int, int, float | None, float | None]] = []

    def look() -> None:
        world.clock.advance(seconds=1)
        found = world.warehouse().change_progress("sales")
        if found is not None and not described(world).awaits_snapshot:
            assert (found.verb, found.token) == ("encrypt", "change")
            assert found.segments_total == before.segments
            assert found.bytes_total == before.bytes
            seen.append((found.segments_done, found.bytes_done, found.bytes_per_second, found.seconds_left))

    told: list[tuple[str, int | None, int | None]] = []
    site = site_of(world)
    world.checkpoint = look
    write = site.segments.write

    def slow_write(name: str, chunks: Any) -> None:
        world.clock.advance(seconds=2)
        write(name, chunks)

    with one_by_one(), patch.object(site.segments, "write", slow_write):
        change(world, OWNED, progress=lambda *what: told.append(what))
    world.checkpoint = lambda: None
    assert [done for done, *_ in seen][: FILES + 1] == list(range(1, FILES + 2))
    assert all(rate is not None and left is not None for _, _, rate, left in seen)
    assert [left for *_, left in seen if left is not None] == sorted(
        (left for *_, left in seen if left is not None), reverse=True
    )
    assert seen[-1][3] == 0
    assert [done for text, done, _ in told if text.startswith("bytes")] == [done for _, done, *_ in seen][: FILES + 1]
    assert [text for text, _, _ in told if not text.startswith(("bytes", "waiting"))] == [
        "the cluster's keys are made and verified",
        "new rows are encrypted from now on",
        "the first snapshot is taken",
    ]
    with one_by_one():
        alone = world.warehouse().estimate_change("sales")
    with patch("os.cpu_count", lambda: 8):
        both = world.warehouse().estimate_change("sales")  # two nodes, two workers (RE12)
    assert alone is not None
    assert both is not None
    assert (alone.seconds, both.seconds) == (FILES * 2, FILES)
    assert world.warehouse().change_progress("sales") is None


def test_what_a_small_change_took_tells_nothing_of_a_large_one(world: World) -> None:
    filled(world, NONE)
    with site_of(world).catalogue.write() as catalogue:
        catalogue.execute("INSERT INTO change_progress VALUES ('before', 'other', '2025-01-01', 1, 16, 1, 16, 2.0)")
    small = world.warehouse().estimate_change("sales")
    assert small is not None
    assert small.bytes > 16 * 16
    assert small.seconds is None
    with site_of(world).catalogue.write() as catalogue:
        catalogue.execute("UPDATE change_progress SET bytes_done = ? WHERE operation = 'before'", (small.bytes // 2,))
    told = world.warehouse().estimate_change("sales")
    assert told is not None
    assert told.seconds is not None


def test_encrypted_without_a_snapshot_is_not_done_and_has_not_failed(world: World) -> None:
    filled(world, NONE)

    def fail(*_: object, **__: object) -> None:
        raise HostError("no space for a snapshot")

    with patch("reconciler_warehouse.backups.snapshots.create", fail), pytest.raises(HostError):
        change(world, OWNED)
    waiting = described(world)
    assert (waiting.root, waiting.status, waiting.awaits_snapshot) == (OWNED, "available", True)
    assert world.warehouse().describe_snapshots(world.caller) == []
    run(world, insert())
    with patch("reconciler_warehouse.backups.snapshots.create", fail):
        assert world.warehouse().do_due_work(world.caller, progress=silent) == []
    assert described(world).awaits_snapshot
    (said,) = world.warehouse().do_due_work(world.caller, progress=silent)
    assert "interrupted" in said
    assert not described(world).awaits_snapshot
    (snapshot,) = world.warehouse().describe_snapshots(world.caller)
    assert (snapshot.kind, snapshot.root) == ("automated", OWNED)
    assert world.select(COUNT) == [(TOTAL + 1, SUM)]
