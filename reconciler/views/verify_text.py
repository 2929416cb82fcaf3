"""What verify found, for people: a line a subject with what was counted, then failures with what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from reconciler.providers.proofs import Check, Proof, Result
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean

WORDS = {
    Result.PROVED: "proved",
    Result.UNPROTECTED: "NOT protected as declared",
    Result.UNCHECKED: "could not be checked",
}
_MOST_SHOWN = 10


def render_proofs(proofs: Sequence[Proof], *, colour: bool) -> str:
    """A line a subject, the failures below their subject, and a line that counts."""
    ink = Ink(colour=colour)
    lines = [line for proof in proofs for line in _proof_lines(proof, ink)]
    return "\n".join([*lines, "", ink.bold(proof_line(proofs))]) + "\n"


def proof_line(proofs: Sequence[Proof]) -> str:
    """``Proved: 12 of 13. Not protected as declared: Table/orders.``"""
    results = Counter(proof.result for proof in proofs)
    line = f"Proved: {results[Result.PROVED]:,} of {len(proofs):,}."
    for result, words in ((Result.UNPROTECTED, "Not protected as declared"), (Result.UNCHECKED, "Not checked")):
        named = [clean(proof.subject) for proof in proofs if proof.result is result]
        if named:
            more = f" and {len(named) - _MOST_SHOWN:,} more" if len(named) > _MOST_SHOWN else ""
            line += f" {words}: {', '.join(named[:_MOST_SHOWN])}{more}."
    return line


def counts(checks: Iterable[Check]) -> dict[str, int]:
    """How many of each thing held, in the order of the checks."""
    found: dict[str, int] = {}
    for check in checks:
        if check.result is Result.PROVED:
            found[check.what] = found.get(check.what, 0) + check.count
    return found


def failures(proof: Proof) -> list[Check]:
    """The checks that did not hold, what is not protected first."""
    wrong = [check for check in proof.checks if check.result is not Result.PROVED]
    return sorted(wrong, key=lambda check: check.result is not Result.UNPROTECTED)


def _proof_lines(proof: Proof, ink: Ink) -> list[str]:
    paint = {Result.PROVED: ink.green, Result.UNPROTECTED: ink.red, Result.UNCHECKED: ink.yellow}[proof.result]
    held = ", ".join(f"{clean(what)} {count:,}" for what, count in counts(proof.checks).items() if count)
    lines = [f"  {ink.bold(clean(proof.subject))} {paint(WORDS[proof.result])}{f': {held}' if held else ''}"]
    wrong = failures(proof)
    for check in wrong[:_MOST_SHOWN]:
        lines.append(f"      {paint(clean(check.failure or check.what))}")
        if check.fix:
            lines.append(f"      fix: {clean(check.fix)}")
    if len(wrong) > _MOST_SHOWN:
        lines.append(
            f"      and {count_text(len(wrong) - _MOST_SHOWN, 'failure')} more of this subject (--format json)"
        )
    return lines
