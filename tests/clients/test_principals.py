"""Several principals at one endpoint, each its own ARN and account: who may, who may not, and what is told of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients import keys
from tests.clients.server import ACCOUNT, OTHER_ACCOUNT, OTHER_REGION, REGION, Server, arn_of


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.parametrize("name", ["admin", "app", "auditor", "stranger", "guest"])
def test_everybody_is_told_who_they_are(server: Server, name: str) -> None:
    told = server.client(name, service="sts").get_caller_identity()
    assert told["Arn"] == arn_of(name)
    assert told["Account"] == arn_of(name).split(":")[4]
    assert told["UserId"]


def test_each_account_has_its_own_keys(server: Server, kms: Any) -> None:
    mine, theirs = keys.made(kms), keys.made(server.client("stranger"))
    listed = {key["KeyId"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"]}
    assert mine in listed
    assert theirs not in listed
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=theirs)


def test_another_accounts_key_takes_both_sides(server: Server, kms: Any) -> None:
    """KM7: the key's policy lets the account in, the account's own policies its principals."""
    stranger, guest = server.client("stranger"), server.client("guest")
    key_id = keys.made(kms)
    arn = keys.arn(kms, key_id)
    with pytest.raises(ClientError) as refused:
        stranger.encrypt(KeyId=arn, Plaintext=b"x")
    assert code_of(refused) == "AccessDeniedException"
    shared = keys.allow(f"arn:aws:iam::{OTHER_ACCOUNT}:root", "kms:Encrypt", "kms:Decrypt", "kms:DescribeKey")
    kms.put_key_policy(KeyId=key_id, Policy=keys.policy(shared))
    sealed = stranger.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"a": "b"})
    assert sealed["KeyId"] == arn
    opened = stranger.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"a": "b"}, KeyId=arn)
    assert opened["Plaintext"] == b"x"
    assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"a": "b"})["Plaintext"] == b"x"
    assert stranger.describe_key(KeyId=arn)["KeyMetadata"]["AWSAccountId"] == ACCOUNT
    with pytest.raises(ClientError) as refused:
        guest.encrypt(KeyId=arn, Plaintext=b"x")  # nobody in its own account lets it
    assert code_of(refused) == "AccessDeniedException"


def test_a_ciphertext_of_another_account_opens_without_naming_the_key(server: Server, kms: Any) -> None:
    stranger = server.client("stranger")
    shared = keys.allow(arn_of("stranger"), "kms:Decrypt")
    sealed = kms.encrypt(KeyId=keys.made(kms, Policy=keys.policy(shared)), Plaintext=b"x")["CiphertextBlob"]
    assert stranger.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_a_role_may_what_the_key_policy_says(server: Server, kms: Any) -> None:
    app = server.client("app")
    key_id = keys.made(kms, Policy=keys.policy(keys.allow(arn_of("app"), "kms:Encrypt", "kms:GenerateDataKey*")))
    sealed = app.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    app.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    app.generate_data_key_without_plaintext(KeyId=key_id, KeySpec="AES_256")
    with pytest.raises(ClientError) as refused:
        app.decrypt(CiphertextBlob=sealed)
    assert code_of(refused) == "AccessDeniedException"
    # The public words, and nothing of what the policy says.
    assert refused.value.response["Error"]["Message"] == (
        f"User: {arn_of('app')} is not authorized to perform: kms:Decrypt on resource: {keys.arn(kms, key_id)}"
        " because no identity-based policy allows the kms:Decrypt action"
    )


def test_an_explicit_deny_wins(server: Server, kms: Any) -> None:
    deny = {**keys.allow("*", "kms:Decrypt"), "Effect": "Deny"}
    key_id = keys.made(kms, Policy=keys.policy(keys.allow(arn_of("app"), "kms:*"), deny))
    sealed = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    for name in ("admin", "app"):
        with pytest.raises(ClientError) as refused:
            server.client(name).decrypt(CiphertextBlob=sealed)
        assert code_of(refused) == "AccessDeniedException"
        assert refused.value.response["Error"]["Message"] == (
            f"User: {arn_of(name)} is not authorized to perform: kms:Decrypt on resource: {keys.arn(kms, key_id)}"
            " with an explicit deny in a resource-based policy"
        )


def test_what_the_account_does_not_let_is_told_so(server: Server, kms: Any) -> None:
    key_id = keys.made(kms)  # under the default policy, which delegates to the account
    with pytest.raises(ClientError) as refused:
        server.client("app").describe_key(KeyId=key_id)
    assert refused.value.response["Error"]["Message"] == (
        f"User: {arn_of('app')} is not authorized to perform: kms:DescribeKey on resource: {keys.arn(kms, key_id)}"
        " because no identity-based policy allows the kms:DescribeKey action"
    )


class TestGrants:
    def test_a_grant_lets_in_and_its_end_shuts_out(self, server: Server, kms: Any) -> None:
        app, key_id = server.client("app"), keys.made(kms)
        sealed = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
        grant = kms.create_grant(KeyId=key_id, GranteePrincipal=arn_of("app"), Operations=["Decrypt", "RetireGrant"])
        assert app.decrypt(CiphertextBlob=sealed, GrantTokens=[grant["GrantToken"]])["Plaintext"] == b"x"
        assert app.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
        app.retire_grant(GrantToken=grant["GrantToken"])
        with pytest.raises(ClientError) as refused:
            app.decrypt(CiphertextBlob=sealed)
        assert code_of(refused) == "AccessDeniedException"
        assert kms.list_grants(KeyId=key_id)["Grants"] == []

    def test_a_context_constraint_holds(self, server: Server, kms: Any) -> None:
        app, key_id = server.client("app"), keys.made(kms)
        kms.create_grant(
            KeyId=key_id,
            GranteePrincipal=arn_of("app"),
            Operations=["Encrypt"],
            Constraints={"EncryptionContextSubset": {"tenant": "red"}},
        )
        app.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"tenant": "red", "more": "1"})
        with pytest.raises(ClientError) as refused:
            app.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"tenant": "blue"})
        assert code_of(refused) == "AccessDeniedException"

    def test_a_named_grant_is_made_once(self, kms: Any) -> None:
        key_id = keys.made(kms)
        given = {"KeyId": key_id, "GranteePrincipal": arn_of("app"), "Operations": ["Decrypt"], "Name": "once"}
        first, second = kms.create_grant(**given), kms.create_grant(**given)
        assert first["GrantId"] == second["GrantId"]
        assert len(first["GrantId"]) == 64
        (listed,) = kms.list_grants(KeyId=key_id)["Grants"]
        assert listed["Name"] == "once"
        assert listed["KeyId"] == keys.arn(kms, key_id)
        assert listed["IssuingAccount"] == f"arn:aws:iam::{ACCOUNT}:root"
        assert kms.create_grant(**{**given, "Operations": ["Encrypt"]})["GrantId"] != first["GrantId"]

    def test_a_reviewer_revokes_and_never_uses(self, server: Server, kms: Any) -> None:
        reviewer = keys.allow(arn_of("auditor"), "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant")
        auditor, key_id = server.client("auditor"), keys.made(kms, Policy=keys.policy(reviewer))
        kms.create_grant(KeyId=key_id, GranteePrincipal=arn_of("app"), Operations=["Decrypt"])
        (found,) = auditor.list_grants(KeyId=key_id, GranteePrincipal=arn_of("app"))["Grants"]
        auditor.revoke_grant(KeyId=key_id, GrantId=found["GrantId"])
        assert auditor.list_grants(KeyId=key_id)["Grants"] == []
        with pytest.raises(ClientError) as refused:
            auditor.encrypt(KeyId=key_id, Plaintext=b"x")
        assert code_of(refused) == "AccessDeniedException"


class TestPolicies:
    def test_a_policy_that_locks_its_author_out_is_refused(self, kms: Any) -> None:
        shut = json.dumps({"Version": "2012-10-17", "Statement": [keys.allow(arn_of("app"), "kms:*")]})
        with pytest.raises(kms.exceptions.MalformedPolicyDocumentException):
            kms.create_key(Policy=shut)
        key_id = keys.made(kms)
        with pytest.raises(kms.exceptions.MalformedPolicyDocumentException):
            kms.put_key_policy(KeyId=key_id, Policy=shut)
        kms.put_key_policy(KeyId=key_id, Policy=shut, BypassPolicyLockoutSafetyCheck=True)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            kms.get_key_policy(KeyId=key_id)

    def test_the_default_policy_is_the_public_one(self, kms: Any) -> None:
        told = kms.get_key_policy(KeyId=keys.made(kms), PolicyName="default")
        assert told["PolicyName"] == "default"
        assert json.loads(told["Policy"]) == {
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [
                {
                    "Sid": "Enable IAM User Permissions",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                }
            ],
        }

    def test_a_policy_comes_back_with_all_that_was_written(self, kms: Any) -> None:
        written = json.loads(keys.policy(keys.allow(arn_of("app"), "kms:Decrypt", Sid="the app's")))
        key_id = keys.made(kms, Policy=json.dumps(written, indent=4))
        assert json.loads(kms.get_key_policy(KeyId=key_id)["Policy"]) == written
        kms.put_key_policy(KeyId=key_id, Policy=json.dumps({**written, "Id": "of the team"}))
        assert json.loads(kms.get_key_policy(KeyId=key_id)["Policy"]) == {**written, "Id": "of the team"}


class TestMultiRegion:
    def test_what_is_sealed_here_opens_there(self, kms: Any, abroad: Any) -> None:
        key_id = keys.made(kms, MultiRegion=True)
        assert key_id.startswith("mrk-")
        made = kms.replicate_key(KeyId=key_id, ReplicaRegion=OTHER_REGION)
        assert made["ReplicaKeyMetadata"]["Arn"] == keys.arn(abroad, key_id)
        sealed = kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
        opened = abroad.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"})
        assert opened["Plaintext"] == b"x"
        assert opened["KeyId"] == keys.arn(abroad, key_id)

    def test_a_key_of_one_region_does_not_open_elsewhere(self, kms: Any, abroad: Any) -> None:
        sealed = kms.encrypt(KeyId=keys.made(kms), Plaintext=b"x")["CiphertextBlob"]
        with pytest.raises(ClientError):
            abroad.decrypt(CiphertextBlob=sealed)

    def test_the_primary_moves(self, kms: Any, abroad: Any) -> None:
        key_id = keys.made(kms, MultiRegion=True)
        kms.replicate_key(KeyId=key_id, ReplicaRegion=OTHER_REGION)
        kms.update_primary_region(KeyId=key_id, PrimaryRegion=OTHER_REGION)
        for client, kind in ((kms, "REPLICA"), (abroad, "PRIMARY")):
            told = client.describe_key(KeyId=key_id)["KeyMetadata"]["MultiRegionConfiguration"]
            assert told["MultiRegionKeyType"] == kind
            assert told["PrimaryKey"] == {"Arn": keys.arn(abroad, key_id), "Region": OTHER_REGION}
            assert told["ReplicaKeys"] == [{"Arn": keys.arn(kms, key_id), "Region": REGION}]
