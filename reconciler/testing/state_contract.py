"""What every ``StateStore`` promises. Inherit ``StateStoreContract`` and give it two fixtures."""
# ruff: noqa: S105, S107  # an idempotency token is no secret

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import pytest

from reconciler.errors import LockHeld, StalePlan, UsageError
from reconciler.model.address import Address
from reconciler.model.recorded import Intent, Recorded, Standing
from reconciler.state.store import Checked, Head, Position, StateReader, StateStore, What
from reconciler.testing.fakes import ManualClock

KEY = Address.of("Key", "orders")
ALIAS = Address.of("Alias", "orders")


class OpenStore(Protocol):
    """Opens one more handle on the store under test, as a process of ``host`` that lives as long as the test."""

    def __call__(self, host: str = "here", journal_keeps: int = 10_000) -> StateStore: ...


def recorded(address: Address = KEY, **fields: Any) -> Recorded:
    """A row with something in each field."""
    filled: dict[str, Any] = {
        "uid": f"uid-of-{address}",
        "provider": "keys",
        "attributes": {"id": "k-1", "arn": "arn:aws:kms:eu-west-1:111122223333:key/k-1", "größe": [1, {"a": None}]},
        "spec": '{"description":"für Bestellungen"}',
        "digest": "ab" * 32,
        "observed": '{"state":"Enabled"}',
        "links": "Key/other=k-2\nKey/third=k-3",
        "due_at": 1_790_000_000.25,
        "settled": True,
        "protected": True,
        "standing": Standing.RETAINED,
        "references": (Address.of("Key", "other"), Address.of("Key", "third")),
    }
    return Recorded(address=address, **{**filled, **fields})


def begin(
    store: StateStore,
    address: Address = KEY,
    step: str = "create",
    token: str = "token-1",
    facts: Mapping[str, Any] | None = None,
) -> Intent:
    """An intent with defaults."""
    return store.begin(
        address, provider="keys", step=step, verb="create", facts=facts or {}, uid=f"uid-of-{address}", token=token
    )


