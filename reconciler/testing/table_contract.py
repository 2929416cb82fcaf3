"""What every TableProvider must do: inherit ``TableContract``, give it a ``world``, and meet the same tests as ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    AlreadyExistsException,
    ConflictException,
    InvalidRequestException,
    ReconcilerError,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.data import CountsKeyUses
from reconciler.providers.keys import IssuesGrants, KeyProvider, KeyRequest
from reconciler.providers.tables import (
    ClusteringColumn,
    Column,
    TableDescription,
    TableProvider,
    TableRequest,
    TableSchema,
)


class KeysWithGrants(KeyProvider, IssuesGrants, Protocol):
    """The key service that the tables under test use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWorld:
    """A table service beside its key service, both new. ``user`` may do everything with ``key`` and ``other_key``
    (ARNs, enabled, symmetric); ``stranger`` may do nothing with them."""

    tables: TableProvider
    keys: KeysWithGrants
    user: Caller
    stranger: Caller
    key: str
    other_key: str


ORDERS = TableSchema(
    columns=(
        Column(name="customer", type="text"),
        Column(name="placed", type="timestamp"),
        Column(name="id", type="int"),
        Column(name="total", type="decimal"),
        Column(name="paid", type="boolean"),
        Column(name="note", type="text"),
        Column(name="tier", type="text"),
    ),
    partition_key=("customer",),
    clustering_key=(ClusteringColumn(name="placed", order="DESC"), ClusteringColumn(name="id")),
    static=("tier",),
)
ROWS: list[dict[str, Any]] = [
    {
        "customer": "ada",
        "placed": datetime(2026, 1, day, tzinfo=UTC),
        "id": number,
        "total": Decimal("12.50"),
        "paid": number % 2 == 0,
        "note": f"order {day}/{number}",
    }
    for day, number in [(2, 1), (3, 2), (3, 1), (1, 1)]
]


def request(name: str = "orders", key: str | None = None, schema: TableSchema = ORDERS) -> TableRequest:
    """A table in keyspace ``shop``."""
    return TableRequest(keyspace="shop", name=name, schema=schema, key_arn=key)


def make(world: TableWorld, key: str | None = None, name: str = "orders") -> TableDescription:
    """A table with four rows, in keyspace ``shop``."""
    if not world.tables.describe_keyspaces(world.user, ["shop"]):
        world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="keyspace shop")
    made = world.tables.create_table(world.user, request(name, key), token=f"table {name}")
    world.tables.put_rows(world.user, "shop", name, ROWS)
    return made


def ada(world: TableWorld, name: str = "orders") -> list[dict[str, Any]]:
    """The rows of customer ada."""
    return world.tables.get_rows(world.user, "shop", name, {"customer": "ada"})


def described(world: TableWorld, name: str = "orders") -> TableDescription:
    """The table as its service describes it."""
    (found,) = world.tables.describe_tables(world.user, [("shop", name)])
    return found


def grants_of(world: TableWorld, key: str) -> list[str]:
    """Ids of the grants on a key."""
    return [grant.grant_id for grant in world.keys.list_grants(world.user, key)]


