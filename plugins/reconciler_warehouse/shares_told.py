"""What is said of data shares: from the catalogue alone, no key is asked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from reconciler.errors import DamagedStore
from reconciler.providers.warehouse import DataShareDescription
from reconciler_warehouse.names import data_share_arn
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import INACCESSIBLE


def described(site: Site, names: Collection[str] | None) -> list[DataShareDescription]:
    """All shares, or those of these names, ordered by name. Asks no key."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT d.uid, d.name, d.created_at, p.uid, p.name, c.name, p.status, c.status
               FROM data_share d JOIN cluster p ON p.uid = d.producer JOIN cluster c ON c.uid = d.consumer
               ORDER BY d.name"""
        ).fetchall()
        tables: dict[str, list[str]] = {}
        for share, table in catalogue.execute(
            "SELECT s.share, t.name FROM data_share_table s JOIN data_table t ON t.uid = s.data_table ORDER BY t.name"
        ):
            tables.setdefault(share, []).append(table)
    return [
        DataShareDescription(
            name=row[1],
            arn=data_share_arn(site.region, site.account, row[3], row[1]),
            uid=row[0],
            producer=row[4],
            consumer=row[5],
            tables=tuple(tables.get(row[0], ())),
            status="UNAVAILABLE" if INACCESSIBLE in row[6:8] else "ACTIVE",
            created_at=_moment(site, row[2]),
        )
        for row in rows
        if names is None or row[1] in names
    ]


def _moment(site: Site, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise DamagedStore(
            f"The catalogue at {site.catalogue.path} has a time of a data share that nothing here writes",
            suggestion="Nothing was touched. Restore the warehouse's folder from a backup.",
        ) from None
