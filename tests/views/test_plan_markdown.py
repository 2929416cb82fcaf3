"""What a reviewer reads in a pull request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.views.plan_markdown import render_plan_markdown
from tests.views import sample_plans as samples


def test_a_plan_as_a_reviewer_reads_it(golden: Callable[[str, str], None]) -> None:
    golden("plan.md", render_plan_markdown(samples.FULL))
    golden("plan-empty.md", render_plan_markdown(samples.EMPTY))


def test_much_that_is_due_leaves_room_and_says_how_much_more_there_is() -> None:
    text = render_plan_markdown(replace(samples.large_plan(10_000), due=samples.DUE * 1000))
    assert len(text) < 65_536
    assert "… and 2,950 more" in text
    assert text.count("**cannot be undone:**") == 50


def test_a_large_plan_fits_a_comment_and_says_what_is_missing() -> None:
    text = render_plan_markdown(samples.large_plan(10_000))
    assert len(text) < 65_536
    assert "… and 9,800 more" in text
    assert "more changes do not fit here" in text
    assert text.count("<details>") == text.count("</details>") == 1
