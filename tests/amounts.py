"""How much of a programme is run: what fits beside every change, or the campaign's figures (``make campaign``)."""

from __future__ import annotations

from hypothesis import settings


def is_campaign() -> bool:
    """Whether the profile ``campaign`` of hypothesis is in force."""
    return settings().max_examples > 1_000


def amount(ci: int, campaign: int) -> int:
    """The one or the other."""
    return campaign if is_campaign() else ci
