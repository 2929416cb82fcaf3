"""What every warehouse that ``RemembersManifests`` must do (I16): inherit it, give it a ``world``."""

from __future__ import annotations

from typing import cast

import pytest

from reconciler.providers.data import ManifestMark, Root
from reconciler.providers.warehouse import RemembersManifests
from reconciler.testing.warehouse_contract import (
    OWNED,
    UNENCRYPTED,
    WarehouseWorld,
    create,
    csv,
    described,
    load,
    means,
    rotate,
)


class ManifestsContract:
    """The promises of ``RemembersManifests``, and of ``ClusterDescription.manifest``."""

    @pytest.fixture(params=[UNENCRYPTED, OWNED], ids=["plain", "sealed"])
    def root(self, request: pytest.FixtureRequest) -> Root:
        """Above the cluster."""
        return cast(Root, request.param)

    def test_it_says_that_it_does(self, world: WarehouseWorld) -> None:
        assert isinstance(world.warehouse, RemembersManifests)

    def test_each_change_of_its_data_brings_it_further_and_a_look_does_not(
        self, world: WarehouseWorld, root: Root
    ) -> None:
        marks = _written(world, root)
        assert [one.version for one in marks] == sorted({one.version for one in marks})
        assert len({one.tag for one in marks}) == len(marks)
        means(world)
        assert described(world).manifest == marks[-1]

    def test_its_earlier_tags_are_remembered_under_its_uid(self, world: WarehouseWorld, root: Root) -> None:
        marks, uid = _written(world, root), described(world).uid
        warehouse = cast(RemembersManifests, world.warehouse)
        for mark in marks:
            assert warehouse.manifest_tags({uid: mark.version}) == {uid: mark.tag}
        assert warehouse.manifest_tags({uid: marks[-1].version + 1, "absent": 1}) == {}

    def test_a_change_of_its_keys_brings_it_further_too(self, world: WarehouseWorld) -> None:
        before = _written(world, OWNED)[-1]
        after = rotate(world).manifest
        assert after is not None
        assert before.is_behind(after)
        assert not after.is_behind(before)


def _written(world: WarehouseWorld, root: Root) -> list[ManifestMark]:
    """The marks of a cluster after each of a few changes."""
    marks = [create(world, root).manifest]
    for table in ("flights", "more", "others"):
        load(world, csv(world), table=table)
        marks.append(described(world).manifest)
    assert None not in marks
    return [one for one in marks if one is not None]
