"""What happens while a cluster's encryption is changed: statements, switches, other workers, removals, a lost root, a
stop (RE9)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast
from unittest.mock import patch

import pytest

from reconciler.errors import ConflictException, InvalidClusterStateFault, ResourceNotFoundException
from reconciler.model.ports import StopRequested
from reconciler.providers.data import RootKind
from reconciler.providers.proofs import Check, Result
from reconciler_warehouse.changes import left_behind
from reconciler_warehouse.config import WarehouseConfig
from reconciler_warehouse.keys.mode_changed import ModeChanged
from reconciler_warehouse.loading import new_segments
from reconciler_warehouse.online import ending, moving, workers
from reconciler_warehouse.queries import select
from reconciler_warehouse.tests.online_worlds import (
    CANARIES,
    CHANGES,
    COUNT,
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
    short_patience,
)
from reconciler_warehouse.tests.statement_worlds import site_of
from reconciler_warehouse.tests.test_crashes import opened
from reconciler_warehouse.tests.test_proving import Looking
from reconciler_warehouse.tests.test_two_processes import verify_snapshots
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, World, silent
from reconciler_warehouse.upkeep import drafts as drafts_of
from reconciler_warehouse.upkeep import pins
from tests.amounts import is_campaign


def mark_late(world: World) -> None:
    file = world.file("marking.csv", "n\n1\n")
    world.warehouse().load_table(world.caller, "sales", "late", [file], backup=False, progress=silent, token="mark")


def make_late(world: World) -> None:
    run(world, "DROP TABLE late")
    run(world, "CREATE TABLE late (n int) BACKUP NO")
    run(world, "INSERT INTO late VALUES (1)")


MARKED_MEANWHILE: dict[str, Callable[[World], None]] = {
    "dropped and made anew with other columns": make_late,
    "marked by a load": mark_late,
}


def test_what_a_reader_still_has_open_keeps_the_end_waiting_and_nothing_is_lost(world: World) -> None:
    filled(world, NONE)
    site = site_of(world)
    with pins.held(site):
        with short_patience(), pytest.raises(ConflictException, match="reading or writing for ten minutes"):
            change(world, OWNED)
        assert described(world).status == "resizing"
        assert not described(world).encrypted
    change(world, OWNED)
    assert described(world).encrypted
    assert world.select(COUNT) == [(TOTAL, SUM)]
    world.reopen()
    assert plaintext_in(world.folder()) == []


def test_rows_written_in_clear_by_who_began_before_keep_an_encryption_from_its_end(world: World) -> None:
    """RE9: no cluster is called encrypted while a draft of its rows lies beside it in clear."""
    filled(world, NONE)
    other, arrived = opened(world.home, world.files), world.file("late.csv", "id,canary_column\n0,CANARY-TAIL-late\n")
    written, seen = cast(Any, new_segments).require_ciphertext, list[bool]()

    def held_up(*arguments: Any) -> None:
        if not seen:
            seen.append(described(world).encrypted)
            with short_patience(), pytest.raises(ConflictException, match="reading or writing for ten minutes"):
                change(world, OWNED)
            assert plaintext_in(world.folder())
            seen.append(described(world).encrypted)
        written(*arguments)

    with patch.object(new_segments, "require_ciphertext", held_up):
        other.load(arrived)
    other.reopen()
    assert seen == [False, False]
    change(world, OWNED)
    assert described(world).encrypted
    assert plaintext_in(world.folder()) == []
    assert world.select(COUNT) == [(TOTAL + 1, SUM)]  # refused in its commit, and written again under the new keys


def test_rows_in_clear_of_who_was_killed_are_gone_when_the_encryption_ends(world: World) -> None:
    filled(world, NONE)
    site, name = site_of(world), f"{'ab' * 16}.1"
    with site.catalogue.write() as catalogue:  # as a process leaves it that no process has the id of
        values = (name, 2**22 + 1, described(world).uid)
        catalogue.execute("INSERT INTO pending (file, process, in_clear_for) VALUES (?, ?, ?)", values)
    (world.folder() / "data" / name).write_bytes(CANARIES[0])
    change(world, OWNED)
    assert described(world).encrypted
    assert plaintext_in(world.folder()) == []


def test_a_reader_that_began_after_a_killed_writer_keeps_no_rows_in_clear(world: World) -> None:
    """The writer dies while the end waits for it, and somebody reads from before that until long after."""
    filled(world, NONE)
    site, name, waited = site_of(world), f"{'cd' * 16}.1", list[str]()
    with site.catalogue.write() as catalogue:
        values = (name, os.getppid(), described(world).uid)  # alive
        catalogue.execute("INSERT INTO pending (file, process, in_clear_for) VALUES (?, ?, ?)", values)
    (world.folder() / "data" / name).write_bytes(CANARIES[0])
    with ExitStack() as reader:

        def wait(*_: object) -> None:
            if not waited:
                with site.catalogue.write() as catalogue:
                    catalogue.execute("UPDATE pending SET process = ?", (2**22 + 1,))
                reader.enter_context(pins.held(site))
            waited.append(str(described(world).encrypted))

        with patch.object(ending, "_wait", wait):
            change(world, OWNED)
        assert described(world).encrypted
        assert plaintext_in(world.folder()) == []
    assert set(waited) == {"False"}


def test_waiting_asks_the_key_service_nothing(world: World) -> None:
    filled(world, NONE)
    site, waited, asked = site_of(world), list[bool](), list[int]()

    def wait(*_: object) -> None:
        waited.append(True)
        if len(waited) == 30:
            with site.catalogue.write() as catalogue:
                catalogue.execute("UPDATE pending SET process = ?", (2**22 + 1,))

    with site.catalogue.write() as catalogue:
        values = (f"{'cd' * 16}.1", os.getppid(), described(world).uid)
        catalogue.execute("INSERT INTO pending (file, process, in_clear_for) VALUES (?, ?, ?)", values)
    with patch.object(ending, "_wait", wait), patch.object(drafts_of, "retire_released", lambda _: asked.append(1)):
        change(world, OWNED)
    assert len(waited) == 30
    assert len(asked) < 10


@pytest.mark.parametrize("meanwhile", list(MARKED_MEANWHILE))
def test_a_table_that_is_marked_backup_no_while_new_rows_become_sealed_keeps_its_columns(
    world: World, meanwhile: str
) -> None:
    """RE10: its rows stay behind, and statements fill it again."""
    filled(world, NONE)
    run(world, "CREATE TABLE late (n int)" if "marked" in meanwhile else "CREATE TABLE late (other text) BACKUP NO")
    seen, done = left_behind.columns_kept, list[bool]()

    def overtaken(*arguments: Any) -> Any:
        kept = seen(*arguments)
        if not done:
            done.append(True)
            MARKED_MEANWHILE[meanwhile](world)
        return kept

    with patch.object(left_behind, "columns_kept", overtaken):
        change(world, OWNED)
    assert world.select("SELECT n FROM late") == []
    run(world, "INSERT INTO late VALUES (2)")
    assert world.select("SELECT n FROM late") == [(2,)]
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        kept_for_nothing = "SELECT file FROM inline WHERE file NOT IN (SELECT file FROM segment)"
        assert catalogue.execute(kept_for_nothing).fetchall() == []
    assert world.select(COUNT) == [(TOTAL, SUM)]


def test_no_rows_are_written_in_clear_once_they_are_to_be_sealed(world: World) -> None:
    filled(world, OWNED)
    site = site_of(world)
    with drafts_of.drafts(site) as made, pytest.raises(ModeChanged):
        made.write(f"{site.uid()}.1", iter([memoryview(CANARIES[0])]), in_clear_for=described(world).uid)
    assert plaintext_in(world.folder()) == []


def test_a_statement_that_began_before_reads_what_it_found(world: World, kind: str) -> None:
    """The whole change happens between its look at the catalogue and its first block."""
    before, run_it = CHANGES[kind]
    filled(world, before)
    other = opened(world.home, world.files)
    answer, done = cast(Any, select)._run, list[bool]()

    def held_up(*arguments: Any) -> Any:
        if not done:
            done.append(True)
            # The reader holds its pin, so what it found stays; the change waits for it, and is called again.
            try:
                run_it(world)
            except ConflictException:
                done.append(True)
        return answer(*arguments)

    with short_patience(), patch.object(select, "_run", held_up):
        assert other.select(COUNT) == [(TOTAL, SUM)]
    other.reopen()
    run_it(world)
    assert world.select(COUNT) == [(TOTAL, SUM)]
    assert (described(world).root.kind is RootKind.NONE) == (kind == "decrypt")


def test_a_root_is_switched_to_an_hsm_and_back_while_others_write(world: World) -> None:
    filled(world, world.key("k1"))
    other = opened(world.home, world.files)
    other.other_hsm = world.hsm()
    is_over, written, failures = threading.Event(), list[int](), list[BaseException]()

    def write() -> None:
        try:
            while not is_over.is_set():
                run(other, insert(), token=f"w{len(written)}")
                written.append(1)
                assert other.select(COUNT) == [(TOTAL + len(written), SUM)]
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number, root in enumerate([world.partition("a"), world.key("k2"), world.partition("b"), OWNED]):
            change(world, root, token=f"switch/{number}")
            assert described(world).root == root
    finally:
        is_over.set()
        writer.join()
        other.reopen()
    assert failures == []
    assert world.select(COUNT) == [(TOTAL + len(written), SUM)]


def test_another_process_helps_and_both_come_to_the_end(world: World, kind: str) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before, files=6)
    other = opened(world.home, world.files)
    portions, failures = list[int](), list[BaseException]()
    other.checkpoint = lambda: portions.append(1)

    def help_out() -> None:
        try:
            other.warehouse().do_due_work(other.caller, progress=silent)
        except BaseException as error:
            failures.append(error)

    helper = threading.Thread(target=help_out)

    def meanwhile() -> None:
        if not helper.ident:
            helper.start()
            while helper.is_alive() and not portions:
                time.sleep(0.01)  # it works while this one does not

    world.checkpoint = meanwhile
    with one_by_one():
        run_it(world)
        helper.join()
    world.checkpoint = lambda: None
    other.reopen()
    assert failures == []
    assert portions
    ((count, _),) = world.select(COUNT)
    assert count == 6 * 100 + 1 - 3
    assert {dek for dek, _ in key_tables(world).values()} == {described(world).dek_id}
    assert described(world).status == "available"
    assert not described(world).awaits_snapshot


@pytest.mark.parametrize("kind", list(CHANGES) if is_campaign() else ["decrypt"])
def test_a_cluster_that_is_deleted_meanwhile_is_gone_with_its_queue(world: World, kind: str) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before)
    other = opened(world.home, world.files)
    world.checkpoint = lambda: other.warehouse().delete_cluster(other.caller, "sales")
    with one_by_one(), pytest.raises((ResourceNotFoundException, ConflictException)):
        run_it(world)
    world.checkpoint = lambda: None
    other.reopen()
    world.warehouse().clear_up()
    assert world.warehouse().describe_clusters(world.caller) == []
    assert world.data_files() == {}
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        assert catalogue.execute("SELECT count(*) FROM lease").fetchone() == (0,)


@pytest.mark.parametrize("what", ["replaced", "moved by another worker", "truncated"])
@pytest.mark.parametrize("kind", list(CHANGES) if is_campaign() else ["encrypt"])
def test_a_segment_that_was_changed_while_it_was_written_again_is_left_as_it_is(
    world: World, kind: str, what: str
) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before)
    other = opened(world.home, world.files)
    move, done = moving.move, list[bool]()

    def overtaken(*arguments: Any) -> Any:
        moved = move(*arguments)
        if not done:
            done.append(True)
            if what == "replaced":
                file = world.file("new.csv", "id,canary_column\n7,CANARY-TAIL-new\n")
                other.warehouse().replace_table(
                    other.caller, "sales", "flights", [file], progress=silent, token="replace"
                )
            elif what == "truncated":
                run(other, "TRUNCATE flights")
            else:
                with site_of(world).catalogue.write() as catalogue:
                    catalogue.execute("UPDATE lease SET until = ''")
                other.warehouse().do_due_work(other.caller, progress=silent)
        return moved

    with one_by_one(), patch.object(moving, "move", overtaken):
        run_it(world)
    other.reopen()
    assert done
    wanted = {"replaced": (1, 7), "truncated": (0, 0), "moved by another worker": (TOTAL, SUM)}[what]
    if what != "truncated":
        assert world.select(COUNT) == [wanted]
    assert sum(one.rows for one in described(world).tables) == wanted[0]
    assert {dek for dek, _ in key_tables(world).values()} <= {described(world).dek_id}
    world.warehouse().clear_up()
    verify_snapshots(world)


def test_a_root_key_that_is_lost_meanwhile_stops_it_and_one_that_is_back_lets_it_go_on(world: World, kind: str) -> None:
    root = world.key("k1")
    filled(world, NONE if kind == "encrypt" else root)
    other = opened(world.home, world.files)
    lost: list[bool] = []

    def run_it() -> None:
        re_encrypt(world) if kind == "re-encrypt" else change(world, root if kind == "encrypt" else NONE)

    def lose_it() -> None:
        if not lost:
            lost.append(True)
            other.keys().disable_key(other.caller, str(root.key_arn))
            other.warehouse().do_due_work(other.caller, progress=silent)

    world.checkpoint = lose_it
    with one_by_one(), pytest.raises(InvalidClusterStateFault, match="became inaccessible-kms-key"):
        run_it()
    world.checkpoint = lambda: None
    other.reopen()
    assert described(world).status == "inaccessible-kms-key"
    world.keys().enable_key(world.caller, str(root.key_arn))
    world.warehouse().do_due_work(world.caller, progress=silent)
    run_it()
    assert described(world).status == "available"
    assert described(world).encrypted == (kind != "decrypt")
    assert world.select(COUNT) == [(TOTAL, SUM)]


def test_a_change_takes_no_more_of_the_disk_than_its_provider_says(world: World, kind: str) -> None:
    before, run_it = CHANGES[kind]
    world.configs = {HERE: WarehouseConfig.model_validate({"migration": {"workers": 2, "bytesPerSecond": 1 << 20}})}
    filled(world, before)
    size = sum(one.bytes for one in described(world).tables)
    begun = world.clock.now()
    run_it(world)
    assert (world.clock.now() - begun).total_seconds() >= size / (1 << 20) / 2  # the last block is let through at once
    assert world.select(COUNT) == [(TOTAL, SUM)]


def test_verify_in_the_middle_of_it_tells_what_is_in_clear_and_nothing_else(world: World, kind: str) -> None:
    before, run_it = CHANGES[kind]
    filled(world, before)
    found: list[Check] = []

    def verify() -> None:
        found.extend(world.warehouse().prove_cluster(world.caller, "sales", OWNED, Looking()))
        assert world.warehouse().plaintext_found() == []

    world.checkpoint = verify
    with one_by_one():
        run_it(world)
    world.checkpoint = lambda: None
    assert any(one.result is Result.PROVED and one.count for one in found)
    wrong = [str(one.failure) for one in found if one.result is not Result.PROVED]
    assert all("in clear" in failure for failure in wrong), wrong
    assert (wrong == []) == (kind == "re-encrypt")


def test_a_stop_does_not_wait_for_the_end_of_a_large_segment(world: World) -> None:
    filled(world, NONE)
    is_asked = threading.Event()

    def as_if_large(blocks: Iterator[memoryview], pace: Callable[[int], None]) -> Iterator[memoryview]:
        for block in blocks:
            for _ in range(200):
                is_asked.set()
                time.sleep(0.02)
                pace(0)
            yield block

    def stop() -> None:
        if is_asked.is_set():
            raise StopRequested

    world.checkpoint = stop
    quickly = patch.object(workers, "_LOOKS_UP", 0.05)
    with one_by_one(), quickly, patch.object(moving, "_paced", as_if_large), pytest.raises(StopRequested):
        change(world, OWNED)
    world.checkpoint = lambda: None
    under_way = world.warehouse().change_progress("sales")
    assert under_way is not None
    assert under_way.segments_done == 0
    change(world, OWNED)
    assert world.select(COUNT) == [(TOTAL, SUM)]
