"""What a ``StateStore`` promises of its journal, of renaming, of its position, and of breaking the glass. Inherited by
``StateStoreContract``."""
# ruff: noqa: S105  # an idempotency token is no secret

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.errors import LockHeld, UsageError
from reconciler.model.address import Address
from reconciler.state.store import Checked, Position, StateStore, What
from reconciler.testing.fakes import ManualClock
from reconciler.testing.state_samples import ALIAS, KEY, OpenStore, begin, recorded


class StateHistoryContract:
    """Its fixtures are those of ``StateStoreContract``."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def open_store(self, clock: ManualClock) -> OpenStore:
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: OpenStore) -> StateStore:
        store = open_store()
        store.acquire("apply", timeout=0)
        return store

    # --- history ------------------------------------------------------------------------------------------------------

    def test_history_tells_what_was_begun_how_it_ended_and_by_which_run(
        self, store: StateStore, open_store: OpenStore, clock: ManualClock
    ) -> None:
        store.finish(begin(store), recorded())
        store.abandon(begin(store, ALIAS, token="2"), "it never happened")
        left = begin(store, ALIAS, step="tag", token="3")
        store.settle([], gone=[KEY], why="by hand")
        entries = open_store().history()
        holder = store.lock_holder()
        assert holder is not None
        assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6, 7]
        assert [(entry.what, entry.address, entry.step) for entry in entries] == [
            (What.TAKEN, None, ""),
            (What.BEGUN, KEY, "create"),
            (What.DONE, KEY, "create"),
            (What.BEGUN, ALIAS, "create"),
            (What.ABANDONED, ALIAS, "create"),
            (What.BEGUN, ALIAS, "tag"),
            (What.NOTED, KEY, ""),
        ]
        assert holder.who in entries[0].text
        assert [entry.text for entry in entries[4:]] == ["it never happened", "", "by hand"]
        assert [entry.number for entry in entries] == [1, 2, 2, 4, 4, 6, 7]
        assert [entry.serial for entry in entries] == [0, 0, 1, 1, 1, 1, 2]
        assert {(entry.token, entry.at) for entry in entries} == {(holder.token, clock.now().timestamp())}
        assert left.number == 6
        assert [entry.seq for entry in store.history(ALIAS)] == [4, 5, 6]

    def test_a_run_that_writes_nothing_leaves_no_entry(self, store: StateStore) -> None:
        store.settle([])
        store.heartbeat()
        assert list(store.history()) == []

    def test_everything_that_is_kept_can_be_proved(self, store: StateStore) -> None:
        store.finish(begin(store), recorded())
        begin(store, ALIAS, token="2")
        store.mark_plan_used("p-1")
        assert store.check() == Checked(rows=1, entries=4, plans=1)

    @pytest.mark.parametrize("keeps", [1, 2, 3])
    def test_the_journal_keeps_the_newest_entries(self, open_store: OpenStore, keeps: int) -> None:
        """T18: at its edges, run after run."""
        for run in range(4):
            store = open_store(journal_keeps=keeps)
            store.acquire("apply", timeout=0)
            kept = [entry.seq for entry in store.history()]
            assert kept == list(range(3 * run + 1 - len(kept), 3 * run + 1))
            assert len(kept) == min(keeps, 3 * run)
            store.finish(begin(store, token=str(run)), recorded())  # three entries, with the run's own
            assert store.check().entries == len(kept) + 3
            store.release()

    @pytest.mark.parametrize("keeps", [1, 2, 3])
    def test_what_is_open_stays_in_the_journal_with_all_that_came_after(
        self, open_store: OpenStore, keeps: int
    ) -> None:
        store = open_store(journal_keeps=keeps)
        store.acquire("apply", timeout=0)
        store.finish(begin(store), recorded())
        left = begin(store, ALIAS, token="left")
        for run in range(3):
            store.finish(begin(store, token=str(run)), recorded())
        store.release()
        store = open_store(journal_keeps=keeps)
        store.acquire("apply", timeout=0)
        assert list(store.open_intents()) == [left]
        assert store.history()[0].number == left.number
        store.finish(left, recorded(ALIAS))
        store.release()
        last = open_store(journal_keeps=keeps)
        last.acquire("apply", timeout=0)
        assert len(last.history()) == keeps
        last.check()

    # --- renaming -----------------------------------------------------------------------------------------------------

    def test_what_refers_to_a_renamed_resource_follows(self, store: StateStore) -> None:
        other = Address.of("Key", "other")
        store.settle([recorded(references=(other,), links="Key/other=k-2"), recorded(other, references=(), links="")])
        new = Address.of("Key", "another")
        assert store.rename(other, new) == [KEY]
        row, moved = store.get(KEY), store.get(new)
        assert row is not None
        assert (row.references, row.links) == ((new,), "Key/another=k-2")
        assert moved is not None
        assert (moved.uid, moved.identity, moved.settled) == ("uid-of-Key/other", "k-1", False)
        assert store.get(other) is None
        assert (store.serial, sorted(store.heads())) == (2, [new, KEY])
        assert [(entry.address, entry.verb) for entry in store.history() if entry.what is What.NOTED] == [
            (other, "rename")
        ]

    @pytest.mark.parametrize(
        ("source", "target", "why"),
        {
            "nothing of that name": ("Key/absent", "Key/new", "is not in the state"),
            "the target is taken": ("Key/orders", "Key/other", "is in the state already"),
            "another kind": ("Key/orders", "Alias/orders", "a Key is no Alias"),
            "a step of it is open": ("Key/begun", "Key/new", "begun and not finished"),
            "a step of the target is open": ("Key/orders", "Key/coming", "begun and not finished"),
        }.values(),
    )
    def test_a_renaming_that_cannot_be_changes_nothing(
        self, store: StateStore, source: str, target: str, why: str
    ) -> None:
        store.settle([recorded(), recorded(Address("Key/other")), recorded(Address("Key/begun"))])
        begin(store, Address("Key/begun"))
        begin(store, Address("Key/coming"), token="2")
        with pytest.raises(UsageError, match=why):
            store.rename(Address(source), Address(target))
        assert (store.serial, len(store.heads())) == (1, 3)

    # --- position and breaking glass ----------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "call",
        {
            "a row": lambda store: store.settle([recorded()]),
            "an intent": begin,
            "a used plan": lambda store: store.mark_plan_used("p-1"),
            "an abandoned intent": lambda store: store.abandon(store.open_intents()[0], "undone"),
        }.values(),
    )
    def test_whatever_is_written_changes_the_position(
        self, store: StateStore, call: Callable[[StateStore], object]
    ) -> None:
        begin(store, step="tag")
        before = store.position()
        call(store)
        assert store.position() != before

    def test_taking_the_lock_changes_the_position_by_its_token_alone(self, open_store: OpenStore) -> None:
        first = open_store()
        first.acquire("apply", timeout=0)
        first.settle([recorded()])
        before = first.position()
        first.heartbeat()
        first.release()
        assert first.position() == before
        second = open_store()
        holder = second.acquire("apply", timeout=0)
        assert second.found == before
        assert second.position() == before._replace(token=holder.token)

    def test_a_holder_is_passed_over_by_whoever_names_its_token(self, store: StateStore, open_store: OpenStore) -> None:
        holder = store.lock_holder()
        assert holder is not None
        other = open_store()
        with pytest.raises(LockHeld):
            other.acquire("lock break", timeout=0, over=holder.token - 1)
        assert other.acquire("lock break", timeout=0, over=holder.token).token == holder.token + 1
        with pytest.raises(LockHeld):
            store.settle([recorded()])

    def test_sealing_anew_replaces_the_rows_and_goes_beyond_whatever_is_remembered(
        self, store: StateStore, open_store: OpenStore
    ) -> None:
        store.settle([recorded(), recorded(ALIAS)])
        store.mark_plan_used("p-1")
        left = begin(store, step="tag")
        store.release()
        other = open_store()
        row = recorded(attributes={"id": "k-7"})
        holder = other.reseal([row], keeps_journal=True, beyond=Position(40, 70, ""), why="for a test")
        assert (holder.token, other.serial) == (41, 71)
        assert other.all() == [replace(row, serial=71)]
        assert list(other.open_intents()) == [left]
        assert other.plan_was_used("p-1")
        assert (other.history()[-1].verb, other.history()[-1].text) == ("reseal", "for a test")
        other.check()
        other.finish(left, row)
        other.release()
        assert open_store().acquire("apply", timeout=0).token == 42

    def test_a_journal_that_is_not_kept_goes_with_what_was_open_in_it(self, store: StateStore) -> None:
        left = begin(store)
        store.reseal([], keeps_journal=False, beyond=Position(0, 0, ""), why="for a test")
        assert list(store.open_intents()) == []
        (entry,) = store.history()
        assert (entry.verb, entry.seq > left.number) == ("reseal", True)
        assert begin(store, token="new").token == "new"
        store.check()

    def test_nothing_is_sealed_anew_under_a_living_holder(self, store: StateStore, open_store: OpenStore) -> None:
        with pytest.raises(LockHeld):
            open_store().reseal([], keeps_journal=False, beyond=Position(0, 0, ""), why="for a test")
        store.settle([recorded()])
