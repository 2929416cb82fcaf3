"""``reconciler audit``: what was asked of the key services, by whom, and whether the log is whole (CONTRACT 3, AU4)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.cli import main
from reconciler.errors import AccessDeniedException
from reconciler.host.clock import SystemClock
from tests.planning.test_lockout import OPEN, PROVIDERS, policy, table
from tests.world import World, document

STRANGER = "arn:aws:iam::111122223333:role/nobody"
Audit = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.declare(PROVIDERS + document("Key", "main") + document("Key", "other") + table() + policy(OPEN))
    world.apply()
    return world


@pytest.fixture
def audit(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Audit:
    assert world

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["-C", str(tmp_path), "audit", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def events(told: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.splitlines()]


def test_json_is_one_public_event_a_line_in_order_of_time(audit: Audit) -> None:
    code, told, _ = audit("--format", "json")
    found = events(told)
    assert code == 0
    assert found[0]["eventName"] == "CreateKey"
    assert {event["eventVersion"] for event in found} == {"1.08"}
    assert [event["eventTime"] for event in found] == sorted(event["eventTime"] for event in found)


def test_the_table_says_who_what_and_what_decided(audit: Audit) -> None:
    code, told, _ = audit("--event", "GenerateDataKey")
    header, *lines = told.splitlines()
    assert code == 0
    assert header.split() == ["TIME", "EVENT", "WHO", "KEY", "DECIDED", "BY"]
    assert lines
    assert all("service (AWS Internal)" in line and "grant " in line for line in lines)


def test_filters_narrow_together(audit: Audit) -> None:
    everything = events(audit("--format", "json")[1])
    of_main = events(audit("--format", "json", "--key", "Key/main")[1])
    of_table = events(audit("--format", "json", "--context", "aws:cassandra:tableName=orders")[1])
    assert 0 < len(of_table) < len(of_main) < len(everything)
    assert audit("--key", "Key/other", "--context", "aws:cassandra:tableName=orders")[1] == ""
    assert events(audit("--format", "json", "--since", "2026-01-05")[1]) == everything  # the world's own clock
    assert audit("--since", "1h")[1] == ""
    assert audit("--since", "2999-01-01")[1] == ""
    grant = next(event for event in of_table if event["eventName"] == "CreateGrant")["responseElements"]["grantId"]
    assert {event["eventName"] for event in events(audit("--format", "json", "--grant", grant)[1])} >= {"CreateGrant"}


def test_what_was_denied_is_told_with_its_reason(world: World, audit: Audit) -> None:
    with world.session() as session:
        kms: Any = session.provider("kms")
        key = kms.list_keys(Caller(principal=session.principal("kms"), account="111122223333"))[0].arn
        with pytest.raises(AccessDeniedException):
            kms.encrypt(Caller(principal=STRANGER, account="111122223333"), key, b"x", {})
    _, told, _ = audit("--denied", "--principal", STRANGER)
    assert "AccessDenied: User: arn:aws:iam::111122223333:role/nobody is not authorized" in told


def test_a_tables_life_is_shown_while_it_is_there(audit: Audit) -> None:
    code, told, _ = audit("--resource", "Table/orders")
    assert code == 0
    life = told[told.index("The life of Table/orders") :].splitlines()[1:]
    assert [line.split()[0] for line in life] == [
        *("DescribeKey", "CreateGrant", "GenerateDataKey", "Decrypt", "RetireGrant")
    ]
    assert "not yet: its grant stands" in life[-1]


def test_a_grant_revoked_behind_a_tables_back_is_a_finding(world: World, audit: Audit) -> None:
    told = audit("--format", "json", "--event", "CreateGrant")[1]
    made = next(event for event in events(told) if event["requestParameters"].get("constraints"))
    with world.session() as session:
        kms: Any = session.provider("kms")
        caller = Caller(principal=session.principal("kms"), account="111122223333")
        kms.revoke_grant(caller, made["resources"][0]["ARN"], made["responseElements"]["grantId"])
    code, told, complaint = audit("--resource", "Table/orders")
    assert code == 3
    assert "! RetireGrant" in told
    assert "The life of Table/orders is not complete: its grant has ended (RevokeGrant)" in complaint


def test_a_log_that_was_changed_is_found(audit: Audit, tmp_path: Path) -> None:
    code, told, _ = audit("--check")
    assert (code, "all as they were written" in told) == (0, True)
    (store,) = tmp_path.rglob("eu-west-1/keys.db")
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE audit_said SET principal = 'somebody else' WHERE said = 2")
        connection.commit()
    code, told, _ = audit("--check")
    assert code == 3
    assert "NOT what was written, from record 2 on" in told
    assert json.loads(audit("--check", "--format", "json")[1])["logs"][0]["broken"]["record"] == 2
    assert main(["-C", str(tmp_path), "verify"]) == 3


def test_follow_goes_on_until_it_is_stopped(world: World, audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def sleep(_: SystemClock, seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt
        with world.session() as session:
            kms: Any = session.provider("kms")
            kms.encrypt(Caller(principal=session.principal("kms"), account="111122223333"), "alias/none", b"x", {})

    def quietly(clock: SystemClock, seconds: float) -> None:
        try:
            sleep(clock, seconds)
        except Exception as error:  # what it asked for does not exist, which is recorded all the same
            assert "alias/none" in str(error)

    monkeypatch.setattr(SystemClock, "sleep", quietly)
    code, told, _ = audit("--follow", "--event", "Encrypt", "--format", "json")
    assert code == 0
    assert [event["errorCode"] for event in events(told)] == ["NotFoundException"] * 2


WRONG = {
    "no pair": (("--context", "orders"), "is no pair of an encryption context"),
    "no key": (("--key", "Table/orders"), "is no Key"),
    "an unknown key": (("--key", "Key/orders"), "is not in the state"),
    "no time": (("--since", "yesterday"), "yesterday"),
    "no address": (("--resource", "orders"), "is no address"),
    "a table that never was": (("--resource", "Table/never"), "No grant was ever made"),
    "to check and to follow": (("--check", "--follow"), "--check looks at whole logs"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_asked_is_one_message(audit: Audit, what: str) -> None:
    arguments, words = WRONG[what]
    code, told, complaint = audit(*arguments)
    assert (code, told) == (1, "")
    assert words in complaint
