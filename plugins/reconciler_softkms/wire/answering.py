"""A public request, taken through: its form checked, its operation carried out, its answer written as JSON takes it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any, Final

from pydantic import ValidationError

from reconciler.access.caller import Caller
from reconciler.errors import UnknownOperationException
from reconciler_softkms.door import Door
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.refusals import refusal
from reconciler_softkms.wire.request import Granted, Used

_SUBJECTS: Final = (
    "keys",
    "tags",
    "aliases",
    "deletion",
    "rotation",
    "replicas",
    "imports",
    "data_keys",
    "data_key_pairs",
    "encryption",
    "signing",
    "public_keys",
    "agreement",
    "macs",
    "randomness",
    "policies",
    "grants",
)


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation, by its public name."""
    found: dict[str, Operation] = {}
    for subject in _SUBJECTS:
        found |= import_module(f"reconciler_softkms.wire.{subject}").OPERATIONS
    return found


def answer(door: Door, caller: Caller, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """See ``AnswersRequests.answer``."""
    operation = operations().get(name)
    if operation is None:
        raise UnknownOperationException(f"There is no operation {name}")
    try:
        # A member that is null is one that was left out, as the public service takes it.
        asked = operation.form.model_validate({name: value for name, value in request.items() if value is not None})
    except ValidationError as error:
        raise refusal(error) from None
    if isinstance(asked, Granted):
        is_trial = isinstance(asked, Used) and bool(asked.dry_run)
        caller = replace(caller, grant_tokens=asked.grant_tokens, dry_run=is_trial)
    return {name: _plain(value) for name, value in operation.answer(door, caller, asked).items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
