"""What ``show`` says of one resource: how its provider describes it now, and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened to a resource, as its provider told of it."""

    at: datetime
    category: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """``facts`` are JSON values by camelCase name, for programs; ``lines`` the same as labels and words, for people.
    ``events`` are the newest first."""

    facts: Mapping[str, Any]
    lines: tuple[tuple[str, str], ...]
    events: tuple[Happening, ...] = ()
