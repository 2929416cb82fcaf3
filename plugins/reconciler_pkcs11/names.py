"""ARNs, and the labels of what is ours in a token.

Labels say whose a key object is; who it is says its id (CKA_ID) and proves its canary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MARKER: Final = "reconciler/marker/"
CLUSTER: Final = "reconciler/cluster/"
KEY: Final = "reconciler/key/"
ENABLED: Final = "enabled"
DISABLED: Final = "disabled"
_OF_A_CLUSTER: Final = re.compile(r"reconciler/cluster/([0-9a-f]{32})")
_OF_A_KEY: Final = re.compile(r"reconciler/key/[0-9a-f-]{36}/[1-9][0-9]{0,8}/(enabled|disabled)")
_ID: Final = re.compile(r"[0-9a-f]{32}")


def marker_label(uid: str) -> str:
    """Label of the key that tells that a partition is the one that was adopted."""
    return MARKER + uid


def cluster_label(key_id: str) -> str:
    """Label of a cluster key."""
    return CLUSTER + key_id


def version_label(key_id: str, number: int, *, enabled: bool) -> str:
    """Label of one version of a ``Key``."""
    return f"{KEY}{key_id}/{number}/{ENABLED if enabled else DISABLED}"


def is_enabled(label: str) -> bool:
    """Whether a version's label says that it may be used."""
    return label.endswith(f"/{ENABLED}")


def holds_key(label: str) -> bool:
    """Whether it is the label of a cluster key or a key's version: what should be recorded somewhere."""
    return bool(_OF_A_CLUSTER.fullmatch(label) or _OF_A_KEY.fullmatch(label))


def is_id(text: str) -> bool:
    """Whether it can be the id of an object in a token: 32 hex digits."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Names:
    """ARNs of one account and Region."""

    account: str
    region: str

    def key_arn(self, key_id: str) -> str:
        """ARN of a ``Key``."""
        return f"arn:aws:kms:{self.region}:{self.account}:key/{key_id}"

    def partition_arn(self, name: str) -> str:
        """ARN of a partition's configuration (HS5)."""
        return f"arn:aws:redshift:{self.region}:{self.account}:hsmconfiguration:{name}"

    def certificate_arn(self, name: str) -> str:
        """ARN of a client certificate (HS4)."""
        return f"arn:aws:redshift:{self.region}:{self.account}:hsmclientcertificate:{name}"
