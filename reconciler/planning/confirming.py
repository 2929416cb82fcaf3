"""Rows that are proved by nothing (``state reseal``): what the providers confirm of them, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.model.recorded import Recorded, Standing
from reconciler.planning.refresh import refresh
from reconciler.resources import registry


def confirm(rows: Iterable[Recorded], services: Services) -> tuple[list[Recorded], list[Address]]:
    """The rows whose object is there, with nothing kept but who they are, and the addresses of all others.

    What was declared, observed and protected is not believed: the row is unsettled, so the next plan compares the
    object with its manifest from the start. ProviderUnavailable: not to be reached is no denial."""
    confirmed: list[Recorded] = []
    others: list[Address] = []
    for row in rows:
        if row.address.kind in registry.kind_names() and row.identity is not None and _is_there(row, services):
            confirmed.append(_believed(row))
        else:
            others.append(row.address)
    return confirmed, others


def _is_there(row: Recorded, services: Services) -> bool:
    try:
        return refresh([row], services)[row.address] is not None
    except (KeyError, TypeError, ValueError):  # attributes that no step of its kind ever left
        return False


def _believed(row: Recorded) -> Recorded:
    return replace(
        row,
        spec=None,
        digest=None,
        observed=None,
        links="",
        due_at=None,
        settled=False,
        protected=registry.kind(row.address.kind).protected,
        standing=Standing.MANAGED,
    )
