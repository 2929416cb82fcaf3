"""Public names: ARNs, the service principal, encryption contexts (RE5, SC2)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

SERVICE: Final = "redshift.amazonaws.com"
ARN_PAIR: Final = "aws:redshift:arn"
CREATED_PAIR: Final = "aws:redshift:createtime"
COPY_GRANT_PAIR: Final = "aws:redshift:snapshotcopygrant"
DEK_PAIR: Final = "reconciler:dek"


def cluster_arn(region: str, account: str, name: str) -> str:
    """ARN of a cluster."""
    return f"arn:aws:redshift:{region}:{account}:cluster:{name}"


def snapshot_arn(region: str, account: str, cluster: str, name: str) -> str:
    """ARN of a snapshot or of a copy."""
    return f"arn:aws:redshift:{region}:{account}:snapshot:{cluster}/{name}"


def data_share_arn(region: str, account: str, producer: str, name: str) -> str:
    """ARN of a data share; ``producer`` is the uid of the cluster whose tables it has."""
    return f"arn:aws:redshift:{region}:{account}:datashare:{producer}/{name}"


def copy_grant_arn(region: str, account: str, name: str) -> str:
    """ARN of a snapshot copy grant."""
    return f"arn:aws:redshift:{region}:{account}:snapshotcopygrant:{name}"


def create_time(moment: datetime) -> str:
    """``20250815T0000Z``: when a cluster's creation was requested, as the encryption context spells it."""
    return moment.strftime("%Y%m%dT%H%MZ")


def cluster_context(region: str, account: str, name: str, created_at: datetime) -> dict[str, str]:
    """The encryption context of a cluster's CEK (RE5)."""
    return {ARN_PAIR: cluster_arn(region, account, name), CREATED_PAIR: create_time(created_at)}


def escrow_context(region: str, cluster: str) -> dict[str, str]:
    """What the grant on an escrow key is narrowed to; each wrap adds its DEK (``DEK_PAIR``). Uids, never names: a
    rename wraps nothing anew."""
    return {"reconciler:purpose": "escrow", "reconciler:cluster": cluster, "reconciler:region": region}


def automated_name(cluster: str, moment: datetime) -> str:
    """How an automated snapshot is called."""
    return f"rs:{cluster}-{moment:%Y-%m-%d-%H-%M-%S}"


def backup_name(cluster: str, uid: str) -> str:
    """How the sealed backup of a cluster is called whose root key is lost (RE8): at each loss the same, so that whoever
    saw one of them knows what is left after the last."""
    return f"{cluster}-inaccessible-{uid[:8]}"
