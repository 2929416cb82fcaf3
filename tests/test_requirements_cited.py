"""Code and tests cite the requirement that they serve; a requirement in scope that nothing cites is noticed here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCOPE = ROOT / "tests" / "requirements_in_scope.txt"
CITATION = re.compile(r"\b(PS|KM|RE|SC|HS|RO|DA|KS|AU)(\d{1,2})(?:(?:–|-|\.\.)(?:\1)?(\d{1,2}))?\b")


def cited(text: str) -> set[str]:
    """Every requirement that the text names; ``RE3-RE7`` (or with a dash) names five."""
    found = set()
    for group, first, last in CITATION.findall(text):
        found |= {f"{group}{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def sources() -> Iterable[Path]:
    for folder in ("reconciler", "plugins", "tests"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if path != Path(__file__).resolve())


def test_each_requirement_in_scope_is_cited_by_code_or_test() -> None:
    scope = cited("\n".join(line for line in SCOPE.read_text().splitlines() if not line.startswith("#")))
    named = set[str]().union(*(cited(path.read_text("utf-8")) for path in sources()))

    assert len(scope) > 30
    assert sorted(scope - named) == []


def test_citations_are_read_singly_and_as_ranges() -> None:
    assert cited("(RE9, KS5) and RE3–RE5; SC1-2; not ARE9, RE123 or re4") == {
        *("RE9", "KS5", "RE3", "RE4", "RE5", "SC1", "SC2")
    }
