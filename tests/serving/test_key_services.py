"""Which key service answers, and who administers the stores that no manifest declares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import ProviderUnavailable
from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.serving.kept_credentials import KeptCredentials
from reconciler.testing.fakes import fixed_seal
from tests.serving.key_services import Remembering, services
from tests.serving.signing import ADMIN, credential

ROOT = "arn:aws:iam::111122223333:root"
ANN = "arn:aws:iam::111122223333:user/ann"


@pytest.fixture
def kept(tmp_path: Path) -> KeptCredentials:
    return KeptCredentials(OsFs(), SystemRandom(), tmp_path, fixed_seal())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def test_a_store_is_opened_once(kept: KeptCredentials, home: Path) -> None:
    found = services(kept, home)
    assert found.at(credential(), "eu-west-1") is found.at(credential("other1"), "eu-west-1")
    assert len(Remembering.built) == 1
    found.close()
    found.at(credential(), "eu-west-1")
    assert len(Remembering.built) == 2
    found.close()


def test_an_administrator_made_while_it_runs_is_one_from_the_first_request_on(
    kept: KeptCredentials, home: Path
) -> None:
    found = services(kept, home)
    found.at(credential(), "eu-west-1")
    made = replace(credential("AKIAANN", ANN), is_administrator=True)
    kept.keep(made)
    for _ in range(3):
        found.at(made, "eu-west-1")
    assert [administrators for _, _, administrators in Remembering.built] == [(ROOT,), (ROOT, ANN)]
    found.close()


def test_who_is_no_administrator_any_more_is_none_from_the_next_request_on(kept: KeptCredentials, home: Path) -> None:
    """Its administrator's access key was revoked, another one stays; sessions of a role are that role."""
    found = services(kept, home)
    role, session = "arn:aws:iam::111122223333:role/app", "arn:aws:sts::111122223333:assumed-role/app/nightly"
    made = replace(credential("AKIAADM", role), is_administrator=True)
    kept.keep(made)
    found.at(made, "eu-west-1")
    found.at(credential("AKIASES", session), "eu-west-1")
    kept.revoke(made.access_key_id)
    for _ in range(3):
        found.at(credential("AKIASES", session), "eu-west-1")
    assert [administrators for _, _, administrators in Remembering.built] == [(role, ROOT), (ROOT,)]
    found.close()


def test_who_is_no_administrator_opens_no_other_door(kept: KeptCredentials, home: Path) -> None:
    found = services(kept, home)
    for principal in (ADMIN, ANN, ROOT):
        found.at(credential(principal=principal), "eu-west-1")
    assert len(Remembering.built) == 1
    found.close()


def test_what_did_not_open_is_tried_again_and_forgotten_meanwhile(
    kept: KeptCredentials, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = services(kept, home)

    def fail(self: Remembering, *args: object) -> None:
        raise ProviderUnavailable("not now")

    with monkeypatch.context() as patch:
        patch.setattr(Remembering, "__init__", fail)
        for _ in range(5):
            with pytest.raises(ProviderUnavailable):
                found.at(credential(), "eu-west-1")
    assert found.at(credential(), "eu-west-1").answer is not None
    assert len(Remembering.built) == 1
    found.close()
