"""Every documented error of every operation comes about, under its public name."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from tests.clients import erring, sound
from tests.counts import count

MODEL = botocore.session.get_session().get_service_model("kms")
PAIRS = list(erring.documented(MODEL))
RAISED = [pair for pair in PAIRS if erring.why_not(*pair) is None]


@pytest.mark.parametrize(("operation", "error"), RAISED)
def test_the_documented_error_comes_about(kms: Any, operation: str, error: str) -> None:
    request = erring.how(operation, error)(kms)
    with pytest.raises(ClientError) as refused:
        sound.call(kms, operation, request)
    assert refused.value.response["Error"]["Code"] == error
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refused.value.response["ResponseMetadata"]["RequestId"]
    count("clients", errors=1)


def test_what_never_comes_about_is_documented_somewhere() -> None:
    named = {(operation, error) for operation, error in erring.NOT_RAISED if operation != "*"}
    assert named <= set(PAIRS)
    assert {error for operation, error in erring.NOT_RAISED if operation == "*"} <= {error for _, error in PAIRS}
    count("clients", errors_left_out=len(PAIRS) - len(RAISED))


WITH_A_GRANT = [name for name in sound.SOUND if "GrantTokens" in MODEL.operation_model(name).input_shape.members]


@pytest.mark.parametrize("operation", WITH_A_GRANT)
def test_who_may_not_is_denied_by_name_and_key(server: Any, kms: Any, operation: str) -> None:
    request = sound.SOUND[operation](kms)
    with pytest.raises(ClientError) as refused:
        sound.call(server.client("auditor"), operation, request)
    error = refused.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert "user/auditor is not authorized to perform: kms:" in error["Message"]
