"""Who is asked for what, in which order, and what a policy that denies does (KS3–KS5, KM6, AU2, AU3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, InvalidRequestException, ReconcilerError
from reconciler.testing.table_contract import TableWorld, ada, grants_of, make, request
from reconciler_softkms import SoftKms
from reconciler_tables.tests.worlds import ACCOUNT, ADMIN, REGION, USER, opened_world

SERVICE = f"cassandra.{REGION}.amazonaws.com"
LEAD = Caller(principal=USER, account=ACCOUNT)
CONTEXT = {
    "aws:cassandra:keyspaceName": "shop",
    "aws:cassandra:tableName": "orders",
    "aws:cassandra:subscriberId": ACCOUNT,
}
NEEDED = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"]


def policy(actions: list[str] | None = None, *more: dict[str, Any]) -> dict[str, Any]:
    """The references' policy for tables (KS4), with an administrator beside it."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ADMIN}, "Action": "kms:*", "Resource": "*"},
            {
                "Sid": "Use through the table service, for the named user only",
                "Effect": "Allow",
                "Principal": {"AWS": USER},
                "Action": NEEDED if actions is None else actions,
                "Resource": "*",
                "Condition": {"StringLike": {"kms:ViaService": "cassandra.*.amazonaws.com"}},
            },
            *more,
        ],
    }


@pytest.fixture
def world(folder: Path) -> Iterator[TableWorld]:
    with opened_world(folder, policy(), LEAD) as world:
        yield world


def events(world: TableWorld, key: str) -> list[dict[str, Any]]:
    return [
        event
        for _, event in cast(SoftKms, world.keys).audit_events()
        if [resource["ARN"] for resource in event["resources"]] == [key] and event["eventName"] != "CreateKey"
    ]


def said(event: dict[str, Any]) -> tuple[str, str | None]:
    return event["eventName"], event["userIdentity"].get("arn", event["userIdentity"]["type"])


def test_a_tables_life_is_recorded_in_order_with_who_asked(world: TableWorld) -> None:
    make(world, world.key)
    ada(world)
    world.tables.delete_table(LEAD, "shop", "orders")
    found = events(world, world.key)
    assert [said(event) for event in found] == [
        ("DescribeKey", USER),
        ("CreateGrant", USER),
        ("GenerateDataKey", "AWSService"),
        ("Decrypt", "AWSService"),  # read back before use (I2)
        ("Decrypt", "AWSService"),  # rows put
        ("Decrypt", "AWSService"),  # rows read
        ("RetireGrant", "AWSService"),
    ]
    assert {event["userIdentity"]["invokedBy"] for event in found} == {"AWS Internal"}
    assert not [event for event in found if "errorCode" in event]
    granted, generated, opened = found[1], found[2], found[3]
    assert granted["requestParameters"]["constraints"] == {"encryptionContextSubset": CONTEXT}
    assert granted["requestParameters"]["granteePrincipal"] == SERVICE
    assert granted["requestParameters"]["retiringPrincipal"] == SERVICE
    assert generated["requestParameters"]["encryptionContext"] == CONTEXT
    assert opened["requestParameters"]["encryptionContext"] == CONTEXT


def test_a_change_of_key_is_recorded_on_both_keys(world: TableWorld) -> None:
    make(world, world.key)
    before = len(events(world, world.key))
    world.tables.update_table_encryption(LEAD, "shop", "orders", world.other_key, token="t")
    assert [said(event) for event in events(world, world.other_key)][:2] == [
        ("DescribeKey", USER),
        ("CreateGrant", USER),
    ]
    assert [said(event) for event in events(world, world.key)][before:][-1] == ("RetireGrant", "AWSService")
    names = [event["eventName"] for _, event in cast(SoftKms, world.keys).audit_events()]
    assert names[-5:] == ["DescribeKey", "CreateGrant", "ReEncrypt", "Decrypt", "RetireGrant"]


def test_the_owned_key_asks_nothing_of_the_user(world: TableWorld) -> None:
    seen = len(list(cast(SoftKms, world.keys).audit_events()))
    make(world)
    ada(world)
    later = list(cast(SoftKms, world.keys).audit_events())[seen:]
    assert later
    assert {event["userIdentity"]["type"] for _, event in later} == {"AWSService"}


def test_the_user_cannot_use_the_key_directly(world: TableWorld) -> None:
    with pytest.raises(AccessDeniedException):
        world.keys.encrypt(LEAD, world.key, b"x", CONTEXT)
    make(world, world.key)


