"""sts:GetCallerIdentity, as the Query protocol has it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from reconciler.errors import UnknownOperationException, UnrecognizedClientException
from reconciler.serving import sts
from tests.serving.signing import credential

NS = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/"}


@pytest.mark.parametrize(
    ("principal", "begins", "ends"),
    [
        ("arn:aws:iam::111122223333:root", "111122223333", ""),
        ("arn:aws:iam::111122223333:user/a&b", "AIDA", ""),
        ("arn:aws:iam::111122223333:role/app", "AROA", ""),
        ("arn:aws:sts::111122223333:assumed-role/app/one", "AROA", ":one"),
    ],
)
def test_it_names_the_principal(principal: str, begins: str, ends: str) -> None:
    text = sts.answer(credential(principal=principal), {"Action": "GetCallerIdentity"}, "an-id")
    found = ElementTree.fromstring(text)  # noqa: S314  # our own
    assert found.findtext(".//sts:Arn", namespaces=NS) == principal
    assert found.findtext(".//sts:Account", namespaces=NS) == "111122223333"
    assert found.findtext(".//sts:RequestId", namespaces=NS) == "an-id"
    user_id = found.findtext(".//sts:UserId", namespaces=NS) or ""
    assert user_id.startswith(begins) and user_id.endswith(ends)


def test_a_session_has_its_roles_id_before_its_own_name() -> None:
    role = sts.user_id("arn:aws:iam::111122223333:role/app")
    assert sts.user_id("arn:aws:sts::111122223333:assumed-role/app/one") == f"{role}:one"
    assert len(role) == 21


def test_another_action_is_none() -> None:
    with pytest.raises(UnknownOperationException):
        sts.answer(credential(), {"Action": "AssumeRole"}, "x")


def test_a_refusal_is_told_in_its_own_words() -> None:
    status, text = sts.refusal(UnrecognizedClientException("no <such> token"), "an-id")
    found = ElementTree.fromstring(text)  # noqa: S314  # our own
    assert status == 403
    assert found.findtext(".//sts:Code", namespaces=NS) == "InvalidClientTokenId"
    assert found.findtext(".//sts:Message", namespaces=NS) == "no <such> token"
