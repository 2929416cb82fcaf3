"""What is killed: every verb of the model, at every provider, or a reason why not."""

from __future__ import annotations

from reconciler.model.change import Verb
from tests.faults.operations import CASES, IMPOSSIBLE


def test_every_verb_is_killed_somewhere_or_has_a_reason() -> None:
    shown = {verb for case in CASES.values() for verb in case.verbs}
    assert shown | IMPOSSIBLE.keys() == set(Verb)


def test_no_verb_has_a_reason_beside_a_case() -> None:
    shown = {verb for case in CASES.values() for verb in case.verbs}
    assert not shown & IMPOSSIBLE.keys()
