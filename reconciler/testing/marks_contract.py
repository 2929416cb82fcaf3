"""What every key service that keeps marks must do (``KeepsMarks``, I16): inherit ``KeepsMarksContract``, give it a
``provider`` and ``reopened``, which answers the same service as another process would open it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.providers.marks import KeepsMarks, Mark

LINEAGE = "3f1c2a7e-0000-4000-8000-000000000001"


def mark(token: int, serial: int, head: str = "") -> Mark:
    """A mark in a line."""
    return Mark(token=token, serial=serial, head=head)


class KeepsMarksContract:
    """``KeepsMarks``."""

    def test_it_keeps_marks(self, provider: Any) -> None:
        assert isinstance(provider, KeepsMarks)

    def test_there_is_no_mark_before_the_first(self, provider: Any) -> None:
        assert provider.mark(LINEAGE) is None

    def test_what_was_raised_is_there_for_whoever_opens_it_next(
        self, provider: Any, reopened: Callable[[], Any]
    ) -> None:
        provider.raise_mark(LINEAGE, mark(3, 17, "ab12"))
        assert provider.mark(LINEAGE) == mark(3, 17, "ab12")
        provider.close()
        assert reopened().mark(LINEAGE) == mark(3, 17, "ab12")

    @pytest.mark.parametrize(
        ("raised", "stands"),
        [
            (mark(5, 41), mark(5, 41)),
            (mark(5, 40, "cd"), mark(5, 40, "cd")),
            (mark(5, 40), mark(5, 40)),
            (mark(6, 40), mark(6, 40)),
            (mark(6, 2), mark(6, 2)),
            (mark(5, 39, "cd"), mark(5, 40, "ab")),
            (mark(4, 40, "cd"), mark(5, 40, "ab")),
            (mark(4, 99), mark(5, 40, "ab")),
            (mark(0, 0), mark(5, 40, "ab")),
        ],
        ids=str,
    )
    def test_marks_only_rise(self, provider: Any, raised: Mark, stands: Mark) -> None:
        provider.raise_mark(LINEAGE, mark(5, 40, "ab"))
        for _ in range(2):
            provider.raise_mark(LINEAGE, raised)
            assert provider.mark(LINEAGE) == stands

    def test_each_lineage_has_its_own(self, provider: Any) -> None:
        provider.raise_mark(LINEAGE, mark(5, 40))
        provider.raise_mark("another", mark(1, 1))
        assert (provider.mark(LINEAGE), provider.mark("another")) == (mark(5, 40), mark(1, 1))
        assert provider.mark("a third") is None

    def test_breaking_glass_puts_any_mark(self, provider: Any, reopened: Callable[[], Any]) -> None:
        provider.raise_mark(LINEAGE, mark(5, 40, "ab"))
        provider.reset_mark(LINEAGE, mark(5, 3, "ef"))
        provider.close()
        again = reopened()
        assert again.mark(LINEAGE) == mark(5, 3, "ef")
        again.raise_mark(LINEAGE, mark(5, 4))
        assert again.mark(LINEAGE) == mark(5, 4)
