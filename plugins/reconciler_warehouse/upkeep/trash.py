"""Segments that nothing refers to any more and that are still to be removed; and those among them that this config
cannot remove, since they may lie on an object store that it names no longer."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from reconciler.errors import HostError
from reconciler_warehouse.site import Site


def unreferenced(catalogue: sqlite3.Connection) -> dict[str, int]:
    """Files in the trash, with their epochs. One that a segment or snapshot refers to is never removed, whatever put it
    there."""
    rows = catalogue.execute(
        """SELECT file, epoch FROM trash t WHERE NOT EXISTS (SELECT 1 FROM segment WHERE file = t.file)
           AND NOT EXISTS (SELECT 1 FROM past_segment WHERE file = t.file)"""
    )
    return dict(rows.fetchall())


def in_reach(site: Site, names: Collection[str]) -> list[str]:
    """Those of ``names`` that can be removed: the others keep their rows, for whoever has them in reach again."""
    if not names:
        return []
    beyond = site.segments.out_of_reach(names)
    return [name for name in names if name not in beyond]


def require_in_reach(site: Site) -> None:
    """HostError while something in the trash is out of reach."""
    for refusal in _refusals(site):
        raise refusal


def told(site: Site) -> list[str]:
    """The same as sentences, for whoever applies."""
    return [f"{one.summary}. {one.suggestion}" for one in _refusals(site)]


def _refusals(site: Site) -> list[HostError]:
    former = site.segments.others()
    if not former:
        return []
    with site.catalogue.read() as catalogue:
        names = {} if catalogue is None else unreferenced(catalogue)
    count = len(site.segments.out_of_reach(names)) if names else 0
    if not count:
        return []
    what = "1 segment that nothing refers to" if count == 1 else f"{count:,} segments that nothing refers to"
    return [
        HostError(
            f"{what} may still lie on {' or '.join(former)}, which the config of Provider {site.provider_name} names "
            "no longer",
            suggestion="Put `segments` back and apply: what lies there is removed. When nothing is left there, remove "
            f"{' and '.join(str(path) for path in former.values())}.",
        )
    ]
