"""What counts as done of a cluster that is adopted: nothing is written again because it is imported (CONTRACT 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.providers.data import Root, RootKind
from reconciler.resources.cluster.root import reencrypted_under
from reconciler.resources.cluster.spec import ClusterSpec


def as_done(spec: ClusterSpec, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The re-encryption that its manifest asks for, and the snapshot that it names as what it was made of."""
    done: dict[str, Any] = {}
    encryption = spec.encryption
    if encryption is not None and encryption.reencrypt and attributes.get("root") is not None:
        root = Root(
            kind=RootKind(attributes["root"]),
            key_arn=attributes.get("key_arn"),
            partition=attributes.get("partition"),
        )
        done["reencrypted"] = reencrypted_under(root, encryption.rotation.trigger)
    if spec.restore_from is not None:
        done["restored_from"] = str(spec.restore_from)
    return done
