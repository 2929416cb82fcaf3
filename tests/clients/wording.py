"""A refusal of the endpoint, held against the public service's own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients import sound
from tests.clients.server import ACCOUNT, REGION

Case = tuple[str, Callable[[Any], Any], str, str]
"""An operation, what makes its request, the error's code, and a pattern that is all of its message."""
HERE = f"arn:aws:kms:{REGION}:{ACCOUNT}"


def is_refused(kms: Any, case: Case) -> None:
    operation, make, code, pattern = case
    request = make(kms)
    # The client's own checks of limits and enumerations would keep some of these from being sent.
    with pytest.raises(ClientError) as refused:
        sound.call(kms, operation, request)
    error = refused.value.response["Error"]
    assert error["Code"] == code
    assert re.fullmatch(pattern, error.get("Message", ""), re.DOTALL), error["Message"]
