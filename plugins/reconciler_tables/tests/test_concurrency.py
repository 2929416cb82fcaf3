"""Threads and processes share one table service (DESIGN 5: several processes may use a store at once)."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

from reconciler.testing.table_contract import ROWS, make, request
from reconciler_tables.tests.worlds import admin, opened_world, soft_kms, tables_of


def test_eight_threads_make_and_fill_tables_of_their_own(folder: Path) -> None:
    with opened_world(folder) as world:
        world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="k")
        problems: list[BaseException] = []

        def work(number: int) -> None:
            try:
                make(world, (None, world.key, world.other_key)[number % 3], f"table_{number}")
                world.tables.update_table_encryption(world.user, "shop", f"table_{number}", world.key, token="t")
                world.tables.put_rows(world.user, "shop", f"table_{number}", [{**ROWS[0], "id": number + 10}])
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        found = world.tables.describe_tables(world.user)
        assert [(table.name, table.rows, table.key_arn) for table in found] == [
            (f"table_{number}", 5, world.key) for number in range(8)
        ]
        assert len(world.keys.list_grants(world.user, world.key)) == 8
        assert world.keys.list_grants(world.user, world.other_key) == []


def in_a_process(home: Path, number: int, queue: Any) -> None:
    keys = soft_kms(home, f"kms {number}")
    tables = tables_of(home, keys, f"tables {number}")
    try:
        tables.create_table(admin(), request(), token="the same")
        for row in range(10):
            tables.put_rows(admin(), "shop", "orders", [{**ROWS[0], "id": number * 100 + row}])
        queue.put(None)
    except BaseException as error:
        queue.put(repr(error))
    finally:
        tables.close()
        keys.close()


def test_processes_fill_one_partition_and_it_adds_up(folder: Path) -> None:
    with opened_world(folder) as world:
        world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="k")
        world.tables.create_table(world.user, request(), token="the same")
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    workers = [fork.Process(target=in_a_process, args=(folder, number, queue)) for number in range(4)]
    for worker in workers:
        worker.start()
    assert [queue.get(timeout=30) for _ in workers] == [None] * 4
    for worker in workers:
        worker.join()
    queue.close()
    with opened_world(folder) as world:
        rows = world.tables.get_rows(world.user, "shop", "orders", {"customer": "ada"})
        assert sorted(row["id"] for row in rows) == sorted(n * 100 + row for n in range(4) for row in range(10))
        assert world.tables.describe_tables(world.user)[0].rows == 40


def test_a_table_that_changes_its_key_while_it_is_read_is_read_all_the_same(folder: Path) -> None:
    """The old wrap was read from the key ring, and then its grant was retired."""
    with opened_world(folder) as world:
        make(world, world.key)
        changes = [world.other_key]

        class Changing:
            """The key service, before whose Decrypt another process gives the table another key."""

            def __getattr__(self, name: str) -> Any:
                return getattr(world.keys, name)

            def decrypt(self, *arguments: Any, **named: Any) -> Any:
                if changes:
                    world.tables.update_table_encryption(world.user, "shop", "orders", changes.pop(0), token="t")
                    world.keys.disable_key(world.user, world.key)
                return world.keys.decrypt(*arguments, **named)

        reader = tables_of(folder, Changing(), "reader")
        assert len(reader.get_rows(world.user, "shop", "orders", {"customer": "ada"})) == 4
        reader.close()
