"""An object store that the config names no longer: what lies there is not taken for gone, and is removed once it is
named again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, HostError
from reconciler.testing.crash_states import crash_states
from reconciler.testing.fakes import SeededRandom
from reconciler.testing.recording_fs import RecordingFs
from reconciler_warehouse.config import WarehouseConfig
from reconciler_warehouse.segment_store.former_stores import FOLDER, FormerStores
from reconciler_warehouse.tests.object_server import ObjectServer, object_server
from reconciler_warehouse.tests.statement_worlds import count, run
from reconciler_warehouse.tests.test_object_store import segments
from reconciler_warehouse.tests.worlds import CSV, HERE, NONE, OWNED, World, silent
from tests import counts

TRASH = "SELECT count(*) FROM trash"


@pytest.fixture
def server(quick: Path) -> Iterator[ObjectServer]:
    with object_server(quick) as made:
        yield made


@pytest.fixture
def loaded(world: World, server: ObjectServer) -> World:
    """A table in clear whose one segment lies there."""
    world.configs[HERE] = server.warehouse()
    world.create(NONE)
    world.load(world.file("a.csv"))
    assert len(segments(server)) == 1
    return world


def configure(world: World, config: WarehouseConfig) -> None:
    world.reopen()
    world.configs[HERE] = config


def told(world: World) -> list[str]:
    return world.warehouse().do_due_work(world.caller, progress=silent)


def test_what_lies_there_is_removed_once_it_is_named_again(loaded: World, server: ObjectServer) -> None:
    configure(loaded, WarehouseConfig())
    loaded.warehouse().delete_cluster(loaded.caller, "sales")
    for _ in range(2):
        loaded.warehouse().clear_up()
        (sentence,) = told(loaded)
        assert "1 segment that nothing refers to may still lie on s3://" in sentence and "`segments`" in sentence
        assert count(loaded, TRASH) == len(segments(server)) == 1
    configure(loaded, server.warehouse())
    loaded.warehouse().clear_up()
    assert (told(loaded), count(loaded, TRASH), segments(server)) == ([], 0, set())


def test_another_store_is_not_that_one(loaded: World, server: ObjectServer) -> None:
    configure(loaded, WarehouseConfig(segments=server.config("warehouses/b")))
    loaded.warehouse().delete_cluster(loaded.caller, "sales")
    loaded.create(NONE)
    loaded.load(loaded.file("b.csv"))
    assert len(segments(server)) == 2
    assert len(told(loaded)) == 1
    loaded.warehouse().delete_cluster(loaded.caller, "sales")
    assert (count(loaded, TRASH), len(segments(server))) == (1, 1)


def test_what_was_copied_back_is_removed_where_it_was_copied_to(loaded: World, server: ObjectServer) -> None:
    (name,) = segments(server)
    configure(loaded, WarehouseConfig())
    data = loaded.folder() / "data"
    data.mkdir()
    (data / name).write_bytes(b"".join(content for _, content in sorted(server.objects().items())))
    loaded.warehouse().delete_cluster(loaded.caller, "sales")
    assert (loaded.data_files(), count(loaded, TRASH), told(loaded)) == ({}, 0, [])


def test_an_encryption_does_not_end_while_old_plaintext_may_lie_there(loaded: World, server: ObjectServer) -> None:
    run(loaded, "CREATE TABLE kept AS SELECT * FROM flights LIMIT 3")
    configure(loaded, WarehouseConfig())
    run(loaded, "DROP TABLE flights")
    with pytest.raises(HostError, match="may still lie on s3://"):
        loaded.warehouse().modify_encryption(loaded.caller, "sales", OWNED, progress=silent, token="encrypt")
    configure(loaded, server.warehouse())
    loaded.warehouse().modify_encryption(loaded.caller, "sales", OWNED, progress=silent, token="encrypt")
    assert segments(server) == set()
    assert loaded.select("SELECT count(*) FROM kept") == [(3,)]


def test_rows_that_may_lie_there_are_not_called_damaged_only(loaded: World) -> None:
    configure(loaded, WarehouseConfig())
    with pytest.raises(DamagedStore) as refused:
        loaded.select("SELECT count(tail) FROM flights")
    assert "it may lie on s3://" in refused.value.summary
    assert "`segments`" in (refused.value.suggestion or "")


def test_what_a_crash_left_of_a_note_is_written_again(loaded: World, server: ObjectServer) -> None:
    (note,) = (loaded.folder() / FOLDER).iterdir()
    whole = note.read_bytes()
    note.write_bytes(whole[:5])
    configure(loaded, server.warehouse())
    loaded.load(loaded.file("b.csv", CSV + "5000,LATE,1.5\n"))
    assert note.read_bytes() == whole


def test_a_warehouse_without_object_store_notes_none(world: World) -> None:
    world.create(OWNED)
    world.load(world.file("a.csv"))
    assert not (world.folder() / FOLDER).exists()


def test_a_store_that_may_have_been_written_to_is_known_after_any_loss_of_power() -> None:
    """T2: its note is durable before the first object is, and never half of one."""
    fs, folder = RecordingFs(folders=[Path("/home")]), Path("/home/warehouse")
    FormerStores(fs, folder, SeededRandom("noted"), "s3://dwh/eu").note()
    fs.acknowledge("noted")
    for state in crash_states(fs):
        found = FormerStores(state.fs(), folder, SeededRandom("later"), None).others()
        assert list(found) in ([["s3://dwh/eu"]] if state.acknowledged else [[], ["s3://dwh/eu"]])
        again = FormerStores(state.fs(), folder, SeededRandom("again"), "s3://dwh/eu")
        again.note()
        assert again.others() == {}
        counts.count("T2", states_of_one_file=1)
