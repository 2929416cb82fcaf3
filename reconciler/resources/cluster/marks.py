"""How far clusters were seen to have come, against how far they are (I16)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.providers.data import ClusterDescription, ManifestMark
from reconciler.providers.warehouse import RemembersManifests


class RecordedMark(NamedTuple):
    """How far the cluster of that uid was seen to have come."""

    uid: str
    mark: ManifestMark


def recorded_mark(observed: str | None) -> RecordedMark | None:
    """The mark in what was recorded of a cluster, as canonical JSON; None where there is none."""
    if observed is None:
        return None
    loaded = json.loads(observed)
    mark = loaded.get("manifest")
    return None if mark is None else RecordedMark(loaded["uid"], ManifestMark(version=mark["version"], tag=mark["tag"]))


def older_copies(
    warehouse: object, known: Mapping[Address, RecordedMark], found: Mapping[Address, ClusterDescription]
) -> set[Address]:
    """Which of the clusters that were found are older copies of what is known of them, or went on from one (I16)."""
    marks = {
        address: (one.mark, there.manifest)
        for address, one in known.items()
        if (there := found.get(address)) is not None and there.uid == one.uid and there.manifest is not None
    }
    older = {address for address, (mark, now) in marks.items() if now.is_behind(mark)}
    passed = {known[address].uid: mark for address, (mark, now) in marks.items() if now.version > mark.version}
    if passed and isinstance(warehouse, RemembersManifests):
        tags = warehouse.manifest_tags({uid: mark.version for uid, mark in passed.items()})
        forked = {uid for uid, mark in passed.items() if tags.get(uid, mark.tag) != mark.tag}
        older.update(address for address, one in known.items() if one.uid in forked)
    return older