def test_the_service_works_from_the_grant_when_its_creator_is_gone(world: TableWorld) -> None:
    """KS5: not from the creator's standing rights."""
    make(world, world.key)
    without_the_user = {**policy(), "Statement": policy()["Statement"][:1]}
    administrator = Caller(principal=ADMIN, account=ACCOUNT)
    cast(SoftKms, world.keys).put_key_policy(administrator, world.key, without_the_user)
    assert len(ada(world)) == 4


def deny(action: str, principal: dict[str, str]) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": principal, "Action": action, "Resource": "*"}


BY_SERVICE = {"Service": "cassandra.amazonaws.com"}
DENIED: dict[str, tuple[dict[str, Any], str]] = {
    "DescribeKey is not allowed": (policy(["kms:CreateGrant"]), "may not kms:DescribeKey"),
    "CreateGrant is not allowed": (policy(["kms:DescribeKey"]), "may not kms:CreateGrant"),
    "CreateGrant is denied": (policy(None, deny("kms:CreateGrant", {"AWS": USER})), "may not kms:CreateGrant"),
    "GenerateDataKey is denied": (
        policy(None, deny("kms:GenerateDataKey", {"AWS": "*"})),
        f"{SERVICE} may not kms:GenerateDataKey",
    ),
    "Decrypt is denied": (policy(None, deny("kms:Decrypt", {"AWS": "*"})), f"{SERVICE} may not kms:Decrypt"),
}


@pytest.mark.parametrize(("document", "cause"), DENIED.values(), ids=DENIED.keys())
def test_a_denied_action_is_named_and_nothing_is_left(folder: Path, document: dict[str, Any], cause: str) -> None:
    with opened_world(folder, document, LEAD) as world:
        world.tables.create_keyspace(LEAD, "shop", replication="SINGLE_REGION", token="k")
        with pytest.raises(InvalidRequestException, match=cause) as caught:
            world.tables.create_table(LEAD, request(key=world.key), token="t")
        assert f"Table shop.orders cannot use the key {world.key}" in caught.value.summary
        assert caught.value.suggestion
        assert world.tables.describe_tables(LEAD) == []
        administrator = Caller(principal=ADMIN, account=ACCOUNT)
        assert world.keys.list_grants(administrator, world.key) == []
        assert [event["eventName"] for event in events(world, world.key)].count("CreateGrant") <= 1
        assert isinstance(world.keys, SoftKms)
        world.keys.put_key_policy(administrator, world.key, policy())
        world.tables.create_table(LEAD, request(key=world.key), token="t")


@pytest.mark.parametrize(("denied_on", "action"), [("key", "kms:ReEncryptFrom"), ("other_key", "kms:ReEncryptTo")])
def test_a_re_encryption_that_is_denied_leaves_the_table_as_it_is(folder: Path, denied_on: str, action: str) -> None:
    with opened_world(folder, policy(), LEAD) as world:
        administrator = Caller(principal=ADMIN, account=ACCOUNT)
        made = make(world, world.key)
        key = getattr(world, denied_on)
        cast(SoftKms, world.keys).put_key_policy(administrator, key, policy(None, deny(action, {"AWS": "*"})))
        with pytest.raises(InvalidRequestException, match=action):
            world.tables.update_table_encryption(LEAD, "shop", "orders", world.other_key, token="t")
        (found,) = world.tables.describe_tables(LEAD)
        assert (found.key_arn, found.grant_id, found.status) == (world.key, made.grant_id, "ACTIVE")
        assert world.keys.list_grants(administrator, world.other_key) == []
        assert len(ada(world)) == 4


def test_a_reviewer_can_revoke_and_never_use(folder: Path) -> None:
    reviewer = Caller(principal=f"arn:aws:iam::{ACCOUNT}:role/db-team", account=ACCOUNT)
    reviewing = {
        "Effect": "Allow",
        "Principal": {"AWS": reviewer.principal},
        "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
        "Resource": "*",
    }
    with opened_world(folder, policy(None, reviewing), LEAD) as world:
        made = make(world, world.key)
        (grant,) = world.keys.list_grants(reviewer, world.key)
        assert grant.grant_id == made.grant_id
        world.keys.revoke_grant(reviewer, world.key, grant.grant_id)
        with pytest.raises(ReconcilerError, match="may not kms:Decrypt"):
            ada(world)
        with pytest.raises(InvalidRequestException, match="may not kms:CreateGrant"):
            world.tables.update_table_encryption(reviewer, "shop", "orders", world.key, token="t")
        world.tables.update_table_encryption(LEAD, "shop", "orders", world.key, token="t")
        assert len(ada(world)) == 4
        assert grants_of(world=_as(world, reviewer), key=world.key)


def _as(world: TableWorld, caller: Caller) -> TableWorld:
    return TableWorld(
        tables=world.tables,
        keys=world.keys,
        user=caller,
        stranger=world.stranger,
        key=world.key,
        other_key=world.other_key,
    )
