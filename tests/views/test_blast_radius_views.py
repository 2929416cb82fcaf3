"""How the answer about a key reads, in each form and for each state of a key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.model.address import Address
from reconciler.model.blast_radius import NOT_FOUND, BlastRadius, Loss
from reconciler.views.blast_radius_json import blast_radius_document
from reconciler.views.blast_radius_markdown import render_blast_radius_markdown
from reconciler.views.blast_radius_text import render_blast_radius, short_lines, when_text
from reconciler.views.json_text import render_json
from tests.views import sample_plans as samples

ESCROW = "arn:aws:kms:eu-central-1:012345670123:key/spare"


def _in_escrow(radius: BlastRadius, *, most: int) -> BlastRadius:
    """The same with the first of what becomes unreadable in escrow."""
    chosen = [one.identity for one in radius.lost(Loss.UNREADABLE)][:most]
    dependents = tuple(replace(one, escrow=ESCROW) if one.identity in chosen else one for one in radius.dependents)
    return replace(radius, dependents=dependents)


KEYS = {
    "held": samples.RADIUS,
    "unasked": samples.UNASKED,
    "pending": samples.PENDING,
    "free": samples.FREE,
    "gone": replace(samples.FREE, state=NOT_FOUND, earliest=None),
    "escrow": _in_escrow(samples.RADIUS, most=99),
    "partly": _in_escrow(samples.RADIUS, most=1),
}


@pytest.mark.parametrize("name", KEYS)
def test_each_answer_as_people_and_pipelines_read_it(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"blast-radius-{name}.txt", render_blast_radius(KEYS[name], colour=False))
    golden(f"blast-radius-{name}.md", render_blast_radius_markdown(KEYS[name]))
    if name == "held":
        golden("blast-radius.json", render_json(blast_radius_document(KEYS[name])))


WHEN: dict[str, tuple[BlastRadius, str]] = {
    "held for good": (samples.RADIUS, "never goes by itself: Cluster/sales holds it"),
    "not everything asked": (samples.UNASKED, "cannot be deleted"),
    "on its way": (samples.PENDING, "gone by 2026-01-14 09:00 UTC unless that is cancelled"),
    "no such key": (KEYS["gone"], "has no such key"),
    "free": (samples.FREE, "by 2026-02-04 09:00 UTC at the earliest (30 days"),
}


@pytest.mark.parametrize("case", WHEN)
def test_when_a_key_can_go(case: str) -> None:
    radius, said = WHEN[case]
    assert said in when_text(radius)


@pytest.mark.parametrize(
    ("name", "recovery", "short"),
    [
        ("held", "unrecoverable", "unrecoverable once it is deleted"),
        ("escrow", "escrow", "recoverable with its escrow key"),
        ("partly", "partly-in-escrow", "1 of them unrecoverable once it is deleted, the others in escrow"),
        ("free", None, ""),
    ],
)
def test_what_remains_of_it_once_the_key_is_deleted(name: str, recovery: str | None, short: str) -> None:
    assert blast_radius_document(KEYS[name])["recovery"] == recovery
    assert short in " ".join(short_lines(KEYS[name]))


def test_many_that_hold_a_key_are_counted_not_listed() -> None:
    one = samples.RADIUS.dependents[0]
    many = tuple(
        replace(one, identity=f"c{number}", name=f"c{number}", address=Address(f"Cluster/c{number}"))
        for number in range(50)
    )
    text = " ".join(short_lines(replace(samples.RADIUS, dependents=many)))
    assert "50 clusters" in text
    assert "and 47 more hold it" in text
    assert len(text) < 400


def test_a_key_that_nothing_uses_takes_one_line_of_a_plan() -> None:
    assert short_lines(samples.FREE) == [f"without {samples.ORDERS_ARN}: nothing would be lost"]


def test_a_plan_does_not_call_a_key_free_that_is_gone() -> None:
    assert short_lines(KEYS["gone"]) == [f"without {samples.ORDERS_ARN}: its key service has no such key"]


def test_a_name_from_outside_cannot_act_on_the_terminal() -> None:
    evil = replace(samples.RADIUS, dependents=(replace(samples.RADIUS.dependents[0], name="a\x1b[2Jb", address=None),))
    assert "\x1b" not in render_blast_radius(evil, colour=False) + "".join(short_lines(evil))


OWNERS = {
    "arn:aws:redshift:eu-west-1:111122223333:cluster:sales": "made for cluster sales",
    "arn:aws:redshift:eu-west-1:111122223333:snapshot:sales/nightly": "made for snapshot nightly of cluster sales",
    "arn:aws:redshift:eu-west-1:111122223333:snapshot:sales/rs:sales-2026-11-22-10-00-00": (
        "made for automated snapshot rs:sales-2026-11-22-10-00-00 of cluster sales"
    ),
    "arn:aws:redshift:eu-west-1:111122223333:snapshotcopygrant:copies": "made for snapshot copy grant copies",
    "arn:aws:cassandra:eu-west-1:111122223333:/keyspace/shop/table/orders": "made for table shop.orders",
    "arn:aws:other:eu-west-1:111122223333:thing/x": "made for arn:aws:other:eu-west-1:111122223333:thing/x",
}


@pytest.mark.parametrize(("arn", "said"), OWNERS.items())
def test_what_a_grant_was_made_for_is_said_in_words(arn: str, said: str) -> None:
    dependents = tuple(
        replace(one, follows=arn, address=None) if one.what == "grant" else one for one in samples.RADIUS.dependents
    )
    assert f", {said})" in render_blast_radius(replace(samples.RADIUS, dependents=dependents), colour=False)
