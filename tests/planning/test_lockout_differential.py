"""What the rehearsal says is what happens: random policies and ended grants, carried out for real (CONTRACT 5, KM2).

Each example is a policy for the key that a table, a cluster and its snapshot are under, grants that end, and a table
that is to be made. The rehearsal's verdict on all of it is compared with a real key service, warehouse and table
service to which the same is done.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.errors import MalformedPolicyDocumentException
from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Operation, Step, Verb
from reconciler.providers.tables import TableRequest
from reconciler.resources.grant.steps import RevokeGrant
from reconciler.resources.key_policy.steps import PutKeyPolicy
from reconciler.resources.reference import Reference
from reconciler.resources.table.steps import CreateTable
from reconciler.testing.quick_folder import quick_folder
from tests.counts import count
from tests.planning.lockout_estate import (
    ACCOUNT,
    ASKS,
    KEY,
    LEAD,
    NEW_TABLE,
    PLATFORM,
    POLICY,
    SCHEMA,
    Estate,
    build,
    copied,
    works,
)

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": ROOT},
    {"AWS": PLATFORM},
    {"AWS": LEAD},
    {"AWS": [PLATFORM, LEAD]},
    {"Service": "redshift.amazonaws.com"},
    {"Service": "cassandra.amazonaws.com"},
    {"Service": ["redshift.amazonaws.com", "cassandra.eu-west-1.amazonaws.com"]},
]
ACTIONS = [
    "kms:*",
    "kms:Decrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
    "kms:Encrypt",
    "kms:CreateGrant",
    "kms:Describe*",
    "kms:Get*",
    "kms:RevokeGrant",
    "kms:PutKeyPolicy",
]
CONDITIONS: list[Any] = [
    {"StringEquals": {"kms:ViaService": "cassandra.eu-west-1.amazonaws.com"}},
    {"StringNotLike": {"kms:ViaService": "cassandra.*.amazonaws.com"}},
    {"StringEquals": {"kms:CallerAccount": ACCOUNT}},
    {"StringEquals": {"kms:EncryptionContext:aws:cassandra:tableName": "orders"}},
    {"StringNotEquals": {"kms:EncryptionContext:aws:cassandra:tableName": "orders"}},
    {"Null": {"kms:EncryptionContext:aws:redshift:arn": "true"}},
    {"StringLike": {"kms:EncryptionContext:aws:redshift:arn": "arn:aws:redshift:*:cluster:sales"}},
    {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt", "Encrypt"]}},
    {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    {"ArnEquals": {"aws:PrincipalArn": PLATFORM}},
    {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}},
]
MAINTAINED = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
NUMBERS = itertools.count()

# The table service may re-wrap and nothing else: not even give its grant back.
ONLY_REWRAPPING: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Effect": "Deny",
            "Principal": {"Service": "cassandra.amazonaws.com"},
            "NotAction": ["kms:ReEncrypt*"],
            "Resource": "*",
        },
    ],
}


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    """One statement that parses."""
    written: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])), "Resource": "*"}
    written["NotPrincipal" if draw(st.integers(0, 9)) == 0 else "Principal"] = draw(st.sampled_from(PRINCIPALS))
    some = draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True))
    written["NotAction" if draw(st.integers(0, 9)) == 0 else "Action"] = some
    if draw(st.booleans()):
        written["Condition"] = draw(st.sampled_from(CONDITIONS))
    return written


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """A policy that, more often than not, leaves its administrator in."""
    written = draw(st.lists(statements(), min_size=0, max_size=3))
    if not written or draw(st.integers(0, 4)):
        written = [MAINTAINED, *written]
    return {"Version": "2012-10-17", "Statement": written}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Nothing here is about durability."""
    with quick_folder() as path:
        build(path / "template")
        yield path


def put(document: dict[str, Any]) -> Change:
    """The policy's change."""
    step = PutKeyPolicy(
        id="put", summary="", address=POLICY, provider="kms", key=Reference("Key", KEY.name), document=document
    )
    return _change(POLICY, Verb.UPDATE, step)


def revoke(grant_id: str, key_arn: str) -> Change:
    """The end of one grant."""
    address = Address(f"Grant/g{grant_id[:8]}")
    step = RevokeGrant(
        id="revoke", summary="", address=address, provider="kms", key_arn=key_arn, grant_id=grant_id, is_last=True
    )
    return _change(address, Verb.DELETE, step)


def make_table() -> Change:
    """One more table under the key."""
    step = CreateTable(
        id="create",
        summary="",
        address=NEW_TABLE,
        provider="shop",
        table="new",
        keyspace=Reference("Keyspace", "ks"),
        table_schema=SCHEMA,
        key=Reference("Key", KEY.name),
    )
    return _change(NEW_TABLE, Verb.CREATE, step)


def _change(address: Address, verb: Verb, step: Step) -> Change:
    return Change(address=address, action=Action.UPDATE, operations=(Operation(verb=verb, reason="", steps=(step,)),))


def new_table_is_made(estate: Estate) -> bool:
    request = TableRequest(keyspace="ks", name="new", schema=SCHEMA, key_arn=estate.key_arn)
    return works(lambda: estate.tables.create_table(estate.caller("shop"), request, token="new"))


@settings(
    max_examples=max(400, settings().max_examples),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(document=ONLY_REWRAPPING, ended=set(), lead=PLATFORM)
@given(document=policies(), ended=st.sets(st.integers(0, 1)), lead=st.sampled_from([PLATFORM, LEAD]))
def test_the_rehearsal_says_what_a_real_key_service_does(
    folder: Path, document: dict[str, Any], ended: set[int], lead: str
) -> None:
    with copied(folder / "template", folder / f"e{next(NUMBERS)}", lead=lead) as estate:
        grants = [grant.grant_id for grant in estate.keys.list_grants(estate.caller(), estate.key_arn)]
        ending = [grants[number] for number in sorted(ended)]
        rehearsal = estate.rehearsal()
        blocks = rehearsal.run([put(document), *(revoke(one, estate.key_arn) for one in ending), make_table()])
        told = {address: " ".join(block.reason for block in each) for address, each in blocks.items()}
        broken = {(one.dependent.name, one.request.operation) for one in rehearsal.broken}

        try:
            estate.keys.put_key_policy(estate.caller(), estate.key_arn, document)
        except MalformedPolicyDocumentException:
            assert "its own author" in told[POLICY]
            count("lockout", policies_tried=1, authors_locked_out=1)
            return
        assert "its own author" not in told.get(POLICY, ""), told
        for one in ending:
            ends = partial(estate.keys.revoke_grant, estate.caller(), estate.key_arn, one)
            assert works(ends) is (revoke(one, "").address not in rehearsal.refused)
        assert new_table_is_made(estate) is (NEW_TABLE not in rehearsal.refused), told
        for name, attempt in estate.attempts().items():
            assert works(attempt) is not bool(ASKS[name] & broken), (name, told)
        refused = sum(bool(ASKS[name] & broken) for name in ASKS)
        count("lockout", policies_tried=1, uses_tried=len(ASKS) + 1, uses_refused=refused)
