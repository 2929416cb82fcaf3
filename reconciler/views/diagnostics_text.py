"""Errors and warnings for people: what, where, why, what next (STYLE habit 11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reconciler.errors import Diagnostic
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean, clean_lines, display_width

ReadLine = Callable[[str, int], str | None]  # file, line from 1; None when it cannot be shown

_WINDOW = 100


def render_diagnostic(diagnostic: Diagnostic, *, colour: bool, source: ReadLine | None = None) -> str:
    """One problem. With ``source`` the line that it is about is shown, and a caret under the column."""
    ink = Ink(colour=colour)
    word = ink.red("Error") if diagnostic.severity == "error" else ink.yellow(clean(diagnostic.severity).capitalize())
    first, *more = clean_lines(diagnostic.summary)
    lines = [f"{word}: {ink.bold(first)}", *_indented(more)]
    where = _where(diagnostic)
    if where:
        lines.append(f"  {ink.dim(where)}")
    lines += _source_lines(diagnostic, source, ink)
    for text in (diagnostic.detail, diagnostic.suggestion):
        if text:
            lines += _indented(clean_lines(text))
    return "\n".join(lines) + "\n"


def render_diagnostics(diagnostics: Sequence[Diagnostic], *, colour: bool, source: ReadLine | None = None) -> str:
    """All problems in their order, a blank line between them, and their count when there is more than one."""
    parts = [render_diagnostic(diagnostic, colour=colour, source=source) for diagnostic in diagnostics]
    if len(parts) > 1:
        parts.append(Ink(colour=colour).bold(diagnostics_line(diagnostics)) + "\n")
    return "\n".join(parts)


def diagnostics_line(diagnostics: Sequence[Diagnostic]) -> str:
    """``2 errors, 1 warning.``"""
    errors = sum(1 for diagnostic in diagnostics if diagnostic.severity == "error")
    counts = {"error": errors, "warning": len(diagnostics) - errors}
    said = [count_text(number, noun) for noun, number in counts.items() if number]
    return f"{', '.join(said) or 'No problems'}."


def _where(diagnostic: Diagnostic) -> str:
    """``on file:line:column (Kind/name spec.path)``, as far as known and not yet said by the summary."""
    address = diagnostic.address if diagnostic.address and diagnostic.address not in diagnostic.summary else None
    field = " ".join(clean(part) for part in (address, diagnostic.path) if part)
    if diagnostic.where:
        return f"on {clean(diagnostic.where)}" + (f" ({field})" if field else "")
    return f"at {field}" if field else ""


def _source_lines(diagnostic: Diagnostic, source: ReadLine | None, ink: Ink) -> list[str]:
    if source is None or diagnostic.file is None or diagnostic.line is None:
        return []
    text = source(diagnostic.file, diagnostic.line)
    if text is None:
        return []
    text = text.rstrip("\r\n")
    column = min(diagnostic.column or 1, len(text) + 1)
    start = max(0, column - _WINDOW // 2) if len(text) > _WINDOW else 0
    before, after = _shown(text[start : column - 1]), _shown(text[column - 1 : start + _WINDOW])
    lead, tail = "…" if start else "", "…" if start + _WINDOW < len(text) else ""
    number = str(diagnostic.line)
    lines = [f"  {ink.dim(f'{number} |')} {lead}{before}{after}{tail}"]
    if diagnostic.column is not None:
        gap = " " * display_width(lead + before)
        lines.append(f"  {ink.dim(' ' * len(number) + ' |')} {gap}{ink.red('^')}")
    return lines


def _shown(text: str) -> str:
    # A tab would shift the caret by as much as the terminal likes.
    return clean(text.replace("\t", "    "))


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}".rstrip() for line in lines]
