"""What a person reads of a plan."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.errors import Diagnostic
from reconciler.model.address import Address
from reconciler.model.change import KNOWN_AFTER_APPLY, Action, Block, Change, DiffEntry, Operation, Verb
from reconciler.model.plan import Plan
from reconciler.views.plan_text import plan_line, render_plan
from tests.views import sample_plans as samples

Golden = Callable[[str, str], None]


def test_every_form_of_change_as_a_person_reads_it(golden: Golden) -> None:
    golden("plan.txt", render_plan(samples.FULL, colour=False))


def test_colour_adds_escapes_and_nothing_else(golden: Golden) -> None:
    coloured = render_plan(samples.FULL, colour=True)
    golden("plan-colour.txt", coloured)
    for code in ("0", "1", "2", "31", "32", "33", "34"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == render_plan(samples.FULL, colour=False)


def operation(verb: Verb) -> Operation:
    return Operation(verb=verb, reason="because", steps=())


def plan_of(*changes: tuple[Action, tuple[Verb, ...]]) -> Plan:
    return replace(
        samples.EMPTY,
        changes=tuple(
            Change(address=Address(f"Key/k{index}"), action=action, operations=tuple(map(operation, verbs)))
            for index, (action, verbs) in enumerate(changes)
        ),
    )


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (samples.EMPTY, "No changes. Everything is as declared."),
        (plan_of((Action.CREATE, (Verb.CREATE,))), "Plan: 1 to create, 0 to update, 0 to destroy."),
        (
            plan_of(
                *((Action.CREATE, (Verb.CREATE,)),) * 3,
                (Action.UPDATE, (Verb.UPDATE, Verb.SWITCH_KEY, Verb.ROTATE)),
            ),
            "Plan: 3 to create, 1 to update, 0 to destroy; 2 operations: 1 rotate, 1 switch-key.",
        ),
        (
            plan_of(
                (Action.REPLACE, (Verb.REPLACE,)), (Action.IMPORT, (Verb.IMPORT,)), (Action.FORGET, (Verb.FORGET,))
            ),
            "Plan: 0 to create, 0 to update, 1 to replace, 0 to destroy, 1 to import, 1 to forget.",
        ),
        (
            replace(samples.EMPTY, drift=(samples.DISABLED,)),
            "No changes. 1 drift finding that apply would leave as found.",
        ),
        (
            replace(samples.EMPTY, drift=(samples.DISABLED,), warnings=(samples.WARNING,)),
            "No changes. 1 drift finding that apply would leave as found, and 1 warning.",
        ),
        (
            replace(samples.EMPTY, warnings=(samples.WARNING,), due=samples.DUE),
            "No changes. 1 warning, of what apply does not change.",
        ),
        (replace(samples.EMPTY, due=samples.DUE), "No changes. Apply does what is due, and nothing else."),
        (
            samples.RETAINED_ONLY,
            "No changes. Everything is as declared; retained objects stay until `state rm` forgets them.",
        ),
    ],
)
def test_the_last_line_counts_what_would_happen(plan: Plan, line: str) -> None:
    assert plan_line(plan) == line
    assert render_plan(plan, colour=False).endswith(f"{line}\n")


def test_an_empty_plan_is_its_last_line() -> None:
    assert render_plan(samples.EMPTY, colour=False) == "No changes. Everything is as declared.\n"


def test_a_block_without_operations_is_not_a_plan_without_changes() -> None:
    blocked = Change(
        address=Address("Cluster/sales"),
        action=Action.NOOP,
        blocked=(
            Block(guard="owned-root", reason="it would silently move to the owned key", way_out=("write owned: true",)),
        ),
    )
    text = render_plan(replace(samples.EMPTY, changes=(blocked,)), colour=False)
    assert "No changes" not in text
    assert "owned-root" in text
    assert "1. write owned: true" in text


def test_what_takes_protection_away_stands_first() -> None:
    lines = render_plan(samples.FULL, colour=False).split("\n")
    assert lines[0] == "This plan takes protection away:"
    assert "Key/orders: schedule-deletion" in lines[1]


def test_what_is_due_is_no_change_and_what_cannot_be_undone_stands_first_of_it() -> None:
    due = replace(samples.EMPTY, due=samples.DUE)
    assert not due.has_changes
    assert due.summary() == samples.EMPTY.summary()
    lines = render_plan(due, colour=False).split("\n")
    assert lines[0] == "Due now; apply does it beside the plan:"
    assert [line[:4] for line in lines[1:4]] == ["  ! ", "  - ", "  - "]
    assert "deadline 2026-01-05 07:00 UTC; cannot be undone" in lines[1]
    assert "(Cluster/sales at warehouse-eu; due since 2026-01-05 08:00 UTC)" in lines[2]
    ahead = render_plan(replace(due, selection={"at": "2026-01-05T09:00:00+00:00"}), colour=False)
    assert ahead.startswith("Due by 2026-01-05 09:00 UTC; an apply then does it beside its plan:")


def test_a_way_out_that_a_warning_or_a_block_tells_in_full_is_told_once() -> None:
    finding = replace(samples.DISABLED, fix="Enable it.")
    warning = Diagnostic(code="w", severity="warning", summary="It is lost. Enable it.", address=finding.address)
    blocked = Change(
        address=finding.address,
        action=Action.NOOP,
        blocked=(Block(guard="g", reason="it is lost", way_out=("Enable it.",)),),
    )
    plain = replace(samples.EMPTY, drift=(finding,))
    assert render_plan(plain, colour=False).count("Enable it.") == 1
    for told in (replace(plain, warnings=(warning,)), replace(plain, changes=(blocked,))):
        text = render_plan(told, colour=False)
        assert text.count("Enable it.") == 1
        assert "fix: told in full below" in text
    elsewhere = replace(warning, address=Address("Key/other"))
    assert render_plan(replace(plain, warnings=(elsewhere,)), colour=False).count("Enable it.") == 2


def test_the_same_plan_gives_the_same_text() -> None:
    assert render_plan(samples.FULL, colour=False) == render_plan(samples.FULL, colour=False)


def diff_text(before: object, after: object) -> str:
    entry = DiffEntry(path="spec.x", before=before, after=after)
    change = Change(address=Address("Key/k"), action=Action.UPDATE, diff=(entry,))
    return render_plan(replace(samples.EMPTY, changes=(change,)), colour=False)


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("a", "b", '~ spec.x: "a" → "b"'),
        (None, "b", '+ spec.x: "b"'),
        ("a", None, '- spec.x: "a"'),
        (1, 2, "~ spec.x: 1 → 2"),
        (True, False, "~ spec.x: true → false"),
        ("1", 1, '~ spec.x: "1" → 1'),
        ("a", KNOWN_AFTER_APPLY, '~ spec.x: "a" → (known after apply)'),
        (None, {"id": KNOWN_AFTER_APPLY}, '+ spec.x: {"id": (known after apply)}'),
        (["b", "a"], [], '~ spec.x: ["b", "a"] → []'),
        ({"b": 1, "a": 2}, {}, '~ spec.x: {"a": 2, "b": 1} → {}'),
        ("a" * 200 + "b", "a" * 200 + "c", f'~ spec.x: "…{"a" * 16}b" → "…{"a" * 16}c"'),
        ("x", "y" * 200, f'~ spec.x: "x" → "{"y" * 72}…"'),
    ],
)
def test_a_short_difference_stands_on_one_line(before: object, after: object, line: str) -> None:
    assert f"    {line}\n" in diff_text(before, after)


def test_a_policy_shows_the_lines_that_differ_and_not_its_spelling() -> None:
    before = samples.policy("kms:Decrypt")
    spelled = json.dumps(dict(reversed(json.loads(before).items())), indent=7)
    assert "written differently, the same in meaning" in diff_text(before, spelled)
    text = diff_text(before, samples.policy("kms:Encrypt"))
    assert '-       "Action": ["kms:Decrypt"],\n' in text
    assert '+       "Action": ["kms:Encrypt"],\n' in text
    assert '"Sid": "use"' in text
    assert "2012-10-17" not in text


def test_a_long_document_is_shortened_and_says_so() -> None:
    text = diff_text(None, {f"key-{index:03}": index for index in range(300)})
    assert "… 262 more lines; --format json shows all" in text
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 200, '{"a": '])
def test_a_string_that_only_begins_like_json_is_text(text: str) -> None:
    assert "spec.x" in diff_text(text, text + "x")


def test_ten_thousand_changes_are_written_in_half_a_second() -> None:
    plan = samples.large_plan(10_000)
    best = min(_seconds(plan) for _ in range(3))
    assert best < 0.5


def _seconds(plan: Plan) -> float:
    start = time.process_time()
    render_plan(plan, colour=False)
    return time.process_time() - start


def test_writing_an_empty_plan_imports_nothing_heavy() -> None:
    code = "import sys, reconciler.views.plan_text, reconciler.views.plan_json; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "reconciler.views.plan_text" in loaded
    assert not loaded & {"rich", "pydantic", "networkx", "yaml", "cryptography", "difflib", "typer"}
