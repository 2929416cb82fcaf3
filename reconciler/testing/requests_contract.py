"""What every key service that is put on the network must do (``AnswersRequests``, ``ChecksItself``): inherit
``AnswersRequestsContract``, give it a ``provider`` that is empty and a ``caller`` that may do everything there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.access.caller import Caller, Origin
from reconciler.errors import (
    NotFoundException,
    SerializationException,
    ServiceError,
    UnknownOperationException,
    ValidationException,
)
from reconciler.providers.keys import KeyRequest
from reconciler.providers.requests import AnswersRequests, ChecksItself

STRANGER = Caller(principal="arn:aws:iam::444455556666:user/stranger", account="444455556666")
ORIGIN = Origin(
    address="192.0.2.7", user_agent="contract", access_key_id="AKIACONTRACT", is_encrypted=True, request_id=bytes(16)
)


class AnswersRequestsContract:
    """``AnswersRequests`` and ``ChecksItself``."""

    def test_it_answers_requests_and_checks_itself(self, provider: Any) -> None:
        assert isinstance(provider, AnswersRequests)
        assert isinstance(provider, ChecksItself)
        assert "DescribeKey" in provider.operations

    def test_what_is_in_process_is_what_the_network_sees(self, provider: Any, caller: Caller) -> None:
        made = provider.create_key(caller, KeyRequest(description="one door"), token="t")
        found = provider.answer(replace(caller, origin=ORIGIN), "DescribeKey", {"KeyId": made.key_id})["KeyMetadata"]
        assert (found["Arn"], found["Description"], found["Enabled"]) == (made.arn, "one door", True)
        assert found["CreationDate"] == pytest.approx(made.created_at.timestamp())

    def test_an_answer_is_json_as_it_stands(self, provider: Any, caller: Caller) -> None:
        made = provider.create_key(caller, KeyRequest(), token="t")
        for operation, request in (
            ("DescribeKey", {"KeyId": made.arn}),
            ("GenerateDataKey", {"KeyId": made.key_id, "KeySpec": "AES_256", "EncryptionContext": {"a": "b"}}),
        ):
            json.dumps(provider.answer(replace(caller, origin=ORIGIN), operation, request), allow_nan=False)

    @pytest.mark.parametrize(
        ("operation", "request_", "refusal"),
        [
            ("Mine", {}, UnknownOperationException),
            ("describe_key", {}, UnknownOperationException),
            ("__class__", {}, UnknownOperationException),
            ("DescribeKey", {}, ValidationException),
            ("DescribeKey", {"KeyId": None}, ValidationException),
            ("DescribeKey", {"KeyId": 1}, SerializationException),
            ("DescribeKey", {"KeyId": ["a"]}, SerializationException),
            ("DescribeKey", {"KeyId": "x" * 3000}, ValidationException),
            ("DescribeKey", {"KeyId": "alias/none"}, NotFoundException),
            ("GenerateDataKey", {"KeyId": "a", "EncryptionContext": {"a": 1}}, SerializationException),
        ],
    )
    def test_a_request_outside_the_form_is_refused_in_public_words(
        self, provider: Any, caller: Caller, operation: str, request_: Mapping[str, Any], refusal: type[ServiceError]
    ) -> None:
        with pytest.raises(refusal):
            provider.answer(replace(caller, origin=ORIGIN), operation, request_)

    def test_a_member_that_is_null_was_left_out(self, provider: Any, caller: Caller) -> None:
        made = provider.create_key(caller, KeyRequest(), token="t")
        request = {"KeyId": made.key_id, "GrantTokens": None}
        assert provider.answer(replace(caller, origin=ORIGIN), "DescribeKey", request)

    def test_a_member_that_nobody_knows_is_passed_over(self, provider: Any, caller: Caller) -> None:
        made = provider.create_key(caller, KeyRequest(), token="t")
        assert provider.answer(replace(caller, origin=ORIGIN), "DescribeKey", {"KeyId": made.key_id, "Tomorrow": True})

    def test_who_may_not_is_denied(self, provider: Any, caller: Caller) -> None:
        made = provider.create_key(caller, KeyRequest(), token="t")
        with pytest.raises(ServiceError) as refused:
            provider.answer(STRANGER, "GenerateDataKey", {"KeyId": made.arn, "KeySpec": "AES_256"})
        assert refused.value.code == "AccessDeniedException"

    def test_a_check_makes_nothing_and_can_be_repeated(self, provider: Any, caller: Caller) -> None:
        provider.check_readiness()
        provider.check_readiness()
        provider.create_key(caller, KeyRequest(), token="t")
        provider.check_readiness()