class TableContract:
    """The suite. A subclass gives the fixture ``world``."""

    @pytest.fixture
    def world(self) -> TableWorld:
        """A new world each time."""
        raise NotImplementedError("a subclass gives the world")

    # --- keyspaces ---------------------------------------------------------------------------------------------------

    def test_a_keyspace_is_made_once_and_described(self, world: TableWorld) -> None:
        for _ in range(2):
            made = world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="t1")
        assert made.arn == f"arn:aws:cassandra:{world.tables.region}:{world.tables.account}:/keyspace/shop/"
        with pytest.raises(AlreadyExistsException):
            world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="t2")
        world.tables.create_keyspace(world.user, "archive", replication="SINGLE_REGION", token="t3")
        assert [found.name for found in world.tables.describe_keyspaces(world.user)] == ["archive", "shop"]
        assert world.tables.describe_keyspaces(world.user, ["shop", "absent"]) == [made]

    def test_a_keyspace_goes_only_when_it_is_empty(self, world: TableWorld) -> None:
        make(world)
        with pytest.raises(ConflictException, match="orders"):
            world.tables.delete_keyspace(world.user, "shop")
        world.tables.delete_table(world.user, "shop", "orders")
        for _ in range(2):
            world.tables.delete_keyspace(world.user, "shop")
        assert world.tables.describe_keyspaces(world.user) == []

    @pytest.mark.parametrize("name", ["", "_a", "a-b", "a.b", "é", "x" * 49, "a b", "../a"])
    def test_names_outside_the_public_form_are_refused(self, world: TableWorld, name: str) -> None:
        with pytest.raises(ValidationException):
            world.tables.create_keyspace(world.user, name, replication="SINGLE_REGION", token="t")
        world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="keyspace")
        with pytest.raises(ValidationException):
            world.tables.create_table(world.user, request(name), token="t")

    @pytest.mark.parametrize("name", ["a", "9", "Orders_2", "x" * 48])
    def test_names_of_the_public_form_are_taken(self, world: TableWorld, name: str) -> None:
        make(world, name=name)
        assert len(ada(world, name)) == 4

    # --- making tables -----------------------------------------------------------------------------------------------

    def test_nothing_is_there_at_first(self, world: TableWorld) -> None:
        assert world.tables.describe_tables(world.user) == []
        assert world.tables.describe_keyspaces(world.user) == []
        assert world.tables.find_table(world.user, token="t") is None
        world.tables.delete_table(world.user, "shop", "orders")
        world.tables.delete_keyspace(world.user, "shop")

    def test_a_table_under_the_owned_key_needs_no_grant(self, world: TableWorld) -> None:
        made = make(world)
        assert (made.key_arn, made.grant_id, made.status) == (None, None, "ACTIVE")
        assert made.arn.endswith(":/keyspace/shop/table/orders")
        assert made.schema == ORDERS
        assert len(ada(world)) == 4

    def test_a_table_under_a_customer_key_has_a_grant_of_its_own(self, world: TableWorld) -> None:
        first, second = make(world, world.key), make(world, world.key, "returns")
        assert first.key_arn == world.key
        assert first.table_key_id != second.table_key_id
        grants = {grant.grant_id: grant for grant in world.keys.list_grants(world.user, world.key)}
        assert {first.grant_id, second.grant_id} == set(grants)
        service = f"cassandra.{world.tables.region}.amazonaws.com"
        for made in (first, second):
            assert made.grant_id is not None
            grant = grants[made.grant_id]
            assert (grant.grantee_principal, grant.retiring_principal) == (service, service)
            assert sorted(grant.operations) == [
                *("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"),
                "RetireGrant",
            ]
            assert grant.context_subset == {
                "aws:cassandra:keyspaceName": "shop",
                "aws:cassandra:tableName": made.name,
                "aws:cassandra:subscriberId": world.tables.account,
            }

    def test_the_same_token_makes_one_table(self, world: TableWorld) -> None:
        made = make(world, world.key)
        assert world.tables.create_table(world.user, request(key=world.key), token="table orders").uid == made.uid
        found = world.tables.find_table(world.user, token="table orders")
        assert found is not None
        assert found.uid == made.uid
        assert world.tables.find_table(world.user, token="another") is None
        assert grants_of(world, world.key) == [made.grant_id]
        with pytest.raises(AlreadyExistsException, match=r"shop\.orders exists"):
            world.tables.create_table(world.user, request(key=world.key), token="another")
        with pytest.raises(ConflictException):
            world.tables.create_table(world.user, request("renamed"), token="table orders")

    def test_a_table_needs_its_keyspace(self, world: TableWorld) -> None:
        with pytest.raises(ResourceNotFoundException, match='keyspace "shop"'):
            world.tables.create_table(world.user, request(), token="t")

    def test_tables_are_described_in_order_and_by_name(self, world: TableWorld) -> None:
        for name in ("b", "a", "c"):
            make(world, name=name)
        assert [table.name for table in world.tables.describe_tables(world.user)] == ["a", "b", "c"]
        assert [t.name for t in world.tables.describe_tables(world.user, [("shop", "c"), ("shop", "x")])] == ["c"]
        assert described(world, "a").rows == 4
        assert described(world, "a").bytes > 0

    # --- keys that a table cannot have (KS3, KS7) --------------------------------------------------------------------

    def refused(self, world: TableWorld, key: str, cause: str, caller: Caller | None = None) -> None:
        """Both ways to name a key refuse it with the cause, and leave nothing behind."""
        make(world, name="other")
        with pytest.raises(InvalidRequestException, match=cause):
            world.tables.create_table(caller or world.user, request(key=key), token="t")
        with pytest.raises(InvalidRequestException, match=cause):
            world.tables.update_table_encryption(caller or world.user, "shop", "other", key, token="u")
        assert [table.name for table in world.tables.describe_tables(world.user)] == ["other"]
        assert described(world, "other").key_arn is None
        assert len(ada(world, "other")) == 4
        world.tables.create_table(world.user, request(), token="t2")  # the name is free

    def test_a_key_that_does_not_exist(self, world: TableWorld) -> None:
        absent = world.key.rsplit("/", 1)[0] + "/00000000-0000-4000-8000-000000000000"
        self.refused(world, absent, "it does not exist")

    def test_a_key_that_is_no_arn(self, world: TableWorld) -> None:
        self.refused(world, "alias/orders", "not the ARN of a key")

    def test_a_key_of_another_region(self, world: TableWorld) -> None:
        self.refused(world, world.key.replace(world.tables.region, "sa-east-1"), "it is in Region sa-east-1")

    def test_a_key_of_another_account(self, world: TableWorld) -> None:
        self.refused(world, world.key.replace(world.tables.account, "999999999999"), "belongs to account 999999999999")

    def test_a_key_that_is_disabled(self, world: TableWorld) -> None:
        world.keys.disable_key(world.user, world.key)
        self.refused(world, world.key, "it is disabled")

    def test_a_key_that_is_pending_deletion(self, world: TableWorld) -> None:
        world.keys.schedule_key_deletion(world.user, world.key, waiting_days=7)
        self.refused(world, world.key, "it is pending deletion")

    @pytest.mark.parametrize(("spec", "usage"), [("RSA_2048", "ENCRYPT_DECRYPT"), ("HMAC_256", "GENERATE_VERIFY_MAC")])
    def test_a_key_of_another_kind(self, world: TableWorld, spec: str, usage: str) -> None:
        try:
            made = world.keys.create_key(world.user, KeyRequest(key_spec=spec, key_usage=usage), token="other kind")
        except ReconcilerError:
            pytest.skip(f"this key service has no {spec} keys")
        self.refused(world, made.arn, f"it is {spec} for {usage}")

    def test_a_principal_that_may_not_use_the_key(self, world: TableWorld) -> None:
        self.refused(world, world.key, "may not kms:DescribeKey", world.stranger)
        assert grants_of(world, world.key) == []

    # --- another key (KS2) -------------------------------------------------------------------------------------------

    def test_a_table_changes_its_key_in_every_direction_and_keeps_its_rows(self, world: TableWorld) -> None:
        before = make(world)
        rows = ada(world)
        for step, key in enumerate((world.key, world.other_key, world.key, None, world.other_key, None)):
            for _ in range(2):  # the second time changes nothing
                updated = world.tables.update_table_encryption(world.user, "shop", "orders", key, token=f"step {step}")
            assert updated.key_arn == key
            assert updated.status == "ACTIVE"
            assert updated.table_key_id == before.table_key_id
            for grantable in (world.key, world.other_key):
                assert grants_of(world, grantable) == ([updated.grant_id] if key == grantable else [])
            assert ada(world) == rows
        world.tables.put_rows(world.user, "shop", "orders", ROWS)

    def test_only_tables_that_exist_change_their_key(self, world: TableWorld) -> None:
        with pytest.raises(ResourceNotFoundException):
            world.tables.update_table_encryption(world.user, "shop", "orders", None, token="t")

    # --- losing the key (KS5) ----------------------------------------------------------------------------------------

    def test_a_revoked_grant_stops_the_table_and_giving_it_back_loses_nothing(self, world: TableWorld) -> None:
        made = make(world, world.key)
        rows = ada(world)
        assert made.grant_id is not None
        world.keys.revoke_grant(world.user, world.key, made.grant_id)
        for use in (lambda: ada(world), lambda: world.tables.put_rows(world.user, "shop", "orders", ROWS)):
            with pytest.raises(ReconcilerError, match=r"may not kms:Decrypt") as caught:
                use()
            assert caught.value.code == "AccessDeniedException"
            assert "Nothing is lost" in str(caught.value.suggestion)
        assert described(world).rows == 4
        again = world.tables.update_table_encryption(world.user, "shop", "orders", world.key, token="give it back")
        assert again.grant_id != made.grant_id
        assert ada(world) == rows

    def test_a_disabled_key_stops_the_table_until_it_is_enabled(self, world: TableWorld) -> None:
        make(world, world.key)
        rows = ada(world)
        world.keys.disable_key(world.user, world.key)
        with pytest.raises(InvalidRequestException, match="out of reach"):
            ada(world)
        with pytest.raises(InvalidRequestException, match="cannot go from the key"):
            world.tables.update_table_encryption(world.user, "shop", "orders", world.other_key, token="flee")
        assert grants_of(world, world.other_key) == []
        world.keys.enable_key(world.user, world.key)
        assert ada(world) == rows

    def test_key_uses_name_every_table_under_every_key(self, world: TableWorld) -> None:
        make(world, world.key)
        make(world, world.key, "returns")
        make(world, None, "plain")
        assert isinstance(world.tables, CountsKeyUses)
        uses = [use for use in world.tables.key_uses() if use.key_arn == world.key]
        assert [(use.what, use.name) for use in uses] == [("table", "shop.orders"), ("table", "shop.returns")]
        assert all(use.bytes > 0 for use in uses)
        assert world.tables.key_uses(world.key) == uses
        assert {use.grant_id for use in uses} == set(grants_of(world, world.key))
        world.tables.update_table_encryption(world.user, "shop", "orders", None, token="t")
        world.tables.delete_table(world.user, "shop", "returns")
        assert [use for use in world.tables.key_uses() if use.key_arn == world.key] == []

    # --- dropping ----------------------------------------------------------------------------------------------------

    def test_dropping_a_table_retires_its_grant_and_frees_its_name(self, world: TableWorld) -> None:
        first = make(world, world.key)
        for _ in range(2):
            world.tables.delete_table(world.user, "shop", "orders")
        assert grants_of(world, world.key) == []
        assert world.tables.describe_tables(world.user) == []
        with pytest.raises(ResourceNotFoundException):
            ada(world)
        second = world.tables.create_table(world.user, request(key=world.key), token="second")
        assert (second.uid, second.table_key_id) != (first.uid, first.table_key_id)
        assert ada(world) == []

    def test_a_table_is_dropped_also_when_its_key_is_gone_or_revoked(self, world: TableWorld) -> None:
        made = make(world, world.key)
        assert made.grant_id is not None
        world.keys.revoke_grant(world.user, world.key, made.grant_id)
        world.keys.schedule_key_deletion(world.user, world.key, waiting_days=7)
        world.tables.delete_table(world.user, "shop", "orders")
        assert world.tables.describe_tables(world.user) == []
