"""Who may do what with a key, asked without using it (CONTRACT 3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler import views
from reconciler.access.actions import ON_A_KEY
from reconciler.cli import main
from tests.planning.test_lockout import OPEN, PROVIDERS, TABLES, deny, policy, table
from tests.world import World, document

APP = "arn:aws:iam::111122223333:role/app"
APP_MAY = f'{{Sid: App, Effect: Allow, Principal: {{AWS: "{APP}"}}, Action: "kms:Decrypt", Resource: "*"}}'
ORDERS = ("--context", "aws:cassandra:keyspaceName=books", "--context", "aws:cassandra:tableName=orders")
SCHEMA = Path(views.__file__).parent / "schemas" / "access-check.json"
Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    world = World(tmp_path)
    world.declare(PROVIDERS + document("Key", "main") + table() + policy(OPEN, APP_MAY))
    world.apply()
    world.declare(PROVIDERS + document("Key", "main") + document("Key", "new") + table() + policy(OPEN))

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["-C", str(tmp_path), "access", "check", *arguments])
        return code, capsys.readouterr().out

    return run


def test_the_statement_that_decides_is_named(check: Check) -> None:
    code, told = check(APP, "kms:Decrypt", "Key/main")
    assert code == 0
    assert f"{APP} may kms:Decrypt with Key/main" in told
    assert 'statement "App"' in told


def test_the_closest_miss_is_named(check: Check) -> None:
    _, told = check(APP, "Encrypt", "main")
    assert "may not kms:Encrypt" in told
    assert 'statement "Account" of the key policy allows kms:Encrypt only together with an identity policy' in told


@pytest.mark.parametrize("key", ["main", "key/main", "Key/main"])
def test_the_key_is_called_by_its_address_however_it_was_typed(check: Check, key: str) -> None:
    assert json.loads(check(APP, "Decrypt", key, "--format", "json")[1])["key"] == "Key/main"


def test_planned_policies_count_when_asked_for(check: Check) -> None:
    _, told = check(APP, "Decrypt", "Key/main", "--as-planned")
    assert "may not kms:Decrypt with Key/main, once the plan is carried out" in told


def test_a_key_that_is_yet_to_be_made_has_an_answer_as_planned_only(check: Check) -> None:
    assert check("arn:aws:iam::111122223333:role/platform", "Decrypt", "Key/new", "--as-planned")[0] == 0
    assert check("arn:aws:iam::111122223333:role/platform", "Decrypt", "Key/new")[0] == 1


def test_a_grant_is_found_by_its_context_and_told_in_json(check: Check) -> None:
    account = ("--context", "aws:cassandra:subscriberId=111122223333")
    found: Any = json.loads(check(TABLES, "Decrypt", "Key/main", *ORDERS, *account, "--format", "json")[1])
    assert (found["allowed"], found["source"], len(found["grantId"])) == (True, "grant", 64)
    missed: Any = json.loads(check(TABLES, "Decrypt", "Key/main", "--format", "json")[1])
    assert (missed["allowed"], missed["source"]) == (False, "nothing")
    assert "but not under the terms of this request" in missed["reason"]


@pytest.mark.parametrize(
    "arguments",
    [
        (APP, "Decrypt", "Table/orders"),
        (APP, "Decrypt", "Key/nowhere"),
        (APP, "Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/none"),
        (APP, "Decrypt", "arn:aws:kms:us-east-1:111122223333:key/none"),
        (APP, "Decrypt", "Key/main", "--context", "nothing"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_error(check: Check, arguments: tuple[str, ...]) -> None:
    assert check(*arguments)[0] == 1


def test_a_deny_through_a_service_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path)
    only = deny('"kms:CreateGrant"', condition=f'{{StringNotEquals: {{"kms:ViaService": {TABLES}}}}}')
    world.declare(PROVIDERS + document("Key", "main") + policy(OPEN, only))
    world.apply()
    platform = "arn:aws:iam::111122223333:role/platform"
    main(["-C", str(tmp_path), "access", "check", platform, "CreateGrant", "Key/main"])
    assert 'statement "No" of the key policy denies kms:CreateGrant' in capsys.readouterr().out
    main(["-C", str(tmp_path), "access", "check", platform, "CreateGrant", "Key/main", "--via", TABLES])
    assert f"{platform} through {TABLES} may kms:CreateGrant" in capsys.readouterr().out


def test_every_statement_and_grant_is_explained_when_asked_for(check: Check) -> None:
    _, text = check(APP, "Encrypt", "main", "--explain")
    assert 'key policy, statement "App" (Allow): it does not name kms:Encrypt' in text
    _, out = check(APP, "Encrypt", "main", "--explain", "--format", "json")
    document = json.loads(out)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert [one["outcome"] for one in document["trace"]["keyPolicy"]] == ["delegates", "other-action"]


def test_what_an_identity_policy_lets_depends_on_the_principals_tags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = (
        "{Version: '2012-10-17', Statement: [{Sid: own, Effect: Allow, Action: 'kms:Decrypt', Resource: '*',"
        " Condition: {StringEquals: {'kms:EncryptionContext:team': '${aws:PrincipalTag/team}'}}}]}"
    )
    world = World(tmp_path)
    world.declare(PROVIDERS + document("Key", "main"))
    world.apply()
    world.declare(PROVIDERS + document("Key", "main") + document("IdentityPolicy", "own", principal=APP, document=own))
    arguments = ("-C", str(tmp_path), "access", "check", APP, "Decrypt", "main", "--context", "team=shop")
    told = {}
    for more in ((), ("--as-planned",), ("--as-planned", "--tag", "team=bank"), ("--as-planned", "--tag", "team=shop")):
        capsys.readouterr()
        assert main([*arguments, *more]) == 0
        told[more] = " may kms:Decrypt" in capsys.readouterr().out
    assert list(told.values()) == [False, False, False, True]


@pytest.mark.parametrize(
    ("who", "action", "told"),
    [
        (APP, "kms:Decrpyt", '"kms:Decrpyt" is no action on a key'),
        (APP, "nonsense", '"nonsense" is no action on a key'),
        ("notarn", "kms:Decrypt", '"notarn" is not the ARN of a principal'),
    ],
)
def test_a_slip_of_the_pen_is_no_answer(  # noqa: PLR0917  # a table and its fixtures
    check: Check, capsys: pytest.CaptureFixture[str], who: str, action: str, told: str, tmp_path: Path
) -> None:
    assert main(["-C", str(tmp_path), "access", "check", who, action, "Key/main"]) == 1
    assert told in capsys.readouterr().err


def test_the_actions_are_those_of_the_services_operations() -> None:
    from reconciler_softkms.wire.answering import operations

    of_the_account = {"CreateKey", "ListKeys", "ListAliases", "ListRetirableGrants", "GenerateRandom"}
    named = (operations().keys() - of_the_account - {"ReEncrypt"}) | {"ReEncryptFrom", "ReEncryptTo"}
    assert named | {"SynchronizeMultiRegionKey"} == ON_A_KEY
