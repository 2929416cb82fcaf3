"""The ways out of the guards that refuse a change of what cannot be changed: each is gone, and the guard lets go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.planning.test_ways_out import ABROAD, BY_ONE, DW, KEY, KMS, LOOSE, OWNED, Story, cluster, says
from tests.world import World, document, provider

OPEN = (
    '{Statement: [{Sid: Account, Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:root"}, Action: "kms:*", '
    'Resource: "*"}]}'
)
TWO = document("Key", "two", lifecycle=LOOSE)


def policy(name: str, key: str) -> str:
    return document("KeyPolicy", name, key=key, document=OPEN)


def a_policy_that_is_to_move(story: Story) -> None:
    story.applied(KMS, KEY, TWO, policy("p", "one"))
    block = story.refused("policy-moves", KMS, KEY, TWO, policy("p", "two"))
    says(block, "Declare a KeyPolicy of another name", "Remove KeyPolicy/p")
    story.applied(KMS, KEY, TWO, policy("p", "one"), policy("q", "two"))
    story.applied(KMS, KEY, TWO, policy("q", "two"))


def an_alias_that_is_to_be_called_otherwise(story: Story) -> None:
    story.applied(KMS, KEY, document("Alias", "a", key="one"))
    block = story.refused("alias-rename", KMS, KEY, document("Alias", "a", key="one", externalName="b"))
    says(block, "renamedFrom: a", "second Alias")
    story.applied(KMS, KEY, document("Alias", "b", key="one", externalName="b", renamedFrom="a"))
    assert story.standing("Alias/a") is None


def an_alias_beside_the_old_one(story: Story) -> None:
    first, second = document("Alias", "a", key="one"), document("Alias", "b", key="one")
    story.applied(KMS, KEY, first)
    story.refused("alias-rename", KMS, KEY, document("Alias", "a", key="one", externalName="b"))
    story.applied(KMS, KEY, first, second)
    story.applied(KMS, KEY, second)
    assert (story.standing("Alias/a"), story.standing("Alias/b")) == (None, "managed")


def an_object_that_is_to_move_between_providers(story: Story) -> None:
    both = KMS + provider("other", region="us-east-1")
    story.applied(both, KEY)
    moved = document("Key", "one", provider="other", lifecycle=LOOSE)
    says(story.refused("provider-change", both, moved), "Name Provider/kms again", "of another name")
    story.applied(both, KEY, document("Key", "two", provider="other"))


def a_copy_grant_that_is_in_use(story: Story) -> None:
    places = KMS + DW + ABROAD + document("Key", "far", provider="kms-us") + document("Key", "off", provider="kms-us")

    def grant(name: str, key: str) -> str:
        return document("SnapshotCopyGrant", name, provider="dw-us", key=key, lifecycle=LOOSE)

    def copying(through: str) -> str:
        return document("SnapshotCopy", "c", provider="dw", cluster="c", to="dw-us", retention="7d", grant=through)

    story.applied(places, KEY, cluster(), grant("g", "far"), copying("g"))
    block = story.refused("copying-through-grant", places, KEY, cluster(), grant("g", "off"), copying("g"))
    says(block, "second SnapshotCopyGrant", "Let the SnapshotCopy name it", "Remove SnapshotCopyGrant/g")
    story.applied(places, KEY, cluster(), grant("g", "far"), grant("h", "off"), copying("h"))
    story.applied(places, KEY, cluster(), grant("h", "off"), copying("h"))
    assert story.standing("SnapshotCopyGrant/g") is None


def a_snapshot_that_is_taken(story: Story) -> None:
    other = cluster().replace("{name: c}", "{name: d}")

    def snapshot(name: str, of: str) -> str:
        return document("Snapshot", name, provider="dw", cluster=of, retention="30d", lifecycle=LOOSE)

    story.applied(KMS, DW, KEY, cluster(), other, snapshot("s", "c"))
    block = story.refused("snapshot-replacement", KMS, DW, KEY, cluster(), other, snapshot("s", "d"))
    says(block, "second Snapshot", "Remove Snapshot/s")
    story.applied(KMS, DW, KEY, cluster(), other, snapshot("s", "c"), snapshot("t", "d"))
    story.applied(KMS, DW, KEY, cluster(), other, snapshot("t", "d"))
    assert story.standing("Snapshot/s") is None


def a_root_that_is_left_out(story: Story) -> None:
    story.applied(KMS, DW, KEY, cluster())
    bare = cluster().replace(f"  encryption: {BY_ONE}\n", "")
    says(story.refused("silent-downgrade", KMS, DW, KEY, bare), "leave it as it is", "owned: true")
    story.applied(KMS, DW, KEY, cluster(OWNED))


def a_cluster_that_must_stay_encrypted(story: Story) -> None:
    def labelled(text: str) -> str:
        return text.replace("metadata: {name: c}", "metadata: {name: c, labels: {data-class: pci}}")

    story.applied(KMS, DW, KEY, labelled(cluster()))
    off = "{enabled: false}"
    says(story.refused("data-class", KMS, DW, KEY, labelled(cluster(off))), "owned: true")
    story.applied(KMS, DW, KEY, labelled(cluster(off, waiver="OPS-112")))


STORIES: dict[str, Callable[[Story], None]] = {
    name: story
    for name, story in list(globals().items())
    if callable(story) and name.startswith(("a_", "an_")) and name != "annotations"
}


@pytest.mark.parametrize("name", STORIES)
def test_the_way_out_that_is_printed_ends_with_nothing_to_do(name: str, tmp_path: Path) -> None:
    story = Story(World(tmp_path / "project"))
    STORIES[name](story)
    plan = story.world.plan()
    assert not plan.is_blocked
    assert not plan.has_changes
