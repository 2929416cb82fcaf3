"""Nobody is locked out by what a plan does, and each refusal has a way out that works (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.errors import BlockedByGuard
from reconciler.model.plan import Plan
from reconciler.providers.typed import caller, issuing_grants
from tests.world import World, document, provider

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
PLATFORM = f"arn:aws:iam::{ACCOUNT}:role/platform"
WAREHOUSE, TABLES = "redshift.amazonaws.com", "cassandra.eu-west-1.amazonaws.com"

PROVIDERS = provider() + provider("dwh", "warehouse") + provider("shop", "tables")
KEYS = document("Key", "main") + document("Key", "other")
OPEN = f'{{Sid: Account, Effect: Allow, Principal: {{AWS: "{ROOT}"}}, Action: "kms:*", Resource: "*"}}'


def policy(*statements: str, key: str = "main") -> str:
    return document(
        "KeyPolicy", key, key=key, document=f'{{Version: "2012-10-17", Statement: [{", ".join(statements)}]}}'
    )


def deny(actions: str, principal: str = '"*"', condition: str = "") -> str:
    narrowed = f", Condition: {condition}" if condition else ""
    return f'{{Sid: No, Effect: Deny, Principal: {principal}, Action: {actions}, Resource: "*"{narrowed}}}'


def cluster(key: str = "main", name: str = "sales") -> str:
    return document(
        "Cluster",
        name,
        provider="dwh",
        nodeType="ra3.large",
        nodes=1,
        database="dev",
        encryption=f"{{key: {key}}}",
    )


def table(key: str = "main") -> str:
    return document("Keyspace", "books", provider="shop") + document(
        "Table",
        "orders",
        provider="shop",
        keyspace="books",
        schema="{columns: [{name: id, type: text}], partitionKey: [id]}",
        encryption=f"{{type: CUSTOMER_MANAGED_KMS_KEY, key: {key}}}",
    )


def grant(grantee: str, operations: str = "[Decrypt]") -> str:
    return document("Grant", "app", key="main", granteePrincipal=grantee, operations=operations)


def told(plan: Plan) -> dict[str, str]:
    """What is blocked, by address, as ``guard: reason``."""
    return {
        str(change.address): "; ".join(f"{block.guard}: {block.reason}" for block in change.blocked)
        for change in plan.changes
        if change.blocked
    }


@dataclass(frozen=True)
class Case:
    """``before`` is applied, ``after`` is planned. ``blocked``: the address and what its refusal must say, or None.
    ``ways_out`` are worlds that are applied one after the other, the last of which is what was wanted."""

    before: str
    after: str
    blocked: tuple[str, str] | None = None
    ways_out: tuple[str, ...] = ()


BASE = KEYS + cluster() + table()
OTHER = KEYS + cluster("other") + table("other")
AUDITOR = (
    f'{{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{ACCOUNT}:role/auditor"}}, Action: "kms:*", Resource: "*"}}'
)
ABROAD = '{Effect: Allow, Principal: {AWS: "arn:aws:iam::444455556666:role/x"}, Action: "kms:*", Resource: "*"}'
NO_WAREHOUSE = deny('"kms:*"', f"{{Service: {WAREHOUSE}}}")
BY_HAND = deny(
    '"kms:*"',
    condition='{StringNotEquals: {"aws:PrincipalType": Service}, ArnNotEquals: {"aws:PrincipalArn": '
    f'"{PLATFORM}"}}}}',
)

CASES = {
    "whoever puts a policy must be able to put another": Case(
        KEYS + policy(OPEN),
        KEYS + policy(AUDITOR),
        ("KeyPolicy/main", "would keep its own author from ever changing the policy of Key/main"),
        (KEYS + policy(AUDITOR, OPEN),),
    ),
    "a policy created with its key may not lock its author out": Case(
        "",
        KEYS + policy(AUDITOR),
        ("KeyPolicy/main", "its own author"),
        (KEYS + policy(OPEN),),
    ),
    "whoever manages a key must be able to look at its policy": Case(
        KEYS + policy(OPEN),
        KEYS + policy(OPEN, deny('"kms:GetKeyPolicy"')),
        ("KeyPolicy/main", "may not GetKeyPolicy"),
        (KEYS + policy(OPEN, deny('"kms:GetKeyRotationStatus"')),),
    ),
    "a Deny on the warehouse service locks a cluster out, whatever its grant says": Case(
        BASE + policy(OPEN),
        BASE + policy(OPEN, NO_WAREHOUSE),
        ("KeyPolicy/main", "cluster sales could not be opened nor have its keys rotated"),
        (OTHER + policy(OPEN), OTHER + policy(OPEN, NO_WAREHOUSE)),
    ),
    "a Deny on the table's context hits the table and not the cluster": Case(
        BASE + policy(OPEN),
        BASE
        + policy(
            OPEN,
            deny(
                '"kms:Decrypt"', condition='{StringEquals: {"kms:EncryptionContext:aws:cassandra:tableName": orders}}'
            ),
        ),
        ("KeyPolicy/main", "table books.orders could not be opened"),
        (
            BASE
            + policy(
                OPEN,
                deny(
                    '"kms:Decrypt"',
                    condition='{StringEquals: {"kms:EncryptionContext:aws:cassandra:tableName": archive}}',
                ),
            ),
        ),
    ),
    "a key that a table cannot leave any more is a lockout too": Case(
        BASE + policy(OPEN),
        BASE + policy(OPEN, deny('"kms:ReEncrypt*"')),
        ("KeyPolicy/main", "table books.orders could not go to another key"),
        (BASE + policy(OPEN, deny('"kms:ReEncrypt*"', f'{{AWS: "{PLATFORM}"}}')),),
    ),
    "the policy that takes its first table from a new key is refused before the table is made": Case(
        "",
        KEYS + table() + policy(OPEN, deny('"kms:GenerateDataKey"')),
        ("KeyPolicy/main", "would keep Table/orders from its change of Key/main in this plan"),
        (KEYS + table() + policy(OPEN, deny('"kms:GenerateDataKeyPair"')),),
    ),
    "a declared grant whose grantee is denied everything is refused with the policy": Case(
        KEYS + policy(OPEN) + grant(f"arn:aws:iam::{ACCOUNT}:role/app"),
        KEYS + policy(OPEN, deny('"kms:Decrypt"')) + grant(f"arn:aws:iam::{ACCOUNT}:role/app"),
        ("KeyPolicy/main", f"Grant/app lets arn:aws:iam::{ACCOUNT}:role/app Decrypt"),
        (KEYS + policy(OPEN), KEYS + policy(OPEN, deny('"kms:Decrypt"'))),
    ),
    "access that rests on a grant survives a policy that names nobody but the author": Case(
        BASE + policy(OPEN),
        BASE + policy(f'{{Effect: Allow, Principal: {{AWS: "{PLATFORM}"}}, Action: "kms:*", Resource: "*"}}'),
    ),
    "a Deny with a condition may spare the way in which a declared grantee calls": Case(
        KEYS + policy(OPEN) + grant(f"arn:aws:iam::{ACCOUNT}:role/app"),
        KEYS
        + policy(OPEN, deny('"kms:Decrypt"', condition=f'{{StringNotEquals: {{"kms:ViaService": {WAREHOUSE}}}}}'))
        + grant(f"arn:aws:iam::{ACCOUNT}:role/app"),
    ),
    "a Deny that spares services is harmless": Case(BASE + policy(OPEN), BASE + policy(OPEN, BY_HAND)),
    "a Deny on encrypting harms nobody: nothing under a key asks for it": Case(
        BASE + policy(OPEN), BASE + policy(OPEN, deny('"kms:Encrypt"'))
    ),
    "the default policy, put back when the manifest goes, harms nobody": Case(BASE + policy(OPEN), BASE),
    "a policy that follows its last dependent to another key is in order": Case(
        BASE + policy(OPEN), OTHER + policy(OPEN, deny('["kms:Encrypt", "kms:GenerateDataKey"]'))
    ),
    "a policy and the cluster that leaves its key may not stand in one plan, if the key is closed first": Case(
        KEYS + cluster() + policy(OPEN), KEYS + cluster("other") + policy(OPEN, NO_WAREHOUSE)
    ),
    "only another account would administer the key": Case(
        KEYS + policy(OPEN),
        KEYS + policy(ABROAD),
        ("KeyPolicy/main", "its own author"),
        (KEYS + policy(ABROAD, OPEN),),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_a_plan_would_lock_out(case: Case, tmp_path: Path) -> None:
    world = World(tmp_path)
    if case.before:
        world.declare(PROVIDERS + case.before)
        world.apply()
    world.declare(PROVIDERS + case.after)
    found = told(world.plan())
    if case.blocked is None:
        assert found == {}
        world.apply()
        assert not world.plan().has_changes
        return
    address, text = case.blocked
    assert list(found) == [address]
    assert text in found[address]
    with pytest.raises(BlockedByGuard):
        world.apply()
    for way in case.ways_out:
        world.declare(PROVIDERS + way)
        world.apply()
        assert not world.plan().has_changes


ELSEWHERE = provider("kms-far", region="eu-central-1") + document("Key", "far", provider="kms-far")
ROOTS = {
    "a key of another Region": (
        ELSEWHERE + cluster("far"),
        "Cluster/sales",
        "unusable-root: Key/far cannot be the root",
    ),
    "a key that is disabled in the same plan": (
        document("Key", "main", enabled="false") + cluster(),
        "Cluster/sales",
        "it is Disabled by then",
    ),
}


@pytest.mark.parametrize(("manifests", "address", "text"), ROOTS.values(), ids=ROOTS.keys())
def test_a_key_that_cannot_be_the_root_is_refused_at_plan(
    manifests: str, address: str, text: str, tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.declare(PROVIDERS + manifests)
    found = told(world.plan())
    assert text in found[address]


def test_whoever_may_not_grant_a_key_is_told_at_plan_and_let_in_by_the_policy(tmp_path: Path) -> None:
    """The warehouse's principal is another than the key's: it needs DescribeKey and CreateGrant through the service."""
    team = f"arn:aws:iam::{ACCOUNT}:role/team"
    providers = PROVIDERS.replace(
        provider("dwh", "warehouse"), provider("dwh", "warehouse").replace("role/platform", "role/team")
    )
    world = World(tmp_path)
    world.declare(providers + KEYS + policy(OPEN) + cluster())
    found = told(world.plan())
    assert (
        f"key-permission: Key/main cannot be used for this: {team} through {WAREHOUSE} may not DescribeKey"
        in (found["Cluster/sales"])
    )
    through = (
        f'{{Effect: Allow, Principal: {{AWS: "{team}"}}, Action: ["kms:DescribeKey", "kms:CreateGrant"], '
        f'Resource: "*", Condition: {{StringEquals: {{"kms:ViaService": {WAREHOUSE}}}}}}}'
    )
    world.declare(providers + KEYS + policy(OPEN, through) + cluster())
    world.apply()
    assert not world.plan().has_changes


def end_own_grants(world: World, service: str) -> None:
    """The grants that a service made for itself end, behind our back."""
    with world.session() as session:
        arn = str(next(row for row in session.reader.all() if row.address == "Key/main").attributes["arn"])
        grants, who = issuing_grants(session, "kms"), caller(session, "kms")
        for one in grants.list_grants(who, arn):
            if one.retiring_principal == service:
                grants.revoke_grant(who, arn, one.grant_id)


RESTING = BASE + policy(OPEN)
SERVICE_MAY = (
    f'{{Effect: Allow, Principal: {{Service: {TABLES}}}, Action: ["kms:Decrypt", "kms:ReEncryptFrom"], Resource: "*"}}'
)


def let_the_policy_allow_it(world: World) -> None:
    world.declare(PROVIDERS + BASE + policy(OPEN, SERVICE_MAY))
    world.apply()


def accept_the_outage(world: World) -> None:
    world.apply(accept_outage=("Grant/app",))


ENDS: dict[str, Callable[[World], None]] = {
    "let the key policy allow it": let_the_policy_allow_it,
    "accept the outage": accept_the_outage,
}


@pytest.mark.parametrize("way_out", ENDS.values(), ids=ENDS.keys())
def test_a_grant_that_a_table_rests_on_does_not_go(way_out: Callable[[World], None], tmp_path: Path) -> None:
    world = World(tmp_path)
    world.declare(PROVIDERS + RESTING + grant(TABLES, "[Decrypt, ReEncryptFrom]"))
    world.apply()
    end_own_grants(world, TABLES)
    world.declare(PROVIDERS + RESTING)
    found = told(world.plan())
    assert list(found) == ["Grant/app"]
    assert "table books.orders could not be opened nor go to another key" in found["Grant/app"]
    way_out(world)


def test_what_did_not_work_before_is_not_blamed_on_the_change(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.declare(PROVIDERS + RESTING)
    world.apply()
    end_own_grants(world, TABLES)
    world.declare(PROVIDERS + BASE + policy(OPEN, deny('"kms:Decrypt"', f"{{Service: {TABLES}}}")))
    assert told(world.plan()) == {}


def test_what_no_manifest_declares_is_a_dependent_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.declare(PROVIDERS + RESTING)
    world.apply()
    with world.session() as session:
        session.store.acquire("test", timeout=0)
        for name in ("Cluster/sales", "Table/orders", "Keyspace/books"):
            session.store.settle([], gone=[name])  # type: ignore[list-item]  # an address is its text
        session.store.release()
    world.declare(PROVIDERS + KEYS + policy(OPEN, NO_WAREHOUSE))
    assert "cluster sales could not be opened" in told(world.plan())["KeyPolicy/main"]
