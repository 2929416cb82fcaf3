"""Every process that opens a cluster is a restart: the key service opens its CEK once, the rest opens below (RE7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.providers.keys import KeyProvider
from reconciler_warehouse.tests.worlds import OWNED, World, silent


class Counting:
    """A key service that counts what it is asked."""

    def __init__(self, inner: KeyProvider, calls: Counter[str]) -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._calls[name] += 1
            return found(*args, **kwargs)

        return counted


@pytest.fixture
def calls(world: World) -> Counter[str]:
    counter: Counter[str] = Counter()
    world.wrap_keys = lambda inner: Counting(inner, counter)
    return counter


def restarted(world: World, calls: Counter[str]) -> None:
    world.reopen()
    calls.clear()


@pytest.mark.parametrize("root", ["owned", "kms"])
@pytest.mark.parametrize("tables", [1, 8])
def test_a_restart_asks_once_however_much_there_is(world: World, calls: Counter[str], root: str, tables: int) -> None:
    world.create(OWNED if root == "owned" else world.key("k1"))
    for number in range(tables):
        world.load(world.file("a.csv"), table=f"t{number}")
    restarted(world, calls)
    joined = " + ".join(f"(SELECT count(*) FROM t{number})" for number in range(tables))  # noqa: S608  # the test's own
    assert world.select(f"SELECT {joined}") == [(5000 * tables,)]
    assert calls == {"decrypt": 1}


def test_describing_asks_nobody(world: World, calls: Counter[str]) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    restarted(world, calls)
    assert world.warehouse().describe_clusters(world.caller)[0].tables[0].rows == 5000
    assert not calls


CHANGES: dict[str, Callable[[World], object]] = {
    "a load": lambda world: world.load(world.file("b.csv", "id,tail,delay\n1,x,1.5\n")),
    "a snapshot": lambda world: world.warehouse().create_snapshot(
        world.caller, "sales", "nightly", retention_days=None, token="s"
    ),
    "a question": lambda world: world.select("SELECT count(*) FROM flights"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_opens_the_cluster_first_opens_it_once(
    world: World, calls: Counter[str], change: Callable[[World], object]
) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    restarted(world, calls)
    change(world)
    assert calls == {"decrypt": 1}


def test_half_way_through_a_rotation_one_call_opens_both_generations(world: World, calls: Counter[str]) -> None:
    """The old DEK is needed for key tables that are not sealed anew yet; both stand under the one CEK."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))

    def killed() -> None:
        raise KeyboardInterrupt

    world.checkpoint = killed
    with pytest.raises(KeyboardInterrupt):
        world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="r")
    world.checkpoint = lambda: None
    restarted(world, calls)
    assert world.select("SELECT count(*) FROM flights") == [(5000,)]
    assert calls == {"decrypt": 1}
