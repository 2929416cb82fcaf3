"""What a person reads of a problem: what, where, why, what next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.errors import Diagnostic
from reconciler.views.diagnostics_text import diagnostics_line, render_diagnostic, render_diagnostics
from tests.views import sample_plans as samples

DANGLING = Diagnostic(
    code="unknown-reference",
    summary="Table/orders refers to Key/ordes, which no manifest declares",
    detail="Keys declared here:\n  Key/orders\n  Key/analytics",
    file="manifests/tables.yaml",
    line=7,
    column=10,
    path="spec.key",
    suggestion="Did you mean Key/orders?",
    address="Table/orders",
)
SOURCE = {("manifests/tables.yaml", 7): "    key: ordes\n", ("reconciler.yaml", 3): "home: .reconciler"}


def read(file: str, line: int) -> str | None:
    return SOURCE.get((file, line))


def test_problems_as_a_person_reads_them(golden: Callable[[str, str], None]) -> None:
    foreign = Diagnostic(
        code="AccessDeniedException", summary="no statement allows it", address="Key/k", path="spec.key"
    )
    golden("diagnostics.txt", render_diagnostics([DANGLING, samples.WARNING, foreign], colour=False, source=read))


def caret_under(text: str, column: int) -> str:
    """What stands above the caret when the problem is at ``column`` of the source line ``text``."""
    shown = render_diagnostic(replace(DANGLING, column=column), colour=False, source=lambda file, line: text)
    lines = shown.split("\n")
    index = next(index for index, line in enumerate(lines) if line.rstrip().endswith("^"))
    return lines[index - 1][lines[index].index("^") :]


@pytest.mark.parametrize(
    ("text", "column", "above"),
    [
        ("key: ordes", 6, "ordes"),
        ("key: ordes", 1, "key: ordes"),
        ("\tkey: ordes", 7, "ordes"),
        ("key: \x1b[31mordes", 6, "\\u001b[31mordes"),
        ("x" * 500 + "ordes" + "y" * 500, 501, "ordes"),
        ("key: ordes\r\n", 6, "ordes"),
    ],
)
def test_the_caret_stands_under_the_column(text: str, column: int, above: str) -> None:
    assert caret_under(text, column).startswith(above)


def test_a_tab_is_shown_as_the_spaces_that_it_stands_for() -> None:
    assert "7 |     key: ordes\n" in render_diagnostic(DANGLING, colour=False, source=lambda file, line: "\tkey: ordes")


def test_the_caret_allows_for_wide_characters() -> None:
    # Six columns for three wide characters, although they are three characters in the line above.
    shown = render_diagnostic(replace(DANGLING, column=4), colour=False, source=lambda file, line: "東京都x")
    assert "\n    | " + " " * 6 + "^\n" in shown


@pytest.mark.parametrize("column", [999, None])
def test_a_column_past_the_line_or_none_is_no_failure(column: int | None) -> None:
    diagnostic = replace(DANGLING, column=column)
    assert "key: ordes" in render_diagnostic(diagnostic, colour=False, source=read)


def test_a_line_that_cannot_be_read_is_left_out() -> None:
    assert " | " not in render_diagnostic(DANGLING, colour=False, source=lambda file, line: None)
    assert " | " not in render_diagnostic(DANGLING, colour=False)


@pytest.mark.parametrize(
    ("diagnostics", "line"),
    [
        ([], "No problems."),
        ([DANGLING], "1 error."),
        ([samples.WARNING], "1 warning."),
        ([DANGLING, DANGLING, samples.WARNING], "2 errors, 1 warning."),
    ],
)
def test_problems_are_counted(diagnostics: list[Diagnostic], line: str) -> None:
    assert diagnostics_line(diagnostics) == line


def test_nothing_to_say_is_no_text() -> None:
    assert render_diagnostics([], colour=False) == ""
