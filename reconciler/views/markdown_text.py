"""Text from outside inside Markdown: always in a code span or a fence, so that it can neither format, link nor call
anybody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reconciler.views.safe_text import clean

_TICKS = re.compile("`+")


def code_span(text: str) -> str:
    """``text`` as it is, in a span that no backtick in it ends; safe in a table cell too."""
    inner = clean(text).replace("|", "\\|")
    ticks = "`" * (_longest_run(inner) + 1)
    pad = " " if inner[:1] in ("`", "") or inner[-1:] == "`" else ""
    return f"{ticks}{pad}{inner}{pad}{ticks}"


def fence(lines: Sequence[str], language: str = "") -> list[str]:
    """The lines in a block that no line of theirs ends."""
    ticks = "`" * max(3, max((_longest_run(line) for line in lines), default=0) + 1)
    return [f"{ticks}{language}", *lines, ticks]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table; cells are Markdown already."""
    return [_row(header), _row(["---"] * len(header)), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _longest_run(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)
