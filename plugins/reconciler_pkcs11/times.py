"""Times as the store keeps them: whole microseconds since 1970, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1) // _MICROSECOND
"""A day, as the store counts."""


def microseconds(moment: datetime) -> int:
    """As the store keeps it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(kept: int) -> datetime:
    """What the store kept."""
    return _EPOCH + timedelta(microseconds=kept)
