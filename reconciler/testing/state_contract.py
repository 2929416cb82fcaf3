"""What every ``StateStore`` promises. Inherit ``StateStoreContract`` and give it two fixtures."""
# ruff: noqa: S105  # an idempotency token is no secret

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.errors import LockHeld, StalePlan
from reconciler.model.address import Address
from reconciler.model.recorded import Intent, Recorded, Standing
from reconciler.state.store import Head, StateReader, StateStore
from reconciler.testing.fakes import ManualClock
from reconciler.testing.state_history_contract import StateHistoryContract
from reconciler.testing.state_samples import ALIAS, KEY, OpenStore, begin, recorded


class StateStoreContract(StateHistoryContract):
    """Override both fixtures; ``open_store`` closes at the end what it opened."""

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
