"""Right before the call: what came to need the key since the plan is not locked out either (CONTRACT 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.errors import BlockedByGuard
from reconciler.model.ports import StepServices
from reconciler.resources.grant.steps import RevokeGrant
from reconciler.resources.key_policy.steps import PutKeyPolicy
from reconciler.resources.reference import Reference
from tests.planning.lockout_estate import ACCOUNT, KEY, POLICY, Estate, build, opened

OPEN = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
CLOSED = {"Effect": "Deny", "Principal": {"Service": "redshift.amazonaws.com"}, "Action": "kms:*", "Resource": "*"}


def put(estate: Estate, *statements: dict[str, Any]) -> None:
    """The step as apply runs it, on a plan that knew of nothing under the key."""
    step = PutKeyPolicy(
        id="put",
        summary="",
        address=POLICY,
        provider="kms",
        key=Reference("Key", KEY.name),
        document={"Version": "2012-10-17", "Statement": list(statements)},
    )
    step.run(cast(StepServices, estate))


def test_a_policy_is_not_put_while_a_cluster_needs_what_it_takes(tmp_path: Path) -> None:
    build(tmp_path)
    with opened(tmp_path) as estate:
        with pytest.raises(BlockedByGuard) as refused:
            put(estate, OPEN, CLOSED)
        assert "would lock out cluster sales" in refused.value.diagnostics()[0].summary
        estate.warehouse.delete_cluster(estate.caller(), "sales")
        estate.warehouse.delete_snapshot(estate.caller(), "first")
        put(estate, OPEN, CLOSED)


def test_a_grant_does_not_end_while_a_table_rests_on_it(tmp_path: Path) -> None:
    build(tmp_path)
    with opened(tmp_path) as estate:
        grants = estate.keys.list_grants(estate.caller(), estate.key_arn)
        (its,) = [grant.grant_id for grant in grants if grant.grantee_principal.startswith("cassandra")]
        step = RevokeGrant(
            id="r", summary="", address=POLICY, provider="kms", key_arn=estate.key_arn, grant_id=its, is_last=False
        )
        with pytest.raises(BlockedByGuard) as refused:
            step.run(cast(StepServices, estate))
        assert "would lock out table ks.orders" in refused.value.diagnostics()[0].summary
        estate.tables.update_table_encryption(estate.caller(), "ks", "orders", None, token="t")
        step.run(cast(StepServices, estate))


def test_whoever_may_not_look_at_a_key_may_still_end_a_grant(tmp_path: Path) -> None:
    build(tmp_path)
    with opened(tmp_path) as estate:
        blind = {"Effect": "Deny", "Principal": "*", "Action": ["kms:ListGrants", "kms:Get*"], "Resource": "*"}
        (grant,) = [
            one.grant_id
            for one in estate.keys.list_grants(estate.caller(), estate.key_arn)
            if one.grantee_principal.startswith("cassandra")
        ]
        estate.keys.put_key_policy(
            estate.caller(), estate.key_arn, {"Version": "2012-10-17", "Statement": [OPEN, blind]}
        )
        RevokeGrant(
            id="r", summary="", address=POLICY, provider="kms", key_arn=estate.key_arn, grant_id=grant, is_last=False
        ).run(cast(StepServices, estate))