class StateStoreContract:
    """Override both fixtures; ``open_store`` closes at the end what it opened."""

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

    # --- lineage and serial -------------------------------------------------------------------------------------------

    def test_a_new_state_has_a_lineage_serial_0_and_nothing_in_it(self, open_store: OpenStore) -> None:
        store: StateReader = open_store()
        assert store.lineage
        assert (store.serial, store.heads(), store.all(), list(store.open_intents())) == (0, {}, [], [])
        assert store.lock_holder() is None

    def test_the_lineage_is_made_once(self, store: StateStore, open_store: OpenStore) -> None:
        store.settle([recorded()])
        assert open_store().lineage == store.lineage

    def test_each_finished_step_adds_one_to_the_serial(self, store: StateStore) -> None:
        assert store.finish(begin(store), recorded()) == 1
        assert store.finish(begin(store, step="tag"), recorded()) == 2
        assert store.serial == 2

    def test_a_settlement_adds_one_however_many_rows_it_has(self, store: StateStore) -> None:
        assert store.settle([recorded(), recorded(ALIAS)]) == 1

    @pytest.mark.parametrize(
        "call",
        {
            "an intent": begin,
            "an empty settlement": lambda store: store.settle([]),
            "forgetting what is not there": lambda store: store.settle([], gone=[KEY]),
            "a used plan": lambda store: store.mark_plan_used("p-1"),
            "a heartbeat": lambda store: store.heartbeat(),
            "an abandoned intent": lambda store: store.abandon(begin(store), "never happened"),
        }.items(),
        ids=lambda item: item[0],
    )
    def test_what_changes_no_row_leaves_the_serial(
        self, store: StateStore, call: tuple[str, Callable[[StateStore], object]]
    ) -> None:
        store.settle([recorded(ALIAS)])
        call[1](store)
        assert store.serial == 1

    # --- rows ---------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "row",
        [
            recorded(),
            recorded(spec=None, digest=None, observed=None, due_at=None, links="", settled=False, protected=False),
            recorded(attributes={}, references=(), standing=Standing.LEAVING),
            recorded(Address("Alias/alias/with/slashes"), standing=Standing.MANAGED),
        ],
        ids=["everything filled", "nothing yet", "no attributes", "slashes in the name"],
    )
    def test_a_row_comes_back_as_it_was_written(self, store: StateStore, open_store: OpenStore, row: Recorded) -> None:
        serial = store.finish(begin(store, row.address), row)
        expected = replace(row, serial=serial)
        for reader in (store, open_store()):
            assert reader.get(row.address) == expected
            assert reader.all() == [expected]

    def test_the_head_says_the_same_as_the_row(self, store: StateStore) -> None:
        row = recorded()
        store.settle([row])
        assert store.heads() == {
            KEY: Head(KEY, row.digest, row.identity, row.links, row.due_at, row.settled, str(row.standing))
        }
        assert store.heads()[KEY].settled is True

    def test_rows_are_listed_by_address(self, store: StateStore) -> None:
        addresses = [Address.of("Key", name) for name in ("b", "a", "ä", "B")]
        store.settle([recorded(address) for address in addresses])
        assert [row.address for row in store.all()] == sorted(addresses)
        assert list(store.heads()) == sorted(addresses)

    def test_writing_again_replaces_the_row(self, store: StateStore) -> None:
        store.settle([recorded()])
        store.settle([recorded(attributes={"id": "k-9"}, links="")])
        row = store.get(KEY)
        assert row is not None
        assert (row.attributes, row.links, row.serial) == ({"id": "k-9"}, "", 2)
        assert store.heads()[KEY].identity == "k-9"

    def test_finishing_without_a_row_removes_it(self, store: StateStore) -> None:
        store.settle([recorded(), recorded(ALIAS)])
        store.finish(begin(store), None)
        assert store.get(KEY) is None
        assert list(store.heads()) == [ALIAS]

    def test_settling_forgets_before_it_writes_so_a_row_can_be_renamed(self, store: StateStore) -> None:
        store.settle([recorded()])
        store.settle([recorded(ALIAS, uid="uid-of-Key/orders")], gone=[KEY])
        assert list(store.heads()) == [ALIAS]

    def test_a_settlement_that_fails_half_way_changes_nothing(self, store: StateStore) -> None:
        store.settle([recorded()])
        with pytest.raises((TypeError, ValueError)):
            store.settle([recorded(ALIAS), recorded(KEY, attributes={"id": object()})], gone=[KEY])
        assert list(store.heads()) == [KEY]
        assert store.serial == 1

    # --- journal ------------------------------------------------------------------------------------------------------

    def test_an_intent_is_durable_before_its_outcome(self, store: StateStore, open_store: OpenStore) -> None:
        intent = begin(store, facts={"version": 3, "of": ["a", None]})
        assert list(open_store().open_intents()) == [intent]
        assert (intent.token, intent.facts) == ("token-1", {"version": 3, "of": ["a", None]})

    def test_an_open_intent_answers_with_its_own_uid_token_and_facts(self, store: StateStore) -> None:
        first = begin(store, token="first", facts={"n": 1})
        again = store.begin(KEY, provider="p", step="create", verb="v", facts={"n": 2}, uid="other", token="second")
        assert again == first
        assert list(store.open_intents()) == [first]

    def test_another_step_or_resource_has_an_intent_of_its_own(self, store: StateStore) -> None:
        intents = [begin(store), begin(store, step="tag", token="2"), begin(store, ALIAS, token="3")]
        assert list(store.open_intents()) == intents
        assert len({intent.number for intent in intents}) == 3

    def test_an_intent_unsettles_its_row_and_no_other(self, store: StateStore) -> None:
        store.settle([recorded(), recorded(ALIAS)])
        begin(store)
        assert {address: head.settled for address, head in store.heads().items()} == {ALIAS: True, KEY: False}
        row = store.get(KEY)
        assert row is not None
        assert not row.settled

    def test_an_outcome_closes_its_intent_and_the_next_one_has_a_new_token(self, store: StateStore) -> None:
        store.finish(begin(store, token="first"), recorded())
        assert list(store.open_intents()) == []
        assert begin(store, token="second").token == "second"

    def test_finishing_twice_equals_finishing_once(self, store: StateStore) -> None:
        intent = begin(store)
        assert store.finish(intent, recorded()) == 1
        store.settle([recorded(attributes={"id": "later"})])
        assert store.finish(intent, recorded(attributes={"id": "stale"})) == 1
        row = store.get(KEY)
        assert row is not None
        assert (store.serial, row.identity) == (2, "later")

    def test_an_abandoned_intent_is_closed_and_its_row_stays_unsettled(self, store: StateStore) -> None:
        store.settle([recorded()])
        intent = begin(store)
        store.abandon(intent, "observing found that it never happened")
        store.abandon(intent, "again")
        assert list(store.open_intents()) == []
        assert store.heads()[KEY].settled is False

    def test_an_intent_ends_in_one_way_only(self, store: StateStore) -> None:
        abandoned, finished = begin(store), begin(store, ALIAS, token="2")
        store.abandon(abandoned, "undone")
        store.finish(finished, recorded(ALIAS))
        with pytest.raises(ValueError, match="abandoned"):
            store.finish(abandoned, recorded())
        with pytest.raises(ValueError, match="done"):
            store.abandon(finished, "no")
        assert list(store.heads()) == [ALIAS]

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

    # --- saved plans --------------------------------------------------------------------------------------------------

    def test_a_saved_plan_is_used_once(self, store: StateStore, open_store: OpenStore) -> None:
        assert not store.plan_was_used("p-1")
        store.mark_plan_used("p-1")
        assert open_store().plan_was_used("p-1")
        with pytest.raises(StalePlan, match="p-1"):
            store.mark_plan_used("p-1")
        store.mark_plan_used("p-2")

    # --- lock ---------------------------------------------------------------------------------------------------------

    def test_the_lock_says_who_holds_it(self, open_store: OpenStore, clock: ManualClock) -> None:
        store = open_store()
        holder = store.acquire("apply", timeout=0)
        assert open_store().lock_holder() == holder
        assert (holder.command, holder.host, holder.since) == ("apply", "here", clock.now().timestamp())
        assert holder.expires > holder.since

    def test_a_holder_that_asks_again_is_the_holder_still(self, store: StateStore) -> None:
        holder = store.lock_holder()
        assert store.acquire("apply", timeout=0) == holder

    def test_every_acquisition_has_a_higher_token(self, open_store: OpenStore) -> None:
        tokens = []
        for _ in range(3):
            store = open_store()
            tokens.append(store.acquire("apply", timeout=0).token)
            store.release()
        assert tokens == sorted(set(tokens))
        assert store.lock_holder() is None

    def test_a_living_holder_is_waited_for_and_then_named(
        self, store: StateStore, open_store: OpenStore, clock: ManualClock
    ) -> None:
        before = clock.now()
        with pytest.raises(LockHeld) as refused:
            open_store().acquire("destroy", timeout=5)
        assert (clock.now() - before).total_seconds() == pytest.approx(5)
        assert "apply" in refused.value.summary
        assert "here" in refused.value.summary
        assert refused.value.suggestion
        store.heartbeat()  # it is still the holder's

    def test_a_lease_that_ran_out_is_taken_over_from_another_host(
        self, open_store: OpenStore, clock: ManualClock
    ) -> None:
        away, here = open_store(host="elsewhere"), open_store()
        first = away.acquire("apply", timeout=0)
        with pytest.raises(LockHeld, match="elsewhere"):
            here.acquire("apply", timeout=0)
        clock.advance(seconds=first.expires - first.since)
        assert here.acquire("apply", timeout=0).token == first.token + 1

    def test_a_heartbeat_prolongs_the_lease(self, open_store: OpenStore, clock: ManualClock) -> None:
        away, here = open_store(host="elsewhere"), open_store()
        first = away.acquire("apply", timeout=0)
        clock.advance(seconds=(first.expires - first.since) / 2)
        away.heartbeat()
        clock.advance(seconds=(first.expires - first.since) / 2)
        with pytest.raises(LockHeld):
            here.acquire("apply", timeout=0)

    def test_a_living_holder_on_the_same_host_keeps_an_expired_lease(
        self, store: StateStore, open_store: OpenStore, clock: ManualClock
    ) -> None:
        clock.advance(days=2)
        with pytest.raises(LockHeld):
            open_store().acquire("apply", timeout=0)
        store.settle([recorded()])

    @pytest.mark.parametrize(
        "call",
        {
            "begin": lambda store, intent: begin(store, ALIAS, token="2"),
            "finish": lambda store, intent: store.finish(intent, recorded()),
            "settle": lambda store, intent: store.settle([recorded()]),
            "settle of nothing": lambda store, intent: store.settle([]),
            "abandon": lambda store, intent: store.abandon(intent, "undone"),
            "mark_plan_used": lambda store, intent: store.mark_plan_used("p-1"),
            "heartbeat": lambda store, intent: store.heartbeat(),
            "rename": lambda store, intent: store.rename(KEY, Address.of("Key", "new")),
        }.items(),
        ids=lambda item: item[0],
    )
    def test_an_older_token_writes_nothing(
        self, open_store: OpenStore, clock: ManualClock, call: tuple[str, Callable[[StateStore, Intent], object]]
    ) -> None:
        old, new = open_store(host="elsewhere"), open_store()
        first = old.acquire("apply", timeout=0)
        intent = begin(old)
        clock.advance(seconds=first.expires - first.since)
        newest = new.acquire("apply", timeout=0)
        with pytest.raises(LockHeld):
            call[1](old, intent)
        assert (list(new.open_intents()), new.serial, new.heads()) == ([intent], 0, {})
        assert (new.lock_holder(), new.plan_was_used("p-1")) == (newest, False)

    def test_without_the_lock_nothing_is_written(self, open_store: OpenStore) -> None:
        store = open_store()
        with pytest.raises(LockHeld):
            store.settle([recorded()])
        store.acquire("apply", timeout=0)
        store.release()
        with pytest.raises(LockHeld):
            store.settle([recorded()])
        assert store.heads() == {}

    def test_releasing_what_was_taken_over_disturbs_nobody(self, open_store: OpenStore, clock: ManualClock) -> None:
        old, new = open_store(host="elsewhere"), open_store()
        first = old.acquire("apply", timeout=0)
        clock.advance(seconds=first.expires - first.since)
        newest = new.acquire("apply", timeout=0)
        old.release()
        old.release()
        assert new.lock_holder() == newest
        new.settle([recorded()])

    def test_the_next_holder_finds_the_intents_that_were_left(self, open_store: OpenStore, clock: ManualClock) -> None:
        old, new = open_store(host="elsewhere"), open_store()
        first = old.acquire("apply", timeout=0)
        left = begin(old, token="left")
        clock.advance(seconds=first.expires - first.since)
        new.acquire("apply", timeout=0)
        assert begin(new, token="fresh") == left
        assert new.finish(left, recorded()) == 1
