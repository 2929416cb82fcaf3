"""No key goes while anything is wrapped under it, and each refusal says the way out (CONTRACT 5, I3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from reconciler.model.address import Address
from reconciler.model.change import Action, Availability, Block, Change, Operation, Verb
from reconciler.model.recorded import Recorded
from reconciler.planning.guards.guarding import guard as guard_with
from reconciler.planning.inventory import Inventory
from reconciler.planning.sweeping import of_data
from reconciler.providers.census import Census, take_census
from reconciler.providers.data import ANY_KEY, KeyUse
from reconciler.views.change_text import change_lines
from reconciler.views.ink import Ink

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
KEY, OTHER, CLUSTER = Address("Key/k"), Address("Key/other"), Address("Cluster/c")
ARN, CLUSTER_ARN = "arn:aws:kms:eu-west-1:111122223333:key/k", "arn:cluster"
ROW = Recorded(address=KEY, uid="u", provider="kms", attributes={"id": "g", "key_arn": ARN})


def guard(changes: Sequence[Change], census: Callable[[], Census], accepted: Collection[Address]) -> list[Change]:
    """The guards over an inventory that holds nothing but what data planes say; only their refusals are looked at."""

    def inventory(keys: Collection[str] | None = None, *, to_show: bool = False) -> Inventory:
        return of_data(census())

    found = guard_with(changes, inventory, accepted=accepted, now=NOW, row={KEY: ROW}.get, references={})
    return [replace(change, blast_radius=()) for change in found]


def use(name: str = "c", arn: str = CLUSTER_ARN, key_arn: str = ARN, of: str | None = None) -> KeyUse:
    return KeyUse(key_arn=key_arn, what="cluster", name=name, arn=arn, bytes=1_234, of=of)


def cut(verb: Verb, address: Address = KEY) -> Change:
    """A change that leaves its key opening nothing, or that revokes a grant on it."""
    cuts_off = () if verb is Verb.DELETE else (ARN,)
    revokes = ("g",) if verb is Verb.DELETE else ()
    operation = Operation(verb=verb, reason="", steps=(), cuts_off=cuts_off, revokes=revokes)
    return Change(address=address, action=Action.UPDATE, operations=(operation,))


def let_go(verb: Verb, *arns: str) -> Change:
    """A change after which these need their present key no more."""
    operation = Operation(verb=verb, reason="", steps=(), lets_go=arns)
    return Change(address=CLUSTER, action=Action.UPDATE, operations=(operation,))


@dataclass(frozen=True)
class Case:
    verb: Verb
    uses: tuple[KeyUse, ...] = ()
    unreachable: tuple[str, ...] = ()
    also: tuple[Change, ...] = ()
    accepted: tuple[Address, ...] = ()
    refused: str | None = None


SNAPSHOT = use("s", "arn:snapshot", of=CLUSTER_ARN)
DELETION, DISABLE = Verb.SCHEDULE_DELETION, Verb.DISABLE
CASES = {
    "a key that opens nothing may go": Case(DELETION),
    "a key that opens something may not": Case(DELETION, (use(),), refused="key-in-use"),
    "an accepted outage is no consent to a deletion": Case(DELETION, (use(),), accepted=(KEY,), refused="key-in-use"),
    "what another key opens does not count": Case(DELETION, (use(key_arn="arn:another"),)),
    "what cannot be asked counts as a use": Case(DELETION, unreachable=("far",), refused="key-in-use"),
    "a key may go once its cluster switched away in the same plan": Case(
        DELETION, (use(),), also=(let_go(Verb.SWITCH_KEY, CLUSTER_ARN),)
    ),
    "snapshots follow a switch": Case(DELETION, (use(), SNAPSHOT), also=(let_go(Verb.SWITCH_KEY, CLUSTER_ARN),)),
    "snapshots do not follow a deleted cluster": Case(
        DELETION, (use(), SNAPSHOT), also=(let_go(Verb.DELETE, CLUSTER_ARN),), refused="key-in-use"
    ),
    "another cluster's switch frees nothing": Case(
        DELETION, (use(),), also=(let_go(Verb.SWITCH_KEY, "arn:another"),), refused="key-in-use"
    ),
    "disabling what opens something is an outage": Case(DISABLE, (use(),), refused="outage"),
    "an outage can be accepted": Case(DISABLE, (use(),), accepted=(KEY,)),
    "for the key that is named, and no other": Case(DISABLE, (use(),), accepted=(OTHER,), refused="outage"),
    "disabling what opens nothing is no outage": Case(DISABLE),
    "somebody who cannot be asked counts as using it": Case(DISABLE, unreachable=("far",), refused="outage"),
    "and that outage can be accepted, too": Case(DISABLE, unreachable=("far",), accepted=(KEY,)),
    "a use under nobody knows which key counts for this one": Case(
        DELETION, (use(key_arn=ANY_KEY),), refused="key-in-use"
    ),
    "revoking the grant that data rest on is an outage": Case(
        Verb.DELETE, (replace(use(), grant_id="g"),), refused="outage"
    ),
    "which can be accepted": Case(Verb.DELETE, (replace(use(), grant_id="g"),), accepted=(KEY,)),
    "revoking another grant is none": Case(Verb.DELETE, (replace(use(), grant_id="other"),)),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_guard(case: str) -> None:
    given = CASES[case]
    taken = Census(uses=given.uses, unreachable=given.unreachable)
    changes = guard([cut(given.verb), *given.also], lambda: taken, given.accepted)
    assert [block.guard for block in changes[0].blocked] == ([] if given.refused is None else [given.refused])
    assert changes[1:] == list(given.also)


def refusal(verb: Verb, census: Census) -> Block:
    (change,) = guard([cut(verb)], lambda: census, ())
    (block,) = change.blocked
    return block


def test_a_refusal_names_what_is_lost_with_its_bytes_and_whom_it_could_not_ask() -> None:
    block = refusal(DELETION, Census(uses=(use(), SNAPSHOT), unreachable=("far",)))
    assert block.reason == (
        "Key/k still opens: cluster c (1,234 bytes), cluster s (1,234 bytes), whatever Provider/far holds, which "
        "cannot be asked"
    )
    assert block.way_out[-1].startswith("Then remove that manifest")


def test_an_outage_names_the_flag_that_accepts_it() -> None:
    assert "--accept-outage Key/k" in refusal(DISABLE, Census(uses=(use(),), unreachable=())).way_out[-1]


@pytest.mark.parametrize("accepted", [(), (KEY,)], ids=["refused", "accepted"])
def test_an_outage_is_told_by_name_and_as_no_small_thing(accepted: tuple[Address, ...]) -> None:
    """Whoever accepts it has read what becomes unreachable (CONTRACT 5)."""
    (change,) = guard([cut(DISABLE)], lambda: Census(uses=(use(), SNAPSHOT), unreachable=()), accepted)
    (operation,) = change.operations
    assert operation.reason.endswith("; it makes unreachable: cluster c, cluster s")
    assert operation.impact.availability is Availability.DOWN
    text = "\n".join(change_lines(change, Ink(colour=False)))
    assert "unavailable until it is undone" in text
    assert "no interruption" not in text


def test_disabling_what_opens_nothing_is_no_outage() -> None:
    (change,) = guard([cut(DISABLE)], lambda: Census(uses=(), unreachable=()), ())
    assert change.operations == cut(DISABLE).operations


def test_a_guard_adds_to_what_a_kind_refused() -> None:
    own = Block(guard="own", reason="", way_out=())
    change = Change(address=KEY, action=Action.UPDATE, operations=cut(DELETION).operations, blocked=(own,))
    (guarded,) = guard([change], lambda: Census(uses=(use(),), unreachable=()), ())
    assert [block.guard for block in guarded.blocked] == ["own", "key-in-use"]


def test_nobody_is_asked_unless_a_key_is_cut_off() -> None:
    def census() -> Census:
        raise AssertionError("asked")

    change = let_go(Verb.SWITCH_KEY, CLUSTER_ARN)
    assert guard([change], census, ()) == [change]


class Counting:
    def __init__(self, answer: Callable[[], list[KeyUse]]) -> None:
        self._answer = answer

    def key_uses(self, key_arn: str | None = None) -> list[KeyUse]:
        return self._answer()


def test_a_census_asks_every_provider_and_names_those_that_cannot_be_asked() -> None:
    from reconciler.errors import HostError

    def broken() -> list[KeyUse]:
        raise HostError("disk")

    taken = take_census({"b": Counting(lambda: [use("b")]), "a": Counting(broken), "c": object()})
    assert [found.name for found in taken.of(ARN)] == ["b"]
    assert not taken.of("arn:another")
    assert taken.unreachable == ("a", "c")
