"""How a cluster copies its snapshots: to where, through which copy grant, under which root there (SC2).

It decides under which key copies come to stand, so the row of an encrypted cluster carries a MAC keyed from the
cluster's DEK: a row that somebody else changed sends nothing under another key (I9). It is made anew in the commit that
gives the cluster another DEK. A cluster without encryption has no such key, so what its row says moves no sealed
snapshot.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore
from reconciler.providers.data import Root
from reconciler_warehouse.stored_values import root_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySetting:
    """``root`` is what the destination had under ``grant`` (None: its owned key) when copying was switched on, at
    ``since`` (ISO 8601). ``provider`` names the destination among the providers of the project, None: it told no
    name, so that snapshots are copied there by a command only."""

    region: str
    grant: str | None
    retention_days: int
    root: Root
    provider: str | None
    since: str


def put(
    catalogue: sqlite3.Connection, cluster: str, setting: CopySetting, dek: str | None, deks: Mapping[str, DataKey]
) -> None:
    """Switch copying on, or to something else; vouched for by the cluster's key ``dek``."""
    proof = None if dek is None else _proof(deks[dek], cluster, setting)
    catalogue.execute(
        """INSERT OR REPLACE INTO snapshot_copy
               (cluster, region, grant_name, retention_days, root_kind, root_arn, provider, since, proof)
           VALUES (?,?,?,?,?,?,?,?,?)""",
        (
            *(cluster, setting.region, setting.grant, setting.retention_days),
            *(str(setting.root.kind), setting.root.key_arn, setting.provider, setting.since, proof),
        ),
    )


def checked(catalogue: sqlite3.Connection, cluster: str, name: str, deks: Mapping[str, DataKey]) -> CopySetting | None:
    """What was switched on here; None when nothing was. DamagedStore for a row that none of the cluster's ``deks``
    vouches for; a cluster without any is believed."""
    found = _row(catalogue, cluster)
    if found is None:
        return None
    setting, proof = found
    if deks and not any(hmac.compare_digest(_proof(key, cluster, setting), proof or b"") for key in deks.values()):
        raise DamagedStore(
            f"How cluster {name} copies its snapshots is not what was switched on here: the catalogue was changed "
            "outside",
            suggestion="Nothing was copied. Switch copying off, then on again, naming the copy grant.",
        )
    return setting


def vouch_anew(
    catalogue: sqlite3.Connection, cluster: str, name: str, *, before: str | None, dek: str, deks: Mapping[str, DataKey]
) -> None:
    """In the commit that gives the cluster the key ``dek`` after ``before`` (None: it had none). DamagedStore."""
    setting = checked(catalogue, cluster, name, {} if before is None else deks)
    if setting is not None:
        put(catalogue, cluster, setting, dek, deks)


def _row(catalogue: sqlite3.Connection, cluster: str) -> tuple[CopySetting, bytes | None] | None:
    row = catalogue.execute(
        """SELECT region, grant_name, retention_days, root_kind, root_arn, provider, since, proof FROM snapshot_copy
           WHERE cluster = ?""",
        (cluster,),
    ).fetchone()
    if row is None:
        return None
    region, grant, days, kind, key_arn, provider, since, proof = row
    root = Root(kind=root_kind(kind), key_arn=key_arn)
    setting = CopySetting(region=region, grant=grant, retention_days=days, root=root, provider=provider, since=since)
    return setting, proof


def _proof(key: DataKey, cluster: str, setting: CopySetting) -> bytes:
    with DataKey(HmacSha256(key).tag("reconciler/copy-setting-key/v1", b"")) as derived:
        root = setting.root
        message = encode(
            *(cluster, setting.region, setting.grant, setting.retention_days, str(root.kind), root.key_arn),
            *(setting.provider, setting.since),
        )
        return HmacSha256(derived).tag("reconciler/copy-setting/v1", message)
