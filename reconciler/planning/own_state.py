"""What our own state has to do with keys: rows of resources that refer to one, and steps that were begun with one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler.model.address import Address
from reconciler.model.recorded import Intent, Recorded
from reconciler.planning.inventory import POLICY, Entry, Inventory, KeyFacts
from reconciler.providers.plugin import HSM, KEYS
from reconciler.providers.root_arns import is_root
from reconciler.resources import registry


def own_entries(rows: Iterable[Recorded], intents: Iterable[Intent]) -> list[Entry]:
    """A row needs what it stands for, and the rows that it refers to; an open step what its facts name."""
    entries = [
        Entry(
            what="state row",
            name=row.address,
            identity=_row(row.address),
            needs=tuple(dict.fromkeys((*_stands_for(row), *(_row(target) for target in row.references)))),
            address=row.address,
        )
        for row in rows
    ]
    for intent in intents:
        named = dict.fromkeys((_row(intent.address), *_named(intent.facts)))
        entries.append(
            Entry(
                what="unfinished step",
                name=f"{intent.step} of {intent.address}",
                identity=f"intent:{intent.number}",
                needs=tuple(named),
                address=intent.address,
            )
        )
    return entries


def recognised(inventory: Inventory, rows: Iterable[Recorded]) -> Inventory:
    """The inventory with the names under which things are managed here, and the deletion windows of our keys. A
    partition of an HSM counts as a key: data are under it, too."""
    made = [row for row in rows if row.identity is not None]
    ours = {str(row.attributes["arn"]): row for row in made if _is_key(row)}
    managed = {str(row.identity): row for row in made if not _is_key(row)}
    # A policy has no identity but its key's.
    named = {f"{found}{POLICY}" if found in inventory.keys else found: row.address for found, row in managed.items()}
    for found, row in managed.items():
        arn = str(row.attributes.get("arn", found))
        if not found.startswith(f"{arn}/"):  # copying has the ARN of its cluster
            named.setdefault(arn, row.address)
    for arn, row in ours.items():
        named[arn] = named[str(row.identity)] = row.address
    # They are ours also while nobody may look at them.
    keys = {**{arn: KeyFacts(arn=arn) for arn in ours}, **inventory.keys}
    for arn, row in ours.items():
        facts = keys[arn]
        keys[arn] = replace(facts, address=row.address, window_days=_window(row) or facts.window_days)
    return Inventory(
        entries=tuple(_called(entry, named.get(entry.identity, entry.address)) for entry in inventory.entries),
        keys=keys,
        unreachable=inventory.unreachable,
    )


def _called(entry: Entry, address: Address | None) -> Entry:
    return entry if address == entry.address else replace(entry, address=address)


def _is_key(row: Recorded) -> bool:
    """Whether it is a key, not what completes one: a policy goes by its key's ARN too."""
    arn = str(row.attributes.get("arn") or "")
    is_named = row.identity == arn or arn.endswith(f":key/{row.identity}")
    return is_root(arn) and is_named and registry.completes(row.address.kind) is None


def undeclared(rows: Iterable[Recorded], providers: Collection[str]) -> list[str]:
    """Providers through which data were made and that no manifest declares: nobody can ask them (I3)."""
    names = {
        row.provider
        for row in rows
        if row.provider not in providers and registry.kind(row.address.kind).provider_protocol not in (KEYS, HSM)
    }
    return [f"Provider/{name}, which no manifest declares," for name in sorted(names)]


def _row(address: Address | str) -> str:
    return f"state:{address}"


def _stands_for(row: Recorded) -> Iterator[str]:
    for name in ("arn", "key_arn", "partition", "id"):
        value = row.attributes.get(name)
        if value is not None and str(value).startswith("arn:"):
            yield str(value)


def _named(facts: Any) -> Iterator[str]:
    """Every ARN and every address in the facts of a step."""
    if isinstance(facts, str):
        if facts.startswith("arn:"):
            yield facts
    elif isinstance(facts, Mapping):
        address = facts.get("address")
        if isinstance(address, str):
            yield _row(address)
        for value in facts.values():
            yield from _named(value)
    elif isinstance(facts, (list, tuple)):
        for value in facts:
            yield from _named(value)


def _window(row: Recorded) -> int | None:
    """The declared deletion window in days."""
    if row.spec is None:
        return None
    window = getattr(registry.kind(row.address.kind).spec.model_validate_json(row.spec), "deletion_window", None)
    return window.days if isinstance(window, timedelta) else None
