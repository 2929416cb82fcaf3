"""How far a change of encryption is told to be within a segment, and what it is told to take under a throttle."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from reconciler_warehouse.config import MigrationConfig
from reconciler_warehouse.online import workers
from reconciler_warehouse.online.throttle import Throttle
from reconciler_warehouse.tests.online_worlds import FILES, change, described, filled, one_by_one
from reconciler_warehouse.tests.statement_worlds import site_of
from reconciler_warehouse.tests.worlds import NONE, OWNED, World

SLOW = 100  # bytes a second


def test_it_is_told_block_by_block_within_one_segment(world: World) -> None:
    world.create(NONE)
    rows = "".join(f"{number},{os.urandom(300).hex()}\n" for number in range(4 << 10))
    world.load(world.file("large.csv", f"id,tail\n{rows}"))
    (table,) = described(world).tables
    told: list[tuple[int, int]] = []
    is_told = threading.Event()

    def progress(text: str, done: int | None, total: int | None) -> None:
        if text.startswith("bytes"):
            assert done is not None and total is not None
            told.append((done, total))
            if 0 < done < total:
                is_told.set()

    write = site_of(world).segments.write

    def slow_write(name: str, chunks: Any) -> None:
        def slowly() -> Iterator[memoryview]:
            for number, chunk in enumerate(chunks):
                if number:
                    assert is_told.wait(30), "nobody was told of the first block"
                yield chunk

        write(name, slowly())

    with patch.object(workers, "_LOOKS_UP", 0.01), patch.object(site_of(world).segments, "write", slow_write):
        change(world, OWNED, progress=progress)
    assert all(total == table.bytes for _, total in told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert (table.bytes, table.bytes) == told[-1]
    assert any(0 < done < table.bytes for done, _ in told)


def test_a_throttle_says_how_long_was_waited(world: World) -> None:
    throttle = Throttle(world.clock, SLOW)
    assert (throttle.spend(200), throttle.spend(50), throttle.spend(1)) == (0, 2, 0.5)
    assert Throttle(world.clock, None).spend(1 << 40) == 0


@pytest.mark.parametrize("seconds", [2, 0])
def test_what_was_waited_for_a_turn_is_not_measured_and_the_throttle_is_estimated_with(
    world: World, seconds: int
) -> None:
    filled(world, NONE)
    site = site_of(world)
    write = site.segments.write

    def slow_write(name: str, chunks: Any) -> None:
        world.clock.advance(seconds=seconds)
        write(name, chunks)

    slow = MigrationConfig.model_construct(workers=None, bytes_per_second=SLOW, distributed=None)
    began = world.clock.now()
    with one_by_one(), patch.object(site.segments, "write", slow_write):
        site.pace = slow
        change(world, OWNED)
        size = sum(one.bytes for one in described(world).tables)
        assert (world.clock.now() - began).total_seconds() > 0.8 * size / SLOW, "it did wait"
        throttled = world.warehouse().estimate_change("sales")
        site.pace = MigrationConfig()
        free = world.warehouse().estimate_change("sales")
    assert throttled is not None and free is not None
    assert throttled.seconds == pytest.approx(size / SLOW)
    assert free.seconds == (FILES * seconds or None)
