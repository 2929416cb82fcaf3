"""Plans, findings and rows of the state for the tests of views: between them they show every form."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.errors import Diagnostic
from reconciler.model.address import Address
from reconciler.model.blast_radius import BlastRadius, Dependent, Loss
from reconciler.model.change import (
    KNOWN_AFTER_APPLY,
    Action,
    Availability,
    Block,
    Change,
    DiffEntry,
    Impact,
    Operation,
    Step,
    Verb,
)
from reconciler.model.due_work import DueWork
from reconciler.model.plan import Finding, Plan
from reconciler.model.recorded import Recorded, Standing
from reconciler.state.store import Holder

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HOLDER = Holder(
    token=12,
    who="ops",
    host="ci-7",
    boot_id="boot",
    pid=4711,
    started=99,
    command="apply",
    since=NOW.timestamp(),
    expires=NOW.timestamp() + 60,
)


def policy(*actions: str) -> str:
    statements = [
        {"Sid": "admin", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"},
        {"Sid": "use", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": list(actions), "Resource": "*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def step(identifier: str, summary: str, *, reversible: bool = True) -> Step:
    return Step(id=identifier, summary=summary, reversible=reversible)


ORDERS_ARN = "arn:aws:kms:eu-central-1:012345670123:key/1234"
RADIUS = BlastRadius(
    key_arn=ORDERS_ARN,
    address=Address("Key/orders"),
    aliases=("alias/orders",),
    state="Enabled",
    dependents=(
        Dependent(
            what="cluster",
            name="sales",
            identity="arn:aws:redshift:eu-central-1:012345670123:cluster:sales",
            loss=Loss.UNREADABLE,
            provider="warehouse-eu",
            region="eu-central-1",
            bytes=1_610_612_736,
            holds=True,
            address=Address("Cluster/sales"),
        ),
        Dependent(
            what="snapshot",
            name="rs:old-2026-01-04",
            identity="arn:aws:redshift:eu-central-1:012345670123:snapshot:old/rs:old-2026-01-04",
            loss=Loss.UNREADABLE,
            provider="warehouse-eu",
            region="eu-central-1",
            bytes=512,
            automated=True,
            holds=True,
            expires_at=NOW + timedelta(days=1),
        ),
        Dependent(
            what="copying",
            name="sales to us-east-1",
            identity="arn:aws:redshift:eu-central-1:012345670123:cluster:sales/snapshot-copy/us-east-1",
            loss=Loss.UNUSABLE,
            provider="warehouse-eu",
            region="eu-central-1",
            through="arn:aws:redshift:eu-central-1:012345670123:cluster:sales",
        ),
        Dependent(
            what="grant",
            name="cluster/0a9c",
            identity="g-1",
            loss=Loss.UNUSABLE,
            provider="kms-eu",
            region="eu-central-1",
            follows="arn:aws:redshift:eu-central-1:012345670123:cluster:sales",
        ),
        Dependent(
            what="state row",
            name="Key/orders",
            identity="state:Key/orders",
            loss=Loss.UNUSABLE,
            address=Address("Key/orders"),
        ),
    ),
    way_forward=(
        "Put Cluster/sales under another root, and apply.",
        "Then remove Key/orders, and apply.",
    ),
)
UNASKED = BlastRadius(key_arn=ORDERS_ARN, unreachable=("Provider/warehouse-us",))
PENDING = BlastRadius(
    state="PendingDeletion", key_arn=ORDERS_ARN, deletion_date=NOW + timedelta(days=9), earliest=NOW + timedelta(days=9)
)
FREE = BlastRadius(state="Enabled", key_arn=ORDERS_ARN, earliest=NOW + timedelta(days=30))
CREATE_KEY = Change(
    address=Address("Key/analytics"),
    action=Action.CREATE,
    operations=(
        Operation(
            verb=Verb.CREATE,
            reason="declared, and not there",
            steps=(step("create", "create the key"), step("policy", "put its policy"), step("verify", "read it back")),
            impact=Impact(key_service_calls=3),
        ),
    ),
    diff=(
        DiffEntry(path="spec.description", before=None, after="what the analysts may read"),
        DiffEntry(path="spec.tags", before=None, after={"team": "data", "data-class": "pci"}),
        DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY),
    ),
)
CREATE_POLICY = Change(
    address=Address("KeyPolicy/analytics"),
    action=Action.CREATE,
    operations=(
        Operation(
            verb=Verb.CREATE,
            reason="declared, and not there",
            steps=(step("put", "put the key policy"),),
            impact=Impact(key_service_calls=1),
        ),
    ),
    diff=(DiffEntry(path="spec.document", before=None, after=json.loads(policy("kms:Decrypt"))),),
)
SWITCH_KEY = Change(
    address=Address("Cluster/sales"),
    action=Action.UPDATE,
    operations=(
        Operation(
            verb=Verb.SWITCH_KEY,
            reason="spec.encryption.key: Key/orders → Key/analytics",
            steps=(
                step("grant", "grant the warehouse the use of Key/analytics"),
                step("modify", "make a new CEK under Key/analytics and re-wrap the DEK"),
                step("retire", "retire the grant on Key/orders", reversible=False),
            ),
            impact=Impact(availability=Availability.READ_ONLY, bytes=1_610_612_736, key_service_calls=5, seconds=75.2),
        ),
        Operation(
            verb=Verb.ROTATE,
            reason="rotation.trigger changed",
            steps=(step("rotate", "a new CEK for the cluster and its 2 snapshots, a new DEK for the cluster"),),
            impact=Impact(availability=Availability.DOWN, key_service_calls=4),
        ),
    ),
    diff=(
        DiffEntry(path="spec.encryption.key", before="orders", after="analytics"),
        DiffEntry(path="spec.encryption.rotation.trigger", before="2025-12", after="2026-01"),
        DiffEntry(path="spec.waiver", before="audit 2024", after=None),
        DiffEntry(path="cekId", before="cek-7f", after=KNOWN_AFTER_APPLY),
    ),
)
CHANGE_POLICY = Change(
    address=Address("KeyPolicy/orders"),
    action=Action.UPDATE,
    operations=(
        Operation(verb=Verb.UPDATE, reason="statement `use` differs", steps=(step("put", "put the key policy"),)),
    ),
    diff=(DiffEntry(path="spec.document", before=policy("kms:Decrypt"), after=policy("kms:Decrypt", "kms:Encrypt")),),
)
BLOCKED_DELETE = Change(
    address=Address("Key/orders"),
    action=Action.DELETE,
    operations=(
        Operation(
            verb=Verb.SCHEDULE_DELETION,
            reason="destroy asks for it",
            steps=(step("schedule", "schedule its deletion in 30 days", reversible=False),),
        ),
    ),
    blocked=(
        Block(
            guard="key-in-use",
            reason="2 snapshots of Cluster/sales are wrapped under it",
            way_out=("re-wrap or expire Snapshot/sales-1 and Snapshot/sales-2", "plan again"),
        ),
    ),
    blast_radius=(RADIUS,),
)
REPLACE_GRANT = Change(
    address=Address("Grant/etl"),
    action=Action.REPLACE,
    operations=(
        Operation(
            verb=Verb.REPLACE,
            reason="operations differ, and a grant cannot be changed",
            steps=(step("create", "create the new grant"), step("revoke", "revoke the old one", reversible=False)),
        ),
    ),
    diff=(DiffEntry(path="spec.operations", before=["Decrypt"], after=["Decrypt", "DescribeKey"]),),
)
RETAINED = Change(address=Address("Key/archive"), action=Action.RETAIN)
DISABLED = Finding(
    address=Address("Key/orders"),
    drift_class="key-disabled",
    path="enabled",
    expected=True,
    observed=False,
    fix="apply enables it",
    observed_at=NOW,
)
RENAMED = Finding(
    address=Address("Key/orders"),
    drift_class="attribute-changed",
    path="description",
    expected="orders",
    observed=None,
    fix="apply writes it again",
)
GRANT_MISSING = Finding(
    address=Address("Grant/etl"),
    drift_class="grant-missing",
    path="operations",
    expected=["Decrypt", "DescribeKey"],
    observed=None,
    fix="apply creates the grant",
    observed_at=NOW,
)
WARNING = Diagnostic(
    code="home-in-worktree",
    severity="warning",
    summary="The home of keys and data lies in a git work tree",
    file="reconciler.yaml",
    line=3,
    column=7,
    path="home",
    suggestion="Add .reconciler to .gitignore.",
)

EMPTY = Plan(
    plan_id="01JGTQ0000000000000000000A",
    created_at=NOW,
    lineage="0a9c2c1e-8c1e-4f7e-9d43-0c4cf2f7a001",
    serial=33,
    manifests_digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    changes=(),
    noop_count=12,
)
DUE = (
    DueWork(
        what="A snapshot of cluster sales is taken by schedule.",
        kind="cluster",
        name="sales",
        since=NOW - timedelta(hours=1),
        provider="warehouse-eu",
        address=Address("Cluster/sales"),
    ),
    DueWork(
        what="Cluster old: the change that was begun and has not ended (rotate) is completed.",
        kind="cluster",
        name="old",
        provider="warehouse-eu",
    ),
    DueWork(
        what="Snapshot rs:old-2026-01-04 is removed for good: its retention is over.",
        kind="snapshot",
        name="rs:old-2026-01-04",
        since=NOW - timedelta(hours=2),
        removes_data=True,
        provider="warehouse-eu",
    ),
)
FULL = replace(
    EMPTY,
    changes=(
        CREATE_KEY,
        CREATE_POLICY,
        SWITCH_KEY,
        CHANGE_POLICY,
        REPLACE_GRANT,
        BLOCKED_DELETE,
        RETAINED,
        Change(address=Address("Alias/sales"), action=Action.NOOP),
    ),
    drift=(RENAMED, DISABLED),
    warnings=(WARNING,),
    due=DUE,
)
RETAINED_ONLY = replace(EMPTY, changes=(RETAINED,))

ROWS = (
    Recorded(
        address=Address("Cluster/sales"),
        uid="u-2",
        provider="warehouse-eu",
        attributes={"id": "sales", "arn": "arn:aws:redshift:eu-central-1:012345670123:cluster:sales", "nodes": 2},
        spec='{"encryption":{"key":"orders"},"nodeType":"ra3.large"}',
        digest="ab" * 32,
        settled=True,
        protected=True,
        references=(Address("Key/orders"),),
        serial=33,
    ),
    Recorded(address=Address("Key/archive"), uid="u-3", provider="kms-eu", settled=True, standing=Standing.RETAINED),
    Recorded(address=Address("Key/orders"), uid="u-1", provider="kms-eu", attributes={"id": "1234"}, serial=2),
)


def large_plan(changes: int) -> Plan:
    """As many changes as asked for: mostly rotations and updates, one policy in twenty."""
    kinds = [*(replace(SWITCH_KEY),) * 10, *(replace(CREATE_KEY),) * 9, CHANGE_POLICY]
    return replace(
        EMPTY,
        changes=tuple(
            replace(kinds[index % 20], address=Address(f"{kinds[index % 20].address}-{index}"))
            for index in range(changes)
        ),
    )
