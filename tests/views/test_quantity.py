"""Numbers as people read them."""

from __future__ import annotations

import doctest

import pytest

from reconciler.views import quantity
from reconciler.views.quantity import bytes_text, count_text, seconds_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1_610_612_736, "1.5 GiB"),
        (1024**7, "1,024.0 EiB"),
    ],
)
def test_a_size_has_one_decimal_and_the_unit_that_fits(count: int, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (0.1, "0.1 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (75.2, "1 min 15 s"),
        (3599.9, "1 h"),
        (7380, "2 h 3 min"),
    ],
)
def test_a_duration_is_as_exact_as_it_is_long(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_a_noun_follows_its_number() -> None:
    assert count_text(1, "row") == "1 row"
    assert count_text(336776, "row") == "336,776 rows"
    assert count_text(2, "change is", "changes are") == "2 changes are"


def test_the_examples_in_the_docstrings_are_true() -> None:
    results = doctest.testmod(quantity)
    assert results.attempted == 3
    assert results.failed == 0
