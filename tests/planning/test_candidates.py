"""Which resources a plan looks at: everything else costs a few comparisons and is never asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.planning.candidates import candidates
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.resource import Resource
from reconciler.state.store import Head

KEY, ALIAS = Address("Key/k"), Address("Alias/a")
NOW = 1_000.0


def resource(address: Address, digest: str, *references: Address) -> Resource:
    return Resource(
        address=address,
        digest=digest,
        provider="kms",
        references=references,
        external_name=address.name,
        file="x.yaml",
        line=1,
        build_spec=lambda: KeySpec(provider="kms"),
    )


def head(address: Address, **changed: Any) -> Head:
    settled = Head(address, "d", f"id-{address.name}", "", None, True, "managed")
    return settled._replace(**changed)


SETTLED_KEY = head(KEY)
SETTLED_ALIAS = head(ALIAS, links="Key/k=id-k")


@dataclass(frozen=True)
class Case:
    found: set[Address]
    key: Head | None = SETTLED_KEY
    alias: Head | None = SETTLED_ALIAS
    digest: str = "d"
    declared: tuple[Address, ...] = (KEY, ALIAS)
    moved: tuple[Address, ...] = ()


CASES = {
    "what is as it was left needs no look": Case(set()),
    "what was never made does": Case({KEY, ALIAS}, key=None, alias=None),
    "a manifest that reads differently": Case({KEY}, digest="other"),
    "an unfinished change": Case({KEY}, key=head(KEY, settled=False)),
    "what was kept when its manifest went, now that it is back": Case({KEY}, key=head(KEY, standing="retained")),
    "a key in its deletion window that is declared again": Case({KEY}, key=head(KEY, standing="leaving")),
    "what is due": Case({KEY}, key=head(KEY, due_at=NOW - 1)),
    "what is due at this very second": Case({KEY}, key=head(KEY, due_at=NOW)),
    "not what is due in a second": Case(set(), key=head(KEY, due_at=NOW + 1)),
    "what is due at the beginning of time": Case({KEY}, key=head(KEY, due_at=0)),
    "what refers to an object that was replaced": Case({ALIAS}, alias=head(ALIAS, links="Key/k=id-before")),
    "what refers to an object that is not there": Case({KEY, ALIAS}, key=None, alias=head(ALIAS, links="Key/k=id-k")),
    "not links of what refers to nothing now": Case(set(), key=head(KEY, links="Key/gone=x")),
    "what no manifest declares any more": Case({ALIAS}, declared=(KEY,)),
    "what moved behind our back": Case({KEY}, moved=(KEY,)),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_plan_looks_at(case: str) -> None:
    given = CASES[case]
    everything = {KEY: resource(KEY, given.digest), ALIAS: resource(ALIAS, "d", KEY)}
    declared = {address: everything[address] for address in given.declared}
    heads = {one.address: one for one in (given.key, given.alias) if one is not None}
    assert candidates(declared, heads, now=NOW, moved=given.moved) == given.found
