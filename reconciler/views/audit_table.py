"""Audit events for people: a line each, what was refused in red, with what decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.views.ink import Ink
from reconciler.views.safe_text import clean

_WIDTHS: Final = (20, 35, 36, 36)  # GenerateDataKeyPairWithoutPlaintext is the longest, an id of a key has 36
_HEADER: Final = ("TIME", "EVENT", "WHO", "KEY", "DECIDED BY")


def header(*, colour: bool) -> str:
    """The names of the columns."""
    return Ink(colour=colour).bold(_line(_HEADER)) + "\n"


def row(event: Mapping[str, Any], *, colour: bool) -> str:
    """One event; a refusal has its words on a line of their own."""
    ink = Ink(colour=colour)
    keys = " ".join(resource["ARN"].rsplit("/", 1)[-1] for resource in event["resources"])
    cells = (event["eventTime"], event["eventName"], who(event["userIdentity"]), keys or "-", _decided(event))
    line = _line(tuple(clean(str(cell)) for cell in cells))
    if "errorCode" not in event:
        return line + "\n"
    words = clean(f"    {event['errorCode']}: {event['errorMessage']}")
    return ink.red(line) + "\n" + ink.dim(words) + "\n"


def who(identity: Mapping[str, Any]) -> str:
    """Who asked, and whether through a service."""
    name = str(identity.get("arn") or f"service ({identity.get('invokedBy')})")
    via = " via service" if "arn" in identity and "invokedBy" in identity else ""
    return name.rsplit(":", 1)[-1] + via


def _decided(event: Mapping[str, Any]) -> str:
    words = []
    for decision in (event.get("additionalEventData") or {}).get("decisions", ()):
        by = decision.get("statement") or str(decision.get("grantId", ""))[:12]
        words.append(f"{decision['source']}{f' {by}' if by else ''}")
    return ", ".join(words) or "-"


def _line(cells: tuple[str, ...]) -> str:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(_WIDTHS) :]]).rstrip()
