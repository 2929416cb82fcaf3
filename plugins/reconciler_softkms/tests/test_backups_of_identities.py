"""The account's identity policies in a backup: they come back with a lost home, and never in place of newer ones
unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import DamagedStore
from reconciler.providers.key_store import RestoreRequest
from reconciler_softkms.tests.sealed import CALLER, Estate, Filled

APP = f"arn:aws:iam::{CALLER.account}:role/app"


def may(*actions: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "kms.backup"


def held(estate: Estate) -> dict[str, Any]:
    return {each.name: each.document for each in estate.open().list_identity_policies(CALLER)}


def test_they_come_back_with_a_lost_home(estate: Estate, target: Path) -> None:
    Filled(estate, "file")
    kms = estate.open()
    kms.put_identity_policy(CALLER, APP, "uses", may("kms:Encrypt"))
    kms.put_identity_policy(CALLER, APP, "reads", may("kms:DescribeKey"))
    assert kms.back_up_store(target, with_seal_key=True).identity_policies == 2
    kms.close()
    for path in [*estate.store.glob("*"), *estate.store.parent.glob("identities.db*")]:
        path.unlink()
    done = estate.open().restore_store(RestoreRequest(source=target))
    assert done.identity_policies is True
    assert held(estate) == {"uses": may("kms:Encrypt"), "reads": may("kms:DescribeKey")}


@pytest.mark.parametrize("is_asked", [False, True])
def test_those_that_are_there_give_way_only_when_asked(estate: Estate, target: Path, is_asked: bool) -> None:
    Filled(estate, "file")
    kms, other = estate.open(), estate.open()
    kms.put_identity_policy(CALLER, APP, "uses", may("kms:*"))
    kms.back_up_store(target, with_seal_key=False)
    kms.put_identity_policy(CALLER, APP, "uses", may("kms:Decrypt"))
    assert other.get_identity_policies(APP) == (may("kms:Decrypt"),)
    request = RestoreRequest(source=target, replace=True, accept_older=True, identity_policies=is_asked)
    assert kms.restore_store(request).identity_policies is is_asked
    now = may("kms:*") if is_asked else may("kms:Decrypt")
    assert held(estate) == {"uses": now}
    assert other.get_identity_policies(APP) == (now,), "whoever has them open sees it at once"
    again = RestoreRequest(source=target, replace=True, accept_older=True, identity_policies=is_asked)
    assert estate.open().restore_store(again).identity_policies is is_asked


def test_a_changed_policy_in_a_backup_is_damage(estate: Estate, target: Path) -> None:
    Filled(estate, "file")
    kms = estate.open()
    kms.put_identity_policy(CALLER, APP, "uses", may("kms:Encrypt"))
    kms.back_up_store(target, with_seal_key=False)
    content = target.read_bytes()
    assert b"kms:Encrypt" in content
    target.write_bytes(content.replace(b"kms:Encrypt", b"kms:Decrypt", 1))
    with pytest.raises(DamagedStore):
        kms.restore_store(RestoreRequest(source=target, replace=True, identity_policies=True))
    assert held(estate) == {"uses": may("kms:Encrypt")}


def test_a_restore_leaves_no_folder_of_its_own(estate: Estate, target: Path) -> None:
    Filled(estate, "file")
    kms = estate.open()
    kms.back_up_store(target, with_seal_key=False)
    kms.restore_store(RestoreRequest(source=target, replace=True))
    assert not [path for path in estate.store.iterdir() if path.name.startswith(".restoring")]
