"""``spec.renamedFrom``: a recorded resource gets another address; renaming is declared, not guessed (CONTRACT 1).

The rows move first, all in one commit, so that chains and swaps have no moment in which two resources share an address.
Whether the object's own name changes with it is for its kind to say (SC3).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.address import Address
from reconciler.model.change import Action, DiffEntry, Operation, Outcome, Step, Verb, Verdict
from reconciler.model.ports import StepServices
from reconciler.model.readdress import MARK
from reconciler.model.recorded import Recorded
from reconciler.resources.resource import Resource
from reconciler.state.store import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Renames:
    """``moves`` are carried out by this plan, old address → new address. ``left_alone`` are old and new addresses of
    those that its flags leave out. ``without_effect``: new address → old, where both are recorded."""

    moves: Mapping[Address, Address] = field(default_factory=dict)
    left_alone: frozenset[Address] = frozenset()
    without_effect: Mapping[Address, Address] = field(default_factory=dict)

    @property
    def came_from(self) -> dict[Address, Address]:
        """New address → old."""
        return {new: old for old, new in self.moves.items()}

    def heads(self, heads: Mapping[Address, Head]) -> dict[Address, Head]:
        """The heads as they are when the rows have moved."""
        if not self.moves:
            return dict(heads)
        moved = (
            head._replace(address=self.moves[address], settled=False) if address in self.moves else head
            for address, head in heads.items()
        )
        return {head.address: head for head in sorted(moved, key=lambda head: head.address)}

    def warnings(self) -> Iterator[tuple[Address, str]]:
        """What to say of those without effect."""
        for new, old in self.without_effect.items():
            effect = f"`renamedFrom: {old.name}` of {new} has no effect: both are recorded"
            yield new, f"{effect}. `reconciler state rm` forgets the one that is not meant."


def due(
    declared: Mapping[Address, Resource],
    heads: Mapping[Address, Head],
    row: Callable[[Address], Recorded | None],
    scope: Callable[[], Collection[Address] | None] = lambda: None,
    excluded: Collection[Address] = (),
) -> Renames:
    """The renames that are declared and not carried out. ``scope`` answers which resources the plan may touch, None
    all of them; neither the old nor the new address is to be among ``excluded``."""
    if not heads:
        return Renames()
    asked = {
        new: Address.of(new.kind, old)
        for new, resource in declared.items()
        if ((head := heads.get(new)) is None or not head.settled or head.digest != resource.digest)
        and (old := resource.spec.renamed_from) is not None
    }
    asked = {new: old for new, old in asked.items() if old in heads and not _is_done(row(new), old)}
    possible = _without_collisions(asked, heads)
    within = scope() if possible else None
    wanted = {new: old for new, old in possible.items() if (within is None or new in within) and old not in excluded}
    carried_out = _without_collisions(wanted, heads)
    left = {address for new, old in possible.items() if new not in carried_out for address in (new, old)}
    return Renames(
        moves={old: new for new, old in carried_out.items()},
        left_alone=frozenset(left),
        without_effect={new: old for new, old in asked.items() if new not in possible},
    )


def _is_done(row: Recorded | None, old: Address) -> bool:
    """Whether the row that is there under the new name came from the old one: told by the mark of an unfinished change,
    else by the spec that was last applied. After a swap both names are recorded for ever."""
    if row is None:
        return False
    spec = {} if row.spec is None else json.loads(row.spec)
    return old.name in (row.attributes.get(MARK), spec.get("renamedFrom"))


def _without_collisions(asked: Mapping[Address, Address], heads: Mapping[Address, Head]) -> dict[Address, Address]:
    """Those whose new address is free, or is made free by another of them: chains and swaps are."""
    kept = dict(asked)
    while True:
        leaving = set(kept.values())
        taken = [
            new
            for new in kept
            if (head := heads.get(new)) is not None and head.identity is not None and new not in leaving
        ]
        if not taken:
            return kept
        for new in taken:
            del kept[new]


@dataclass(frozen=True, kw_only=True)
class Readdress(Step):
    """The state has it under its new address already, by the commit that moved all rows: nothing is left to do."""

    def run(self, services: StepServices) -> Outcome:
        """Nothing."""
        return Outcome()


def with_rename(verdict: Verdict, new: Address, old: Address) -> Verdict:
    """The verdict on a resource that was ``old``: where its kind renames nothing at the provider, the state alone
    changes."""
    entry = DiffEntry(path="metadata.name", before=old.name, after=new.name)
    told = replace(verdict, diff=(entry, *verdict.diff))
    if verdict.blocked or any(operation.verb is Verb.RENAME for operation in verdict.operations):
        return told
    operation = Operation(
        verb=Verb.RENAME,
        reason=f"it was {old}, as its manifest says; the object stays as it is",
        steps=(Readdress(id="readdress", summary=f"record it as {new}"),),
        waits_for_references=False,
    )
    action = Action.UPDATE if verdict.action is Action.NOOP else verdict.action
    return replace(told, action=action, operations=(operation, *verdict.operations))
