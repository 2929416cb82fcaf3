"""What a person and a pipeline read of verify."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from reconciler.providers.proofs import BLOCKS, KEYS_OPENED, REFUSALS, Check, Proof, Result, unchecked, unprotected
from reconciler.views.json_text import render_json
from reconciler.views.verify_json import verify_document
from reconciler.views.verify_markdown import render_verify_markdown
from reconciler.views.verify_text import proof_line, render_proofs

SOUND = Proof(
    subject="Cluster/sales",
    checks=(
        Check(what=KEYS_OPENED),
        Check(what=REFUSALS, count=7),
        Check(what=KEYS_OPENED),
        Check(what=BLOCKS, count=1_204),
    ),
)
BROKEN = Proof(
    subject="Table/carts",
    checks=(
        Check(what=KEYS_OPENED, count=3),
        unchecked(BLOCKS, "the disk does not answer", "Have it looked at."),
        unprotected(KEYS_OPENED, "table shop.carts is under the owned key | `odd`", "Run `reconciler plan`."),
    ),
)
UNSEEN = Proof(subject="Key/far", checks=(unchecked("checks", "Provider/kms-us cannot be reached", "Try again."),))
MANY = Proof(
    subject="Home",
    checks=tuple(unprotected("files", f"others may open file-{number}", "chmod 600") for number in range(12)),
)
ALL = (SOUND, BROKEN, UNSEEN, MANY)


def test_proofs_as_a_person_reads_them(golden: Callable[[str, str], None]) -> None:
    golden("verify.txt", render_proofs(ALL, colour=False))
    golden("verify.md", render_verify_markdown(ALL))
    golden("verify.json", render_json(verify_document(ALL[:3], full=True)))


def test_no_colour_says_the_same() -> None:
    assert "\x1b" not in render_proofs(ALL, colour=False)
    assert "\x1b[31m" in render_proofs(ALL, colour=True)


@pytest.mark.parametrize(
    ("proofs", "line"),
    [
        ((), "Proved: 0 of 0."),
        ((SOUND,), "Proved: 1 of 1."),
        ((SOUND, BROKEN), "Proved: 1 of 2. Not protected as declared: Table/carts."),
        ((UNSEEN,), "Proved: 0 of 1. Not checked: Key/far."),
        ([MANY] * 12, f"Proved: 0 of 12. Not protected as declared: {', '.join(['Home'] * 10)} and 2 more."),
    ],
)
def test_the_line_that_counts(proofs: Sequence[Proof], line: str) -> None:
    assert proof_line(proofs) == line


def test_what_is_not_protected_goes_before_what_could_not_be_seen() -> None:
    assert BROKEN.result is Result.UNPROTECTED
    document = verify_document(ALL, full=False)
    assert [one["result"] for one in document["proofs"][1]["failures"]] == ["unprotected", "unchecked"]
    assert document["summary"] == {"proved": 1, "unprotected": 2, "unchecked": 1, "total": 4}
