"""A statement's answer as table and CSV."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from reconciler.providers.data import QueryResult
from reconciler.views.result_csv import render_result_csv
from reconciler.views.result_table import render_result_table

ANSWER = QueryResult(
    columns=("carrier", "flights", "mean_delay", "first", "late"),
    rows=[
        ("EV", 54173, Decimal("15.80"), date(2013, 1, 1), True),
        ("東京", 1, None, None, False),
        (None, -20, Decimal("-3.5"), date(2013, 12, 31), None),
        ('a "b", c\nd', 0, Decimal("1E+3"), None, None),
    ],
)


def test_an_answer_as_a_person_and_a_spreadsheet_read_it(golden: Callable[[str, str], None]) -> None:
    golden("result.txt", render_result_table(ANSWER))
    golden("result.csv", render_result_csv(ANSWER))


def test_an_answer_without_rows_keeps_its_columns() -> None:
    nothing = QueryResult(columns=("a", "b"), rows=[])
    assert render_result_table(nothing) == "a | b\n--+--\n(0 rows)\n"
    assert render_result_csv(nothing) == "a,b\n"
