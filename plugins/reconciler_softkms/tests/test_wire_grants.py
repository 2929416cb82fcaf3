"""CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant in the public API's words (KM3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    DisabledException,
    DryRunOperationException,
    InvalidArnException,
    InvalidGrantIdException,
    InvalidGrantTokenException,
    InvalidMarkerException,
    KMSInvalidStateException,
    NotFoundException,
    SerializationException,
    ServiceError,
    ValidationException,
)
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.asking import Client

ACCOUNT, OTHER = "111122223333", "444455556666"
APP = f"arn:aws:iam::{ACCOUNT}:role/app"
KEEPER = f"arn:aws:iam::{ACCOUNT}:role/keeper"
ABSENT = "0" * 64
Opened = Callable[..., SoftKms]


@pytest.fixture
def client(provider: SoftKms, caller: Caller) -> Client:
    return Client(provider, caller)


@pytest.fixture
def key(provider: SoftKms, caller: Caller) -> str:
    return provider.create_key(caller, KeyRequest(), token="k").arn


def grant(key: str, **members: Any) -> dict[str, Any]:
    return {"KeyId": key, "GranteePrincipal": APP, "Operations": ["Encrypt", "Decrypt"], **members}


def as_app(client: Client) -> Client:
    return Client(client.provider, Caller(principal=APP, account=ACCOUNT))


def listed(client: Client, key: str, **members: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ask("ListGrants", KeyId=key, **members)["Grants"]
    return found


def test_a_grant_is_listed_as_it_was_made(client: Client, key: str) -> None:
    context = {"team": "shop"}
    made = client.ask(
        "CreateGrant",
        **grant(key, RetiringPrincipal=KEEPER, Name="a", Constraints={"EncryptionContextSubset": context}),
    )
    (entry,) = listed(client, key)
    assert isinstance(entry.pop("CreationDate"), float)
    assert entry == {
        "KeyId": key,
        "GrantId": made["GrantId"],
        "Name": "a",
        "GranteePrincipal": APP,
        "RetiringPrincipal": KEEPER,
        "IssuingAccount": f"arn:aws:iam::{ACCOUNT}:root",
        "Operations": ["Encrypt", "Decrypt"],
        "Constraints": {"EncryptionContextSubset": context},
    }
    assert as_app(client).ask(
        "Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext=context, GrantTokens=[made["GrantToken"]]
    )
    with pytest.raises(AccessDeniedException):
        as_app(client).ask("Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"team": "bank"})


def test_a_name_makes_it_one_grant_with_a_fresh_token(client: Client, key: str) -> None:
    first, second = (client.ask("CreateGrant", **grant(key, Name="a")) for _ in range(2))
    assert first["GrantId"] == second["GrantId"]
    assert first["GrantToken"] != second["GrantToken"]
    other = client.ask("CreateGrant", **grant(key, Name="a", Operations=["Encrypt"]))
    unnamed = {client.ask("CreateGrant", **grant(key))["GrantId"] for _ in range(2)}
    assert len({first["GrantId"], other["GrantId"], *unnamed}) == 4


def test_a_grant_that_is_only_tried_is_not_made(client: Client, key: str) -> None:
    with pytest.raises(DryRunOperationException):
        client.ask("CreateGrant", **grant(key, DryRun=True))
    assert listed(client, key) == []
    made = client.ask("CreateGrant", **grant(key))["GrantId"]
    with pytest.raises(DryRunOperationException):
        client.ask("RevokeGrant", KeyId=key, GrantId=made, DryRun=True)
    assert len(listed(client, key)) == 1
    with pytest.raises(AccessDeniedException):
        as_app(client).ask("CreateGrant", **grant(key, DryRun=True))


def test_pages_and_filters(client: Client, key: str) -> None:
    ids = sorted(client.ask("CreateGrant", **grant(key))["GrantId"] for _ in range(5))
    keepers = client.ask("CreateGrant", **grant(key, GranteePrincipal=KEEPER))["GrantId"]
    found, marker = [], None
    while True:
        page = client.ask(
            "ListGrants", KeyId=key, Limit=2, GranteePrincipal=APP, **({"Marker": marker} if marker else {})
        )
        found += [entry["GrantId"] for entry in page["Grants"]]
        if not page["Truncated"]:
            break
        marker = page["NextMarker"]
    assert found == ids
    assert [entry["GrantId"] for entry in listed(client, key, GranteePrincipal=KEEPER)] == [keepers]
    assert [entry["GrantId"] for entry in listed(client, key, GrantId=ids[0])] == [ids[0]]
    assert listed(client, key, GrantId=ids[0], GranteePrincipal=KEEPER) == []
    assert listed(client, key, GrantId=ABSENT) == []
    with pytest.raises(InvalidGrantIdException):
        listed(client, key, GrantId="short")
    with pytest.raises(InvalidMarkerException):
        listed(client, key, Marker="x")
    with pytest.raises(InvalidMarkerException):  # of another list
        client.ask("ListRetirableGrants", RetiringPrincipal=KEEPER, Marker=marker)


def test_retirable_grants_are_those_of_all_keys(client: Client, key: str, provider: SoftKms, caller: Caller) -> None:
    second = provider.create_key(caller, KeyRequest(), token="second").arn
    ids = {client.ask("CreateGrant", **grant(one, RetiringPrincipal=KEEPER))["GrantId"] for one in (key, second)}
    client.ask("CreateGrant", **grant(key, RetiringPrincipal=APP))
    found, marker = [], None
    for _ in range(2):
        page = client.ask(
            "ListRetirableGrants", RetiringPrincipal=KEEPER, Limit=1, **({"Marker": marker} if marker else {})
        )
        found += [entry["GrantId"] for entry in page["Grants"]]
        marker = page.get("NextMarker")
    assert set(found) == ids
    assert marker is None
    with pytest.raises(AccessDeniedException):
        as_app(client).ask("ListRetirableGrants", RetiringPrincipal=KEEPER)


def test_a_grant_ends_by_its_token_or_by_its_id(client: Client, key: str) -> None:
    keeper = Client(client.provider, Caller(principal=KEEPER, account=ACCOUNT))
    made = client.ask("CreateGrant", **grant(key, RetiringPrincipal=KEEPER))
    with pytest.raises(AccessDeniedException):
        as_app(client).ask("RetireGrant", GrantToken=made["GrantToken"])
    keeper.ask("RetireGrant", GrantToken=made["GrantToken"])
    with pytest.raises(NotFoundException):
        keeper.ask("RetireGrant", GrantToken=made["GrantToken"])
    again = client.ask("CreateGrant", **grant(key, Operations=["Encrypt", "RetireGrant"]))
    as_app(client).ask("RetireGrant", KeyId=key, GrantId=again["GrantId"])
    assert listed(client, key) == []


def test_no_policy_keeps_a_retiring_principal_from_giving_back(client: Client, key: str) -> None:
    document = json.loads(client.ask("GetKeyPolicy", KeyId=key)["Policy"])
    deny = {"Effect": "Deny", "Principal": {"AWS": KEEPER}, "Action": "kms:RetireGrant", "Resource": "*"}
    document["Statement"].append(deny)
    client.ask("PutKeyPolicy", KeyId=key, Policy=json.dumps(document))
    made = client.ask("CreateGrant", **grant(key, RetiringPrincipal=KEEPER))
    keeper = Client(client.provider, Caller(principal=KEEPER, account=ACCOUNT))
    keeper.ask("RetireGrant", KeyId=key, GrantId=made["GrantId"])
    assert listed(client, key) == []


def test_access_that_rested_on_a_grant_ends_with_it(client: Client, key: str) -> None:
    made = client.ask("CreateGrant", **grant(key))
    sealed = as_app(client).ask("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    client.ask("RevokeGrant", KeyId=key, GrantId=made["GrantId"])
    with pytest.raises(AccessDeniedException):
        as_app(client).ask("Decrypt", CiphertextBlob=sealed, GrantTokens=[made["GrantToken"]])
    with pytest.raises(NotFoundException):
        client.ask("RevokeGrant", KeyId=key, GrantId=made["GrantId"])
    client.provider.revoke_grant(client.caller, key, made["GrantId"])  # in process, gone is what was asked for


def test_a_grant_of_another_accounts_key(opened: Opened, client: Client, key: str) -> None:
    """KM7: made, listed and revoked by the key's ARN, behind the key's own door."""
    theirs = f"arn:aws:iam::{OTHER}:role/admin"

    document = json.loads(client.ask("GetKeyPolicy", KeyId=key)["Policy"])
    named = {"Effect": "Allow", "Principal": {"AWS": theirs}, "Action": "kms:*Grant*", "Resource": "*"}
    document["Statement"].append(named)
    client.ask("PutKeyPolicy", KeyId=key, Policy=json.dumps(document))
    abroad = Client(opened(account=OTHER, administrators=[theirs]), Caller(principal=theirs, account=OTHER))
    made = abroad.ask("CreateGrant", **grant(key, GranteePrincipal=theirs))
    assert [entry["GrantId"] for entry in listed(abroad, key)] == [made["GrantId"]]
    assert listed(client, key)[0]["IssuingAccount"] == f"arn:aws:iam::{ACCOUNT}:root"
    abroad.ask("RevokeGrant", KeyId=key, GrantId=made["GrantId"])
    assert listed(client, key) == []


def test_a_grant_to_a_service_for_one_resource(client: Client, key: str) -> None:
    source = f"arn:aws:redshift:eu-west-1:{ACCOUNT}:cluster:one"
    members = {
        "KeyId": key,
        "Operations": ["Decrypt"],
        "GranteeServicePrincipal": "redshift.amazonaws.com",
        "RetiringServicePrincipal": "redshift.amazonaws.com",
        "Constraints": {"SourceArn": source},
    }
    client.ask("CreateGrant", **members)
    (entry,) = listed(client, key, GranteeServicePrincipal="redshift.amazonaws.com")
    assert (entry["GranteeServicePrincipal"], entry["RetiringServicePrincipal"]) == ("redshift.amazonaws.com",) * 2
    assert entry["Constraints"] == {"SourceArn": source}
    assert "GranteePrincipal" not in entry
    service = Client(client.provider, Caller(principal="redshift.amazonaws.com", account=ACCOUNT))
    sealed = client.ask("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(AccessDeniedException):  # no request says which resource it is for
        service.ask("Decrypt", CiphertextBlob=sealed)
    wrongs: list[dict[str, Any]] = [
        {"Constraints": {}},
        {"RetiringServicePrincipal": None},
        {"GranteePrincipal": APP},
    ]
    for wrong in wrongs:
        with pytest.raises(ValidationException):
            client.ask(
                "CreateGrant", **{name: value for name, value in {**members, **wrong}.items() if value is not None}
            )


REFUSED: dict[str, tuple[str, dict[str, Any], type[ServiceError]]] = {
    "no operations": ("CreateGrant", {"Operations": []}, ValidationException),
    "an operation that there is not": ("CreateGrant", {"Operations": ["Eat"]}, ValidationException),
    "an operation of another kind of key": ("CreateGrant", {"Operations": ["Sign"]}, ValidationException),
    "operations of another type": ("CreateGrant", {"Operations": "Decrypt"}, SerializationException),
    "no grantee": ("CreateGrant", {"GranteePrincipal": None}, ValidationException),
    "a grantee that cannot be one": ("CreateGrant", {"GranteePrincipal": "a b"}, ValidationException),
    "a grantee that is no principal": ("CreateGrant", {"GranteePrincipal": "arn:aws:s3:::bucket"}, InvalidArnException),
    "a grantee that is a bare name": ("CreateGrant", {"GranteePrincipal": "ana"}, InvalidArnException),
    "a retiring principal that is none": ("CreateGrant", {"RetiringPrincipal": "ana"}, InvalidArnException),
    "a name with a blank": ("CreateGrant", {"Name": "a b"}, ValidationException),
    "both constraints": (
        "CreateGrant",
        {"Constraints": {"EncryptionContextSubset": {"a": "1"}, "EncryptionContextEquals": {"a": "1"}}},
        ValidationException,
    ),
    "an empty constraint": ("CreateGrant", {"Constraints": {"EncryptionContextSubset": {}}}, ValidationException),
    "nine pairs": (
        "CreateGrant",
        {"Constraints": {"EncryptionContextEquals": {str(n): "x" for n in range(9)}}},
        ValidationException,
    ),
    "a long value": (
        "CreateGrant",
        {"Constraints": {"EncryptionContextEquals": {"a": "x" * 385}}},
        ValidationException,
    ),
    "a constraint of another type": (
        "CreateGrant",
        {"Constraints": {"EncryptionContextEquals": {"a": 1}}},
        SerializationException,
    ),
    "a made-up token": ("CreateGrant", {"GrantTokens": ["x"]}, InvalidGrantTokenException),
    "eleven tokens": ("CreateGrant", {"GrantTokens": ["x"] * 11}, ValidationException),
    "an absent key": ("CreateGrant", {"KeyId": "0f0f0f0f-1111-4222-8333-444455556666"}, NotFoundException),
    "a wrong ARN": ("CreateGrant", {"KeyId": "arn:aws:kms:eu-west-1:111122223333:x/y"}, InvalidArnException),
    "revoking an absent one": ("RevokeGrant", {"GrantId": ABSENT}, NotFoundException),
    "revoking what is no id": ("RevokeGrant", {"GrantId": "x"}, InvalidGrantIdException),
    "retiring an absent one": ("RetireGrant", {"GrantId": ABSENT}, NotFoundException),
    "retiring what is no id": ("RetireGrant", {"GrantId": "x"}, InvalidGrantIdException),
    "retiring by a made-up token": ("RetireGrant", {"GrantToken": "x", "KeyId": None}, InvalidGrantTokenException),
    "retiring by token and id": ("RetireGrant", {"GrantToken": "x", "GrantId": ABSENT}, ValidationException),
    "retiring nothing": ("RetireGrant", {"KeyId": None}, ValidationException),
    "retirable by nobody": ("ListRetirableGrants", {}, ValidationException),
    "retirable by a bare name": ("ListRetirableGrants", {"RetiringPrincipal": "ana"}, InvalidArnException),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_request_outside_the_form_is_refused(client: Client, key: str, what: str) -> None:
    operation, members, error = REFUSED[what]
    usual = grant(key) if operation == "CreateGrant" else {"KeyId": key}
    asked = {name: value for name, value in {**usual, **members}.items() if value is not None}
    with pytest.raises(error):
        client.ask(operation, **asked)
    assert listed(client, key) == []


def test_a_key_that_cannot_be_used_takes_no_grant_but_lets_grants_end(
    client: Client, key: str, provider: SoftKms, caller: Caller
) -> None:
    made = client.ask("CreateGrant", **grant(key))
    provider.disable_key(caller, key)
    with pytest.raises(DisabledException):
        client.ask("CreateGrant", **grant(key))
    provider.schedule_key_deletion(caller, key, waiting_days=7)
    with pytest.raises(KMSInvalidStateException):
        client.ask("CreateGrant", **grant(key))
    client.ask("RevokeGrant", KeyId=key, GrantId=made["GrantId"])
    assert listed(client, key) == []


@pytest.mark.parametrize(
    ("role", "counts"), [("service/app", True), ("a/b/app", True), ("app/other", False), ("other/wrapp", False)]
)
def test_a_grant_to_a_role_with_a_path_counts_for_its_sessions(
    client: Client, key: str, role: str, counts: bool
) -> None:
    client.ask("CreateGrant", **grant(key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/{role}"))
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/nightly"
    asking = Client(client.provider, Caller(principal=session, account=ACCOUNT))
    if counts:
        assert asking.ask("Encrypt", KeyId=key, Plaintext="aGk=")["KeyId"] == key
        return
    with pytest.raises(AccessDeniedException):
        asking.ask("Encrypt", KeyId=key, Plaintext="aGk=")
