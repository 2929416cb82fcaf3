"""What only all documents together can get wrong: the same thing declared twice, references to nothing, cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.errors import Diagnostic
from reconciler.loading.heads import Head, Reading
from reconciler.loading.pointing import Declared, Pointer
from reconciler.loading.refusals import with_article
from reconciler.model.address import Address
from reconciler.model.article import a
from reconciler.model.nearest import did_you_mean
from reconciler.resources import registry


def check(readings: Sequence[Reading]) -> list[Diagnostic]:
    """Every problem between the documents of all readings; empty when their heads fit together."""
    heads: dict[str, Declared] = {}
    problems: list[Diagnostic] = []
    linker = _Linker(heads, Pointer())
    for reading in readings:
        for head in _in_order(reading):
            if head.address in heads:
                problems.append(linker.declared_twice((head, reading)))
            else:
                heads[head.address] = head, reading
    problems.extend(linker.claimed_twice())
    if all(reading.is_complete for reading in readings):  # else the missing ones may be in the rest of a file
        problems.extend(linker.unknown_references(set(heads)))
    problems.extend(linker.cycles())
    return problems


@dataclass(frozen=True, slots=True)
class _Linker:
    heads: Mapping[str, Declared]
    pointer: Pointer

    def declared_twice(self, second: Declared) -> Diagnostic:
        return self.pointer.problem(
            "duplicate-address",
            f"is declared a second time; the first is {self._where(second[0].address)}",
            second,
            ("metadata", "name"),
            "Remove one of the two, or give it another name.",
        )

    def claimed_twice(self) -> Iterator[Diagnostic]:
        claimed: dict[str, Head] = {}
        for declared in self.heads.values():
            for claim in declared[0].claims:
                if "|" not in claim:
                    if claim in claimed:
                        yield self._renamed_twice(claim, claimed[claim], declared)
                    elif claim in self.heads and not self._moves_away(claim, declared[0]):
                        yield self._still_declared(claim, declared)
                    else:
                        claimed[claim] = declared[0]
                elif claim in claimed:
                    yield self._clash(claim, claimed[claim], declared)
                else:
                    claimed[claim] = declared[0]

    def _moves_away(self, old: str, by: Head) -> bool:
        """Whether what is declared under the old name was called something else, too: a chain, or a swap."""
        return old != by.address and any("|" not in claim for claim in self.heads[old][0].claims)

    def _renamed_twice(self, old: str, first: Head, declared: Declared) -> Diagnostic:
        return self.pointer.problem(
            "renamed-twice",
            f"says that this was {old}, as {first.address} says ({self._where(first.address)})",
            declared,
            ("spec", "renamedFrom"),
            "Only one of them can be: remove renamedFrom from the other.",
        )

    def _still_declared(self, old: str, declared: Declared) -> Diagnostic:
        return self.pointer.problem(
            "renamed-and-declared",
            f"says that this was {old}, which is still declared ({self._where(old)})",
            declared,
            ("spec", "renamedFrom"),
            "Remove renamedFrom if these are two resources, or the old manifest if it was renamed.",
        )

    def _clash(self, claim: str, first: Head, declared: Declared) -> Diagnostic:
        parts = claim.split("|")
        where = self._where(first.address)
        if len(parts) == 3:  # kind, field, target: the target may have one only
            kind, field, target = parts
            return self.pointer.problem(
                "one-only",
                f"names {target}, which has {a(kind)} already: {first.address} ({where})",
                declared,
                ("spec", field),
                f"A {target.partition('/')[0]} has at most one {kind}: put both into one.",
            )
        _, provider, parent, name = parts
        place = f"Provider/{provider}" + (f" and {parent}" if parent else "")
        return self.pointer.problem(
            "duplicate-name",
            f'has the name "{name}" at {place}, as {first.address} has ({where})',
            declared,
            ("spec", "externalName"),
            "Give one of them another spec.externalName.",
        )

    def unknown_references(self, known: set[str]) -> Iterator[Diagnostic]:
        by_name: dict[str, list[str]] = {}
        for declared in self.heads.values():
            head = declared[0]
            for target in head.references:
                if target not in known:
                    yield self._unknown(target, declared, known, by_name)
            for provider in head.providers if head.provider is None else (head.provider, *head.providers):
                if f"Provider/{provider}" not in known:
                    yield self._unknown(Address.of("Provider", provider), declared, known, by_name)

    def _unknown(
        self, target: Address, declared: Declared, known: set[str], by_name: dict[str, list[str]]
    ) -> Diagnostic:
        if not by_name:
            for address in sorted(known):
                by_name.setdefault(address.partition("/")[2], []).append(address)
        path = self.pointer.path_of(target, declared)
        others = by_name.get(target.name, [])
        if others and path[:2] != ("spec", "dependsOn"):
            is_kind = with_article(Address(others[0]).kind)
            return self.pointer.problem(
                "wrong-kind",
                f"must name {with_article(target.kind)}; {target.name} is {is_kind} ({self._where(others[0])})",
                declared,
                path,
                did_you_mean(target.name, _names(known, target.kind)),
            )
        if target.kind not in registry.kind_names():
            near = did_you_mean(target.kind, registry.kind_names())
            return self.pointer.problem(
                "unknown-reference", f"names {target}, and {target.kind} is no kind", declared, path, near
            )
        near = did_you_mean(target.name, _names(known, target.kind))
        return self.pointer.problem(
            "unknown-reference",
            f"names {target}, which no manifest declares",
            declared,
            path,
            near.replace("mean ", f"mean {target.kind}/", 1) if near else None,
        )

    def cycles(self) -> Iterator[Diagnostic]:
        for members in _cycles({address: head.references for address, (head, _) in self.heads.items()}):
            declared = self.heads[members[0]]
            path = self.pointer.path_of([*members, members[0]][1], declared)
            if len(members) == 1:
                yield self.pointer.problem("reference-cycle", "names its own resource", declared, path)
                continue
            ring = " → ".join(f"{member} ({self._where(member)})" for member in members)
            yield self.pointer.problem(
                "reference-cycle",
                f"closes a cycle, in which each waits for the next: {ring} → {members[0]}",
                declared,
                path,
                "Remove one of these references.",
            )

    def _where(self, address: str) -> str:
        head, reading = self.heads[address]
        return f"{reading.source.name}:{head.line}"


def _in_order(reading: Reading) -> list[Head]:
    return sorted([*reading.heads, *reading.flawed], key=lambda head: head.line) if reading.flawed else reading.heads


def _names(known: set[str], kind: str) -> list[str]:
    return sorted(Address(address).name for address in known if address.startswith(f"{kind}/"))


def _cycles(references: Mapping[str, tuple[Address, ...]]) -> Iterator[list[str]]:
    """One ring of every group of resources that wait for each other. Kahn first: most worlds have none."""
    waiting: dict[str, int] = {}
    followers: dict[str, list[str]] = {}
    ready: list[str] = []
    for address, targets in references.items():
        if targets:
            waiting[address] = len(targets)
            for target in targets:
                followers.setdefault(target, []).append(address)
                if target not in references:
                    ready.append(target)  # a reference to nothing holds nobody up
        else:
            ready.append(address)
    ready = list(dict.fromkeys(ready))
    for address in ready:  # grows while it is walked
        for follower in followers.get(address, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                del waiting[follower]
                ready.append(follower)
    yield from _rings(references, waiting)


def _rings(references: Mapping[str, tuple[Address, ...]], left: Mapping[str, int]) -> Iterator[list[str]]:
    seen: set[str] = set()
    for start in left:
        trail: dict[str, int] = {}
        address: str = start
        while address not in seen and address not in trail:
            trail[address] = len(trail)
            address = next(target for target in references[address] if target in left)
        if address in trail:
            ring = list(trail)[trail[address] :]
            first = ring.index(min(ring))
            yield [*ring[first:], *ring[:first]]
        seen.update(trail)
