"""Certificates of the trusted connection to an HSM that end soon (HS1): when that is told, and in which words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

SOON: Final = timedelta(days=30)
"""How long before its end a certificate is told of."""


def is_soon(ends: datetime | None, now: datetime) -> bool:
    """Whether it ends soon, or is over."""
    return ends is not None and ends - now <= SOON


def when(ends: datetime, now: datetime) -> str:
    """``expires on …``, or ``expired on …``."""
    return f"{'expired' if ends <= now else 'expires'} on {ends:%Y-%m-%d}"


def told_at(ends: datetime | None) -> float | None:
    """From which epoch second on it is told of (``ResourceKind.due_at``)."""
    return None if ends is None else (ends - SOON).timestamp()
