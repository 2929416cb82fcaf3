"""The rows that an apply writes: in the middle of a change, and when it is settled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.applying.rows import after_step, attributes_of, settled
from reconciler.model.address import Address
from reconciler.model.change import Outcome
from reconciler.model.recorded import Intent, Recorded, Standing
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.resource import Resource

KEY, OLD, NEW = Address("Key/k"), Address("Key/old"), Address("Key/new")
INTENT = Intent(number=1, address=KEY, uid="uid", provider="kms", step="s", verb="v", token="t")
ROW = Recorded(
    address=KEY, uid="uid", provider="kms", attributes={"id": "1", "x": "y"}, settled=True, references=(OLD,)
)


def resource(*references: Address, **spec: Any) -> Resource:
    return Resource(
        address=KEY,
        digest="digest",
        provider="kms",
        references=references,
        external_name="k",
        file="x.yaml",
        line=1,
        build_spec=lambda: KeySpec.model_validate({"provider": "kms", **spec}),
    )


def test_the_first_step_begins_a_row_with_the_intents_uid() -> None:
    row = after_step(None, resource(), INTENT, Outcome(attributes={"id": "1"}))
    assert row == Recorded(address=KEY, uid="uid", provider="kms", attributes={"id": "1"}, protected=True)


def test_a_step_adds_to_what_is_recorded_and_the_row_is_unsettled() -> None:
    row = after_step(ROW, resource(), INTENT, Outcome(attributes={"z": 1}))
    assert row is not None
    assert row.attributes == {"id": "1", "x": "y", "z": 1}
    assert not row.settled


def test_an_attribute_that_a_step_sets_to_none_is_gone() -> None:
    row = after_step(ROW, resource(), INTENT, Outcome(attributes={"x": None}))
    assert row is not None
    assert row.attributes == {"id": "1"}


def test_until_it_is_settled_it_refers_to_what_it_did_and_what_it_will() -> None:
    """Neither may be removed under it."""
    row = after_step(ROW, resource(NEW), INTENT, Outcome())
    assert row is not None
    assert row.references == (OLD, NEW)
    assert settled(row, resource(NEW), None, lambda address: "id").references == (NEW,)


def test_what_leaves_keeps_its_references_and_its_row_until_its_window_is_over() -> None:
    row = after_step(ROW, None, INTENT, Outcome(leaving=True))
    assert row is not None
    assert (row.standing, row.references) == (Standing.LEAVING, (OLD,))
    later = after_step(row, None, INTENT, Outcome())
    assert later is not None
    assert later.standing is Standing.LEAVING


def test_what_is_gone_has_no_row() -> None:
    assert after_step(ROW, None, INTENT, Outcome(gone=True)) is None


def test_a_settled_row_is_what_the_next_plan_compares_with() -> None:
    row = settled(replace(ROW, settled=False, standing=Standing.LEAVING), resource(OLD, NEW), None, {OLD: "7"}.get)
    assert row.digest == "digest"
    assert row.spec == resource().spec.canonical_json()
    assert row.links == "Key/old=7\nKey/new=?"
    assert row.settled
    assert row.standing is Standing.MANAGED
    assert (row.observed, row.due_at) == (None, None)


PROTECTION = {
    "a key is protected unless its manifest says otherwise": ({}, True),
    "preventDestroy: false lifts that": ({"lifecycle": {"preventDestroy": False}}, False),
    "preventDestroy: true says it again": ({"lifecycle": {"preventDestroy": True}}, True),
}


@pytest.mark.parametrize("case", PROTECTION, ids=str)
def test_protection(case: str) -> None:
    spec, expected = PROTECTION[case]
    assert settled(ROW, resource(**spec), None, lambda address: None).protected is expected
    begun = after_step(None, resource(**spec), INTENT, Outcome())
    assert begun is not None
    assert begun.protected is expected


@pytest.mark.parametrize("row", [None, Recorded(address=KEY, uid="u", provider="kms", attributes={"x": "y"})], ids=str)
def test_an_object_that_does_not_exist_has_no_attributes(row: Recorded | None) -> None:
    with pytest.raises(KeyError):
        attributes_of(row)
    assert attributes_of(ROW) == ROW.attributes
