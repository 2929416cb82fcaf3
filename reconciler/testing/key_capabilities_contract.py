"""The capabilities of a key service, a test class each; see ``key_contract`` for how to inherit them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    AlreadyExistsException,
    DisabledException,
    InvalidAliasNameException,
    NotAuthorizedException,
    NotFoundException,
    ServiceError,
    ValidationException,
)
from reconciler.providers.keys import GrantRequest
from reconciler.testing.key_contract import ABSENT, CONTEXT, CREATE_REFUSALS, described, new_key, tokens


class RotatesKeysContract:
    """``RotatesKeys``: KM10."""

    def test_rotation_keeps_what_was_sealed_before(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        sealed = [provider.encrypt(caller, key.key_id, b"text", CONTEXT)]
        materials = [key.material_id]
        for token in ("r1", "r2"):
            materials.append(provider.rotate_key(caller, key.key_id, token=token))
            sealed.append(provider.encrypt(caller, key.key_id, b"text", CONTEXT))
        assert [provider.decrypt(caller, text, CONTEXT).material_id for text in sealed] == materials
        assert len(set(materials)) == 3
        assert described(provider, caller, key.key_id).material_id == materials[-1]

    def test_the_same_token_rotates_once(self, provider: Any, caller: Caller) -> None:
        key, other = new_key(provider, caller), new_key(provider, caller)
        token = next(tokens)
        first = provider.rotate_key(caller, key.key_id, token=token)
        provider.rotate_key(caller, key.key_id, token=next(tokens))
        assert provider.rotate_key(caller, key.key_id, token=token) == first
        assert provider.rotate_key(caller, other.key_id, token=token) != first, "a token is a key's own"

    def test_the_period_is_kept_and_limited(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        assert key.rotation_period_days is None
        provider.enable_key_rotation(caller, key.key_id, period_days=90)
        assert described(provider, caller, key.key_id).rotation_period_days == 90
        provider.disable_key_rotation(caller, key.key_id)
        assert described(provider, caller, key.key_id).rotation_period_days is None
        for days in (89, 2561):
            with pytest.raises(ValidationException):
                provider.enable_key_rotation(caller, key.key_id, period_days=days)

    def test_a_disabled_key_does_not_rotate(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        provider.disable_key(caller, key.key_id)
        with pytest.raises(DisabledException):
            provider.rotate_key(caller, key.key_id, token=next(tokens))


class NamesKeysContract:
    """``NamesKeys``."""

    def test_an_alias_names_one_key_until_it_is_given_to_another(self, provider: Any, caller: Caller) -> None:
        first, second = new_key(provider, caller), new_key(provider, caller)
        for _ in range(2):
            made = provider.create_alias(caller, "alias/orders/eu", first.key_id)
        assert made.arn == f"arn:aws:kms:{provider.region}:{provider.account}:alias/orders/eu"
        with pytest.raises(AlreadyExistsException):
            provider.create_alias(caller, "alias/orders/eu", second.key_id)
        assert described(provider, caller, "alias/orders/eu").key_id == first.key_id
        provider.update_alias(caller, "alias/orders/eu", second.arn)
        assert described(provider, caller, made.arn).key_id == second.key_id
        provider.create_alias(caller, "alias/other", first.arn)
        assert [alias.name for alias in provider.list_aliases(caller)] == ["alias/orders/eu", "alias/other"]
        (listed,) = provider.list_aliases(caller, ["alias/orders/eu", "alias/none"])
        assert listed.target_key_id == second.key_id
        provider.delete_alias(caller, "alias/other")
        assert provider.generate_data_key(caller, "alias/orders/eu", {}).key_arn == second.arn
        for _ in range(2):
            provider.delete_alias(caller, "alias/orders/eu")
        assert provider.list_aliases(caller) == []
        with pytest.raises(NotFoundException):
            provider.update_alias(caller, "alias/orders/eu", first.key_id)

    @pytest.mark.parametrize("name", ["orders", "alias/", "alias/aws/redshift", "alias/a b", "alias/" + "x" * 251])
    def test_a_bad_name_is_refused(self, provider: Any, caller: Caller, name: str) -> None:
        with pytest.raises((InvalidAliasNameException, ValidationException, NotAuthorizedException)):
            provider.create_alias(caller, name, new_key(provider, caller).key_id)


class HoldsPoliciesContract:
    """``HoldsPolicies``: KM2."""

    def test_a_key_has_the_default_policy_until_another_is_put(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        default = provider.default_key_policy()
        assert provider.get_key_policies(caller, [key.arn, ABSENT]) == {key.arn: default}
        mine = {
            "Version": "2012-10-17",
            "Id": "mine",
            "Statement": [
                *default["Statement"],
                {
                    "Sid": "A Sid with spaces",
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": ["kms:Sign"],
                    "Resource": "*",
                    "Condition": {"Bool": {"kms:GrantIsForAWSResource": True}},
                },
            ],
        }
        provider.put_key_policy(caller, key.key_id, mine)
        assert provider.get_key_policies(caller, [key.key_id]) == {key.key_id: mine}

    def test_a_refused_policy_leaves_the_one_in_force(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        for request, error in CREATE_REFUSALS.values():
            if request.policy is not None:
                with pytest.raises(error):
                    provider.put_key_policy(caller, key.key_id, request.policy)
        assert provider.get_key_policies(caller, [key.key_id]) == {key.key_id: provider.default_key_policy()}


class IssuesGrantsContract:
    """``IssuesGrants``: KM3."""

    def test_a_grant_is_listed_until_it_is_revoked(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        request = GrantRequest(
            key_id=key.key_id,
            grantee_principal=f"arn:aws:iam::{provider.account}:role/reader",
            operations=("Decrypt", "DescribeKey"),
            context_subset={"a": "1"},
            name="orders",
        )
        first = provider.create_grant(caller, request)
        again = provider.create_grant(caller, request)
        assert again.grant_id == first.grant_id, "the same name and request is the same grant"
        (listed,) = provider.list_grants(caller, key.key_id)
        assert (listed.grant_id, listed.key_arn, listed.operations) == (first.grant_id, key.arn, request.operations)
        assert (listed.name, listed.context_subset, listed.context_equals) == ("orders", {"a": "1"}, None)
        for _ in range(2):
            provider.revoke_grant(caller, key.key_id, first.grant_id)
        assert provider.list_grants(caller, key.key_id) == []
        provider.retire_grant(caller, key.key_id, first.grant_id)

    def test_without_a_name_every_call_makes_a_grant(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        request = GrantRequest(key_id=key.arn, grantee_principal=caller.principal, operations=("Decrypt",))
        made = {provider.create_grant(caller, request).grant_id for _ in range(2)}
        assert [grant.grant_id for grant in provider.list_grants(caller, key.arn)] == sorted(made)

    @pytest.mark.parametrize(
        "bad",
        [
            {"operations": ()},
            {"operations": ("Sign",)},
            {"operations": ("Shred",)},
            {"grantee_principal": "two words"},
            {"name": "two words"},
            {"context_subset": {"a": "1"}, "context_equals": {"a": "1"}},
            {"context_subset": {str(number): "" for number in range(9)}},
            {"context_equals": {"a": "1" * 385}},
        ],
        ids=str,
    )
    def test_a_grant_outside_the_permitted_form_is_refused(
        self, provider: Any, caller: Caller, bad: dict[str, Any]
    ) -> None:
        key = new_key(provider, caller)
        good = {"key_id": key.key_id, "grantee_principal": caller.principal, "operations": ("Decrypt",)}
        with pytest.raises(ValidationException):
            provider.create_grant(caller, GrantRequest(**(good | bad)))
        assert provider.list_grants(caller, key.key_id) == []


class OwnsKeysContract:
    """``OwnsKeys``: KM8."""

    def test_a_service_has_one_key_that_is_no_customers(self, provider: Any, caller: Caller) -> None:
        service = caller.via("redshift.amazonaws.com")
        arn = provider.owned_key(service, "redshift.amazonaws.com")
        assert provider.owned_key(service, "redshift.amazonaws.com") == arn
        assert provider.list_keys(caller) == []
        assert provider.generate_data_key(service, arn, {}).key_arn == arn
        other = provider.owned_key(caller.via("cassandra.eu-west-1.amazonaws.com"), "cassandra.eu-west-1.amazonaws.com")
        assert other != arn

    def test_nobody_else_may_use_or_manage_it(self, provider: Any, caller: Caller) -> None:
        service = caller.via("redshift.amazonaws.com")
        arn = provider.owned_key(service, "redshift.amazonaws.com")
        sealed = provider.encrypt(service, arn, b"text", {})
        stranger = caller.via("cassandra.eu-west-1.amazonaws.com")
        calls: list[Callable[[], object]] = [
            lambda: provider.owned_key(caller, "redshift.amazonaws.com"),
            lambda: provider.owned_key(stranger, "redshift.amazonaws.com"),
            lambda: provider.decrypt(caller, sealed, {}),
            lambda: provider.decrypt(stranger, sealed, {}),
            lambda: provider.encrypt(caller, arn, b"text", {}),
            lambda: provider.disable_key(service, arn),
            lambda: provider.schedule_key_deletion(caller, arn, waiting_days=7),
            lambda: provider.put_key_policy(caller, arn, provider.default_key_policy()),
        ]
        for call in calls:
            with pytest.raises(ServiceError) as refused:
                call()
            assert refused.value.code == "AccessDeniedException"
