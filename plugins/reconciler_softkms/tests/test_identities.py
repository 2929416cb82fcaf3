"""Identity policies: of the account, so of all its Regions, and of whoever's key a principal asks for (KS4, KM7)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, DamagedStore, ReconcilerError
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms
from reconciler_softkms.identity_store import FILE

ACCOUNT, OTHER = "111122223333", "444455556666"
APP = f"arn:aws:iam::{ACCOUNT}:role/app"
CONTEXT = {"a": "1"}
Opened = Callable[..., SoftKms]


def allow(action: str, **parts: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*", **parts}]}


def app(account: str = ACCOUNT, **facts: Any) -> Caller:
    return Caller(principal=f"arn:aws:iam::{account}:role/app", account=account, **facts)


def test_a_policy_counts_in_every_region_and_every_process_at_once(opened: Opened, caller: Caller) -> None:
    here, there, elsewhere = opened(), opened(), opened(region="us-east-1")
    services = (here, there, elsewhere)
    keys = {one: one.create_key(caller, KeyRequest(), token="k") for one in (here, elsewhere)}
    keys[there] = keys[here]
    for kms in services:
        with pytest.raises(AccessDeniedException):
            kms.encrypt(app(), keys[kms].arn, b"x", CONTEXT)
    elsewhere.put_identity_policy(caller, APP, "uses", allow("kms:Encrypt"))
    for kms in services:
        assert kms.encrypt(app(), keys[kms].arn, b"x", CONTEXT)
    there.delete_identity_policy(caller, APP, "uses")
    for kms in services:
        with pytest.raises(AccessDeniedException):
            kms.encrypt(app(), keys[kms].arn, b"x", CONTEXT)


def test_a_key_of_another_account_needs_a_policy_on_both_sides(opened: Opened, caller: Caller) -> None:
    ours, theirs = opened(), opened(account=OTHER)
    key = ours.create_key(caller, KeyRequest(), token="k")
    stranger = app(OTHER)
    admin = Caller(principal=f"arn:aws:iam::{OTHER}:role/admin", account=OTHER)
    theirs = opened(account=OTHER, administrators=[admin.principal])
    theirs.put_identity_policy(admin, stranger.principal, "uses", allow("kms:Encrypt"))
    with pytest.raises(AccessDeniedException):  # its own account lets it, the key's does not
        ours.encrypt(stranger, key.arn, b"x", CONTEXT)
    named = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "kms:Encrypt", "Resource": "*"}
    default: Any = ours.default_key_policy()
    ours.put_key_policy(caller, key.arn, {**default, "Statement": [*default["Statement"], named]})
    assert ours.encrypt(stranger, key.arn, b"x", CONTEXT)
    theirs.delete_identity_policy(admin, stranger.principal, "uses")
    with pytest.raises(AccessDeniedException):  # the key's account lets it, its own does not
        ours.encrypt(stranger, key.arn, b"x", CONTEXT)


def test_a_role_with_a_path_and_its_sessions_hold_the_same(provider: SoftKms, caller: Caller) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/service/app"
    key = provider.create_key(caller, KeyRequest(), token="k")
    provider.put_identity_policy(caller, role, "uses", allow("kms:Encrypt"))
    for principal in (role, f"arn:aws:sts::{ACCOUNT}:assumed-role/app/nightly"):
        assert provider.encrypt(Caller(principal=principal, account=ACCOUNT), key.arn, b"x", CONTEXT)


def test_variables_and_tags_in_an_identity_policy(provider: SoftKms, caller: Caller) -> None:
    key = provider.create_key(caller, KeyRequest(), token="k")
    condition = {"StringEquals": {"kms:EncryptionContext:team": "${aws:PrincipalTag/team}"}}
    provider.put_identity_policy(caller, APP, "uses", allow("kms:Encrypt", Condition=condition))
    tagged = app(tags={"team": "shop"})
    assert provider.encrypt(tagged, key.arn, b"x", {"team": "shop"})
    for who, team in ((tagged, "bank"), (app(), "shop"), (app(tags={"team": "bank"}), "shop")):
        with pytest.raises(AccessDeniedException):
            provider.encrypt(who, key.arn, b"x", {"team": team})


def test_each_change_is_recorded_also_a_refused_one(provider: SoftKms, caller: Caller) -> None:
    provider.put_identity_policy(caller, APP, "uses", allow("kms:*"))
    provider.delete_identity_policy(caller, APP, "uses")
    with pytest.raises(AccessDeniedException):
        provider.put_identity_policy(app(), APP, "uses", allow("kms:*"))
    told = [
        (event["eventName"], event["requestParameters"]["roleName"], event.get("errorCode"))
        for _, event in provider.audit_events()
        if event["eventName"].endswith("RolePolicy")
    ]
    sources = {
        event["eventSource"] for _, event in provider.audit_events() if event["eventName"].endswith("RolePolicy")
    }
    assert sources == {"iam.amazonaws.com"}
    assert told == [
        ("PutRolePolicy", "app", None),
        ("DeleteRolePolicy", "app", None),
        ("PutRolePolicy", "app", "AccessDenied"),
    ]


def test_what_is_put_survives_the_process_and_the_file_is_private(opened: Opened, caller: Caller, home: Path) -> None:
    opened().put_identity_policy(caller, APP, "uses", allow("kms:*"))
    assert [one.name for one in opened().list_identity_policies(caller)] == ["uses"]
    assert (home / "softkms" / ACCOUNT / FILE).stat().st_mode & 0o777 == 0o600


def test_a_damaged_store_refuses_and_is_left_as_it_is(opened: Opened, caller: Caller, home: Path) -> None:
    first = opened()
    key = first.create_key(caller, KeyRequest(), token="k")
    first.put_identity_policy(caller, APP, "uses", allow("kms:*"))
    first.close()
    path = home / "softkms" / ACCOUNT / FILE
    path.write_bytes(b"x" * 8192)
    again = opened()
    for refused in (
        lambda: again.encrypt(app(), key.arn, b"x", CONTEXT),
        lambda: again.put_identity_policy(caller, APP, "uses", allow("kms:*")),
    ):
        with pytest.raises(DamagedStore):
            refused()
    assert path.read_bytes() == b"x" * 8192


def test_an_interrupted_put_is_taken_up_by_the_same_call(
    opened: Opened, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy is durable before its record: whoever dies in between asks again, and both are there."""
    kms = opened()

    def dies(*arguments: object) -> None:
        raise _Killed

    monkeypatch.setattr(kms._door.trail, "write", dies)
    with pytest.raises(_Killed):
        kms.put_identity_policy(caller, APP, "uses", allow("kms:*"))
    again = opened()
    again.put_identity_policy(caller, APP, "uses", allow("kms:*"))
    assert [one.name for one in again.list_identity_policies(caller)] == ["uses"]
    assert [event["eventName"] for _, event in again.audit_events()].count("PutRolePolicy") == 1


class _Killed(BaseException):
    pass


def test_looking_for_a_change_costs_next_to_nothing(provider: SoftKms, caller: Caller) -> None:
    provider.put_identity_policy(caller, APP, "uses", allow("kms:*"))
    identities = provider._door.identities
    assert identities.policies(APP) is identities.policies(APP), "parsed once"
    rounds = 2_000
    begun = time.perf_counter()
    for _ in range(rounds):
        identities.policies(APP)
    assert (time.perf_counter() - begun) / rounds < 200e-6


def test_errors_are_ours(provider: SoftKms, caller: Caller) -> None:
    with pytest.raises(ReconcilerError) as refused:
        provider.put_identity_policy(caller, "ana", "uses", allow("kms:*"))
    assert refused.value.suggestion
