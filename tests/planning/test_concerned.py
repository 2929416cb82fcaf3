"""Which rows a plan reads to show what hangs on a key."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.planning.concerned import rows_about
from reconciler.planning.inventory import Entry, Inventory
from reconciler.resources.planned import Declared
from reconciler.state.store import Head, StateReader

KEY = "arn:aws:kms:eu-west-1:111122223333:key/k"


class State:
    """Heads only; a row is as wide as its address."""

    def __init__(self, *heads: Head) -> None:
        self._heads = {head.address: head for head in heads}

    def heads(self) -> dict[Address, Head]:
        return self._heads

    def get(self, address: Address) -> Recorded | None:
        return Recorded(address=address, uid="u", provider="p") if address in self._heads else None


def head(address: str, identity: str | None, *refers_to: str, settled: bool = True, digest: str = "d") -> Head:
    links = "\n".join(f"{target}=?" for target in refers_to)
    return Head(Address(address), digest, identity, links, None, settled, "managed")


def read(*heads: Head, found: Sequence[str] = (), undeclared: Sequence[str] = ()) -> set[str]:
    declared = {each.address: SimpleNamespace(digest="d") for each in heads if each.address not in undeclared}
    entries = tuple(Entry(what="cluster", name=name, identity=name, needs=(KEY,)) for name in found)
    state = cast(StateReader, State(*heads))
    rows = rows_about(Inventory(entries=entries), [KEY], state, cast(Declared, declared))
    return {str(row.address) for row in rows}


def test_the_keys_own_row_and_whatever_refers_to_it_over_any_number_of_steps() -> None:
    chain = (
        head("Key/k", "k"),
        head("Cluster/c", "c", "Key/k"),
        head("Snapshot/s", None, "Cluster/c"),
        head("Snapshot/t", None, "Snapshot/s"),
        head("Key/other", "o"),
        head("Cluster/other", "oc", "Key/other"),
    )
    assert read(*chain) == {"Key/k", "Cluster/c", "Snapshot/s", "Snapshot/t"}


def test_circles_end() -> None:
    assert read(head("Key/k", "k", "Cluster/c"), head("Cluster/c", "c", "Key/k")) == {"Key/k", "Cluster/c"}


def test_what_a_provider_found_under_the_key_without_a_reference() -> None:
    rows = head("Key/k", "k"), head("Cluster/c", "arn:of-c"), head("Cluster/d", "arn:of-d")
    assert read(*rows, found=["arn:of-c"]) == {"Key/k", "Cluster/c"}


def test_whatever_the_heads_do_not_tell_of() -> None:
    rows: tuple[Any, ...] = (
        head("Key/k", "k"),
        head("Table/unfinished", "1", settled=False),
        head("Table/changed", "2", digest="of before"),
        head("Table/undeclared", "3"),
        head("Table/other", "4"),
    )
    read_ones = read(*rows, undeclared=["Table/undeclared"])
    assert read_ones == {"Key/k", "Table/unfinished", "Table/changed", "Table/undeclared"}
