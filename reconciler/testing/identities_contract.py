"""What every key service that keeps identity policies must do; see ``key_contract`` for how to inherit it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, MalformedPolicyDocumentException, ValidationException
from reconciler.testing.key_contract import CONTEXT, new_key


def _allow(action: str, resource: str = "*", effect: str = "Allow") -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource}]}


class HoldsIdentityPoliciesContract:
    """``HoldsIdentityPolicies``: KS4. ``caller`` may change identity policies."""

    def test_what_is_put_is_listed_until_it_is_deleted(self, provider: Any, caller: Caller) -> None:
        app, ana = _holder(provider, "role/app"), _holder(provider, "user/ana")
        for _ in range(2):
            provider.put_identity_policy(caller, app, "uses", _allow("kms:Decrypt"))
        provider.put_identity_policy(caller, app, "looks", _allow("kms:Describe*"))
        provider.put_identity_policy(caller, ana, "uses", _allow("kms:Encrypt"))
        provider.put_identity_policy(caller, ana, "uses", _allow("kms:*"))
        found = [(one.principal, one.name, one.document) for one in provider.list_identity_policies(caller)]
        assert found == [
            (app, "looks", _allow("kms:Describe*")),
            (app, "uses", _allow("kms:Decrypt")),
            (ana, "uses", _allow("kms:*")),
        ]
        assert [one.name for one in provider.list_identity_policies(caller, [app])] == ["looks", "uses"]
        for _ in range(2):
            provider.delete_identity_policy(caller, app, "uses")
        assert [one.name for one in provider.list_identity_policies(caller, [app])] == ["looks"]
        assert provider.list_identity_policies(caller, []) == []

    def test_it_counts_for_the_next_request_where_the_key_policy_delegates(self, provider: Any, caller: Caller) -> None:
        key = new_key(provider, caller)
        app = _holder(provider, "role/app")
        role = Caller(principal=app, account=provider.account)
        session = Caller(
            principal=f"arn:aws:sts::{provider.account}:assumed-role/app/nightly", account=provider.account
        )
        for who in (role, session):
            with pytest.raises(AccessDeniedException):
                provider.encrypt(who, key.arn, b"text", CONTEXT)
        provider.put_identity_policy(caller, app, "uses", _allow("kms:Encrypt", key.arn))
        for who in (role, session):
            assert provider.encrypt(who, key.arn, b"text", CONTEXT)
        with pytest.raises(AccessDeniedException):
            provider.disable_key(role, key.arn)
        provider.put_identity_policy(caller, app, "never", _allow("kms:Encrypt", effect="Deny"))
        with pytest.raises(AccessDeniedException):
            provider.encrypt(session, key.arn, b"text", CONTEXT)
        provider.delete_identity_policy(caller, app, "never")
        assert provider.encrypt(session, key.arn, b"text", CONTEXT)

    def test_what_a_principal_holds_can_be_asked_without_a_permission(self, provider: Any, caller: Caller) -> None:
        app = _holder(provider, "role/app")
        provider.put_identity_policy(caller, app, "uses", _allow("kms:Decrypt"))
        assert list(provider.get_identity_policies(app)) == [_allow("kms:Decrypt")]
        assert list(provider.get_identity_policies(_holder(provider, "role/other"))) == []

    def test_nobody_changes_them_without_the_permission(self, provider: Any, caller: Caller) -> None:
        app = _holder(provider, "role/app")
        who = Caller(principal=_holder(provider, "user/ana"), account=provider.account)
        refusals: tuple[Callable[[], object], ...] = (
            lambda: provider.put_identity_policy(who, app, "uses", _allow("kms:*")),
            lambda: provider.delete_identity_policy(who, app, "uses"),
            lambda: provider.list_identity_policies(who),
        )
        for refused in refusals:
            with pytest.raises(AccessDeniedException):
                refused()
        provider.put_identity_policy(caller, who.principal, "gives", _allow("iam:PutRolePolicy", app))
        provider.put_identity_policy(who, app, "uses", _allow("kms:*"))
        with pytest.raises(AccessDeniedException):
            provider.put_identity_policy(who, who.principal, "gives", _allow("*"))

    def test_what_is_no_policy_or_no_holder_is_refused(self, provider: Any, caller: Caller) -> None:
        app = _holder(provider, "role/app")
        documents: tuple[dict[str, Any], ...] = ({}, {"Statement": []}, _allow("Decrypt"), _with_principal())
        for document in documents:
            with pytest.raises(MalformedPolicyDocumentException):
                provider.put_identity_policy(caller, app, "uses", document)
        strangers = (
            *(_holder(provider, "root"), "redshift.amazonaws.com", "arn:aws:iam::999999999999:role/app"),
            f"arn:aws:sts::{provider.account}:assumed-role/app/nightly",
        )
        for holder in strangers:
            with pytest.raises(ValidationException):
                provider.put_identity_policy(caller, holder, "uses", _allow("kms:*"))
        with pytest.raises(ValidationException):
            provider.put_identity_policy(caller, app, "a name", _allow("kms:*"))
        assert provider.list_identity_policies(caller) == []


def _holder(provider: Any, who: str) -> str:
    return f"arn:aws:iam::{provider.account}:{who}"


def _with_principal() -> dict[str, Any]:
    document = _allow("kms:*")
    document["Statement"][0]["Principal"] = "*"
    return document
