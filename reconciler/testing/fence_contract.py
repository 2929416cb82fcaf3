"""What every provider that is ``Fenced`` must do: inherit ``FenceContract``, give it a ``fenced`` world (I13).

``calls`` is each call that changes anything, in an order in which each works; ``reads`` each that only looks. The first
call makes what there is; from then on each is tried by an overtaken process first, which must change nothing, and then
by the one that holds the lock.
"""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from reconciler.errors import LockHeld
from reconciler.model.ports import Fence
from reconciler.providers.fenced import Fenced

NEWEST, STALE = Fence("lineage", 7), Fence("lineage", 6)
OF_A_PROVIDER = frozenset({"account", "close", "config_model", "protocol", "raise_fence", "region"})


@dataclass(slots=True)
class Writer:
    """Who writes now: what ``ProviderServices.fence`` is given (``writer.now``)."""

    fence: Fence | None = None

    def now(self) -> Fence | None:
        """See ``ProviderServices.fence``."""
        return self.fence


class FencedProvider(Fenced, Protocol):
    """A plugin's provider that is ``Fenced``."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FencedWorld:
    """``folder`` is where the provider keeps everything; only the provider itself asks ``writer``, not those that it
    calls. ``elsewhere`` names what is not tried here: what only looks, and what has a test of its own."""

    provider: FencedProvider
    writer: Writer
    folder: Path
    calls: Mapping[str, Callable[[], object]]
    reads: Mapping[str, Callable[[], object]]
    elsewhere: frozenset[str] = frozenset()


def kept(folder: Path) -> dict[str, Any]:
    """Everything in the folder: rows of every table of every store, bytes of every other file. An empty one is a lock:
    whoever waits for it is not refused yet."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".db":
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
                names = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                for name in names:
                    rows = store.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()  # noqa: S608  # of the schema
                    found[f"{path.relative_to(folder)}|{name}"] = rows
        elif path.is_file() and path.stat().st_size and not path.name.endswith(("-wal", "-shm")):
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def tokens(folder: Path) -> dict[str, dict[str, int]]:
    """What each store remembers."""
    return {name.split("|")[0]: dict(rows) for name, rows in kept(folder).items() if name.endswith("|fence")}


class FenceContract:
    """``Fenced``."""

    def test_each_call_of_the_provider_is_in_a_list(self, fenced: FencedWorld) -> None:
        """A new one that changes something goes into ``calls`` of the plugin's fencing test, another into ``reads`` or
        ``elsewhere``."""
        public = {name for name, _ in inspect.getmembers(type(fenced.provider)) if not name.startswith("_")}
        assert public - OF_A_PROVIDER == fenced.calls.keys() | fenced.reads.keys() | fenced.elsewhere

    def test_an_overtaken_process_changes_nothing_and_the_newest_goes_on(self, fenced: FencedWorld) -> None:
        fenced.writer.fence = NEWEST
        making, *rest = fenced.calls
        fenced.calls[making]()
        for name in rest:
            before = kept(fenced.folder)
            fenced.writer.fence = STALE
            with pytest.raises(LockHeld, match="under fencing token 7 now; ours is 6"):
                fenced.calls[name]()
                pytest.fail(f"{name} was not refused")
            assert kept(fenced.folder) == before, name
            fenced.writer.fence = NEWEST
            fenced.calls[name]()

    def test_looking_is_never_refused(self, fenced: FencedWorld) -> None:
        fenced.writer.fence = NEWEST
        fenced.calls[next(iter(fenced.calls))]()
        fenced.writer.fence = STALE
        for look in fenced.reads.values():
            look()

    def test_another_lineage_and_who_holds_no_lock_are_not_disturbed(self, fenced: FencedWorld) -> None:
        fenced.writer.fence = NEWEST
        names = iter(fenced.calls)
        fenced.calls[next(names)]()
        for fence in (Fence("another", 1), None, NEWEST, Fence("another", 2)):
            fenced.writer.fence = fence
            fenced.calls[next(names)]()
        for remembered in tokens(fenced.folder).values():
            assert remembered.get("lineage", 7) == 7
            assert remembered.get("another", 2) in (1, 2)

    def test_raising_tells_every_store_at_once_and_makes_none(self, fenced: FencedWorld) -> None:
        fenced.writer.fence = NEWEST
        fenced.provider.raise_fence()
        assert kept(fenced.folder) == {}
        fenced.calls[next(iter(fenced.calls))]()
        fenced.writer.fence = Fence("lineage", 8)
        fenced.provider.raise_fence()
        assert all(remembered == {"lineage": 8} for remembered in tokens(fenced.folder).values())
        fenced.writer.fence = NEWEST
        with pytest.raises(LockHeld):
            fenced.provider.raise_fence()

    def test_closing_does_not_fail_in_an_overtaken_process(self, fenced: FencedWorld) -> None:
        fenced.writer.fence = NEWEST
        fenced.calls[next(iter(fenced.calls))]()
        fenced.writer.fence = STALE
        for look in fenced.reads.values():
            look()
        fenced.provider.close()
