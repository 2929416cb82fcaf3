"""What the key service sees of a switch of root, in order (DESIGN 3): nothing rests on a key that was not tried."""

from __future__ import annotations

from reconciler_warehouse.tests.worlds import World, silent


def test_the_new_root_is_granted_and_tried_before_anything_is_made_under_it(world: World) -> None:
    first, second = world.key("k1"), world.key("k2")
    world.create(first)
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    last = max(serial for serial, _ in world.keys().audit_events())
    world.warehouse().modify_encryption(world.caller, "sales", second, progress=silent, token="switch")
    seen = [
        event["eventName"]
        for _, event in world.keys().audit_events(after=last)
        if any(one["ARN"] == second.key_arn for one in event["resources"])
    ]
    made = seen.index("GenerateDataKey")
    granted = seen.index("CreateGrant")
    assert seen[granted + 1 : made] == ["Encrypt", "Decrypt"]  # the canary, there and back
    assert seen[made + 1] == "Decrypt"  # the new cluster key, opened before it is used
    assert "ReEncrypt" in seen[made:]  # the snapshot's
    assert [grant.name for grant in world.keys().list_grants(world.caller, str(first.key_arn))] == []
