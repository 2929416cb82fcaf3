"""``audit``'s filters take what its table shows, and ``--follow`` says nothing while there is nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.audit.query import AuditQuery
from reconciler.audit.record import AuditRecord
from reconciler.cli import main
from reconciler.host.clock import SystemClock
from reconciler.providers.keys import GrantRequest
from reconciler.views.audit_table import header, row
from tests.world import World, document, provider

PLATFORM = "arn:aws:iam::111122223333:role/platform"
Audit = Callable[..., list[str]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.declare(provider() + document("Key", "main") + document("Key", "other"))
    made.apply()
    return made


@pytest.fixture
def audit(world: World, capsys: pytest.CaptureFixture[str]) -> Audit:
    def run(*arguments: str) -> list[str]:
        capsys.readouterr()
        assert main(["-C", str(world.folder), "audit", *arguments]) == 0
        return capsys.readouterr().out.splitlines()[1:]

    return run


def test_a_key_by_the_id_that_the_table_shows(audit: Audit) -> None:
    first = audit("--event", "CreateKey")[0]
    (key_id,) = re.findall(r"[0-9a-f-]{36}", first)
    found = audit("--key", key_id)
    assert first in found
    assert all(key_id in line for line in found)
    assert audit("--key", "00000000-1111-2222-3333-444444444444") == []


def test_a_grant_by_the_beginning_of_its_id_that_the_table_shows(world: World, audit: Audit) -> None:
    app = Caller(principal="arn:aws:iam::111122223333:role/app", account="111122223333")
    with world.session() as session:
        kms: Any = session.provider("kms")
        key_arn = session.reader.get(next(iter(session.declared))).attributes["arn"]  # type: ignore[union-attr]
        request = GrantRequest(key_id=key_arn, grantee_principal=app.principal, operations=("Encrypt",))
        made = kms.create_grant(Caller(principal=PLATFORM, account="111122223333"), request)
        kms.encrypt(app, key_arn, b"x", {})
    shown = audit("--event", "Encrypt")[0].rpartition("grant ")[2]
    assert made.grant_id.startswith(shown)
    for written in (shown, made.grant_id):
        assert [line.split()[1] for line in audit("--grant", written)] == ["CreateGrant", "Encrypt"]
    assert audit("--grant", "nobodys") == []


@pytest.mark.parametrize(
    ("wanted", "principal", "fits"),
    [
        ("role/app", "arn:aws:iam::111122223333:role/app", True),
        ("role/app", "arn:aws:sts::111122223333:assumed-role/app/one", True),
        ("assumed-role/app/one", "arn:aws:sts::111122223333:assumed-role/app/one", True),
        ("arn:aws:iam::111122223333:role/app", "arn:aws:sts::111122223333:assumed-role/app/one", True),
        ("arn:aws:iam::444455556666:role/app", "arn:aws:sts::111122223333:assumed-role/app/one", False),
        ("role/app", "arn:aws:sts::111122223333:assumed-role/application/one", False),
        ("role/app", "arn:aws:iam::111122223333:user/role/app", False),
        ("user/ann", "arn:aws:iam::111122223333:user/ann", True),
        ("root", "arn:aws:iam::111122223333:root", True),
        ("cassandra.amazonaws.com", "cassandra.amazonaws.com", True),
        ("app", "arn:aws:iam::111122223333:role/app", False),
    ],
)
def test_a_principal_as_the_table_shows_it(wanted: str, principal: str, fits: bool) -> None:
    record = AuditRecord(
        time=datetime(2026, 1, 5, tzinfo=UTC),
        request_id=bytes(16),
        event_id=bytes(16),
        name="Encrypt",
        principal=principal,
        account="111122223333",
        region="eu-west-1",
        owner_account="111122223333",
    )
    assert AuditQuery(principal=wanted).wants(record) is fits


def test_follow_says_nothing_while_there_is_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks: list[float] = []

    def sleep(_: SystemClock, seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    capsys.readouterr()
    assert main(["-C", str(world.folder), "audit", "--follow", "--event", "Sign"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_columns_hold_the_longest_names() -> None:
    event = json.loads(
        """{"eventTime": "2026-01-05T09:00:00Z", "eventName": "GenerateDataKeyPairWithoutPlaintext",
        "userIdentity": {"arn": "arn:aws:iam::111122223333:role/app"},
        "resources": [{"ARN": "arn:aws:kms:eu-west-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef"}]}"""
    )
    names, line = header(colour=False), row(event, colour=False)
    for name, cell in (("EVENT", "Generate"), ("WHO", "role/"), ("KEY", "mrk-"), ("DECIDED", "-\n")):
        assert names.index(name) == line.rindex(cell)
