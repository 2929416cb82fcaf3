"""Findings that somebody accepts, for a reason and for a time (`drift --allow FILE`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from reconciler.errors import Diagnostic
from reconciler.model.drift import Allowance
from reconciler.model.plan import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """``open`` findings count for the exit code; ``allowed`` ones are shown with the line that allows them."""

    open: tuple[Finding, ...]
    allowed: tuple[tuple[Finding, Allowance], ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def judge(found: Sequence[Finding], allowances: Sequence[Allowance], now: datetime) -> Judged:
    """Which findings are allowed today (UTC; ``until`` is the last day). Lines that are over, or that fit nothing, are
    warnings: an allow file is to say what is, not what was."""
    today = now.date()
    valid = [one for one in allowances if one.until is None or one.until >= today]
    allowed = [(finding, line) for finding in found if (line := _line_for(finding, valid)) is not None]
    accepted = {id(finding) for finding, _ in allowed}
    return Judged(
        open=tuple(finding for finding in found if id(finding) not in accepted),
        allowed=tuple(allowed),
        warnings=tuple(_warnings(found, allowances, now)),
    )


def _line_for(finding: Finding, allowances: Sequence[Allowance]) -> Allowance | None:
    return next((one for one in allowances if _fits(finding, one)), None)


def _fits(finding: Finding, one: Allowance) -> bool:
    return (
        one.drift_class == finding.drift_class
        and fnmatchcase(finding.address, one.address)
        and (one.path is None or fnmatchcase(finding.path, one.path))
    )


def _warnings(found: Sequence[Finding], allowances: Sequence[Allowance], now: datetime) -> Iterator[Diagnostic]:
    for one in allowances:
        what = f"{one.drift_class} of {one.address}"
        if one.until is not None and one.until < now.date():
            summary = f"{what} was allowed until {one.until}, and counts again"
            suggestion = "Set right what is found, or agree on another date and write that."
            code = "allowance-over"
        elif not any(_fits(finding, one) for finding in found):
            summary, code = f"{what} is allowed, and there is no such finding", "allowance-unused"
            suggestion = "Take the line away: it would hide the next one."
        else:
            continue
        file, _, line = one.place.rpartition(":")
        yield Diagnostic(
            code=code, severity="warning", summary=summary, file=file, line=int(line), suggestion=suggestion
        )
