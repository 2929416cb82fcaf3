"""A Provider that something was made through, and that no manifest declares any more."""

from __future__ import annotations

from reconciler.errors import ProviderUnavailable


def not_declared(name: str) -> ProviderUnavailable:
    """The error of asking for it."""
    return ProviderUnavailable(
        f"No manifest declares Provider/{name}, through which recorded resources were made",
        suggestion=f"Put Provider/{name} back: what it made cannot be reached without it.",
        address=f"Provider/{name}",
    )
