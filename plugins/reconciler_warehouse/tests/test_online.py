"""A cluster's encryption is changed while it is in use: nobody waits, nothing is lost, nothing plain is left (RE2, RE9,
RE10)."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, cast
from unittest.mock import patch

import pytest

from reconciler.errors import ConflictException, HostError, InvalidClusterStateFault, ResourceNotFoundException
from reconciler.model.ports import StopRequested
from reconciler.providers.data import ClusterDescription, ClusterRequest, Root, RootKind
from reconciler.providers.proofs import Check, Result
from reconciler.providers.warehouse import EstimatesChanges, ReEncrypts
from reconciler_warehouse import pins, select
from reconciler_warehouse.config import MigrationConfig, WarehouseConfig
from reconciler_warehouse.online import ending, moving, workers
from reconciler_warehouse.rows import segments_of_cluster
from reconciler_warehouse.site import Site
from reconciler_warehouse.tests.test_crashes import opened
from reconciler_warehouse.tests.test_proving import Looking
from reconciler_warehouse.tests.test_two_processes import verify_snapshots
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, World, silent
from tests.amounts import is_campaign

FILES = 3
COUNT = "SELECT count(*), coalesce(sum(id), 0) FROM flights"
CANARIES = (b"CANARY-TAIL", b"canary_column")


def of(world: World) -> Site:
    return cast(Any, world.warehouse())._site  # type: ignore[no-any-return]  # the test looks inside


def described(world: World) -> ClusterDescription:
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    return found


def no_file(name: str) -> NoReturn:
    pytest.fail(f"no statement here names a file, but {name} was asked for")


def run(world: World, statement: str, token: str = "") -> Any:
    return world.warehouse().execute(
        world.caller,
        "sales",
        statement,
        open_file=no_file,
        token=token or hashlib.sha256(statement.encode()).hexdigest(),
    )


def filled(world: World, root: Root, *, node_type: str = "ra3.large", files: int = FILES) -> None:
    """A cluster with a few segments in files, one in the catalogue, and deleted rows in two."""
    request = ClusterRequest(name="sales", node_type=node_type, nodes=2, database="dev", root=root)
    world.warehouse().create_cluster(world.caller, request, token="create")
    for number in range(files):
        rows = "".join(f"{number * 100 + row},CANARY-TAIL-{number}-{row}\n" for row in range(100))
        world.load(world.file(f"{number}.csv", f"id,canary_column\n{rows}"))
    run(world, "INSERT INTO flights VALUES (5000, 'CANARY-TAIL-inline')")
    run(world, "DELETE FROM flights WHERE id IN (5, 105, 106)")


def insert() -> str:
    """One more row, which adds nothing to the sum."""
    return "INSERT INTO flights VALUES (0, 'CANARY-TAIL-meanwhile')"


TOTAL = FILES * 100 + 1 - 3
SUM = sum(range(FILES * 100)) + 5000 - 5 - 105 - 106


def change(world: World, root: Root, token: str = "change", progress: Any = silent) -> None:  # noqa: S107  # no secret
    world.warehouse().modify_encryption(world.caller, "sales", root, progress=progress, token=token)


def re_encrypt(world: World) -> None:
    world.warehouse().re_encrypt(world.caller, "sales", progress=silent, token="again")


def key_tables(world: World) -> dict[str, tuple[str | None, bytes]]:
    site = of(world)
    with site.catalogue.read() as catalogue:
        assert catalogue is not None
        return {one.uid: (one.dek, one.body) for one in segments_of_cluster(catalogue, described(world).uid)}


def plaintext_in(folder: Path) -> list[str]:
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(canary in path.read_bytes() for canary in CANARIES)
    ]


CHANGES: dict[str, tuple[Root, Callable[[World], None]]] = {
    "encrypt": (NONE, lambda world: change(world, OWNED)),
    "decrypt": (OWNED, lambda world: change(world, NONE)),
    "re-encrypt": (OWNED, re_encrypt),
}


@contextmanager
def one_by_one() -> Iterator[None]:
    """One worker, and a commit for each segment, so that much can happen in between."""
    with patch.object(workers, "MOST", 1), patch.object(MigrationConfig, "workers_of", lambda self, nodes: 1):
        yield


@contextmanager
def short_patience() -> Iterator[None]:
    """Nobody waits for a reader for long."""
    with patch.object(ending, "PATIENCE", timedelta(seconds=1)):
        yield


@pytest.fixture(params=CHANGES, name="kind")
def each_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


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
    with of(world).catalogue.read() as catalogue:
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
    with of(world).keyring.read() as ring:
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
    with of(world).catalogue.read() as catalogue:
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
    site = of(world)
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
    assert ("segments written again", 1, FILES + 1) in told
    assert [text for text, _, _ in told if not text.startswith(("segments", "waiting"))] == [
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
    with of(world).catalogue.write() as catalogue:
        catalogue.execute("INSERT INTO change_progress VALUES ('before', 'other', '2025-01-01', 1, 16, 1, 16, 2.0)")
    small = world.warehouse().estimate_change("sales")
    assert small is not None
    assert small.bytes > 16 * 16
    assert small.seconds is None
    with of(world).catalogue.write() as catalogue:
        catalogue.execute("UPDATE change_progress SET bytes_done = ? WHERE operation = 'before'", (small.bytes // 2,))
    told = world.warehouse().estimate_change("sales")
    assert told is not None
    assert told.seconds is not None


def test_encrypted_without_a_snapshot_is_not_done_and_has_not_failed(world: World) -> None:
    filled(world, NONE)

    def fail(*_: object, **__: object) -> None:
        raise HostError("no space for a snapshot")

    with patch("reconciler_warehouse.snapshots.create", fail), pytest.raises(HostError):
        change(world, OWNED)
    waiting = described(world)
    assert (waiting.root, waiting.status, waiting.awaits_snapshot) == (OWNED, "available", True)
    assert world.warehouse().describe_snapshots(world.caller) == []
    run(world, insert())
    with patch("reconciler_warehouse.snapshots.create", fail):
        assert world.warehouse().do_due_work(world.caller, progress=silent) == []
    assert described(world).awaits_snapshot
    (said,) = world.warehouse().do_due_work(world.caller, progress=silent)
    assert "interrupted" in said
    assert not described(world).awaits_snapshot
    (snapshot,) = world.warehouse().describe_snapshots(world.caller)
    assert (snapshot.kind, snapshot.root) == ("automated", OWNED)
    assert world.select(COUNT) == [(TOTAL + 1, SUM)]


def test_what_a_reader_still_has_open_keeps_the_end_waiting_and_nothing_is_lost(world: World) -> None:
    filled(world, NONE)
    site = of(world)
    with pins.held(site):
        with short_patience(), pytest.raises(ConflictException, match="reading for ten minutes"):
            change(world, OWNED)
        assert described(world).status == "resizing"
        assert not described(world).encrypted
    change(world, OWNED)
    assert described(world).encrypted
    assert world.select(COUNT) == [(TOTAL, SUM)]
    world.reopen()
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
    with of(world).catalogue.read() as catalogue:
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
                with of(world).catalogue.write() as catalogue:
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
    quickly = patch.object(workers, "_STOPS_WITHIN", 0.05)
    with one_by_one(), quickly, patch.object(moving, "_paced", as_if_large), pytest.raises(StopRequested):
        change(world, OWNED)
    world.checkpoint = lambda: None
    under_way = world.warehouse().change_progress("sales")
    assert under_way is not None
    assert under_way.segments_done == 0
    change(world, OWNED)
    assert world.select(COUNT) == [(TOTAL, SUM)]
