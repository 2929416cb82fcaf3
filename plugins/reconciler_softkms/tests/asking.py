"""A client that speaks to a key service in the public API's words; both sides are held to its published model."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, Shape

from reconciler.access.caller import Caller
from reconciler_softkms import SoftKms


@cache
def operation_model(name: str) -> OperationModel:
    """The published model of an operation."""
    return botocore.session.get_session().get_service_model("kms").operation_model(name)


@dataclass(frozen=True, slots=True)
class Client:
    """Asks as ``caller``. Blobs go in and come out as bytes."""

    provider: SoftKms
    caller: Caller

    def ask(self, operation: str, /, **members: Any) -> dict[str, Any]:
        """The answer, every member of which is one of the model's, and of its type."""
        request = {name: _written(value) for name, value in members.items()}
        answer = json.loads(json.dumps(self.provider.answer(self.caller, operation, request)))
        return _read(operation_model(operation).output_shape, answer)


def _written(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "timestamp": (int, float),
    "blob": str,
    "list": list,
    "map": dict,
    "structure": dict,
}


def _read(shape: Shape | None, answer: Mapping[str, Any]) -> dict[str, Any]:
    members: Mapping[str, Shape] = {} if shape is None else shape.members
    return {name: _value(members[name], value) for name, value in answer.items()}


def _value(shape: Shape, value: Any) -> Any:
    assert _is_a(value, shape.type_name), (shape.name, value)
    if shape.type_name == "string" and getattr(shape, "enum", ()):
        assert value in shape.enum, (shape.name, value)
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "structure":
        return _read(shape, value)
    if shape.type_name == "list":
        return [_value(shape.member, each) for each in value]
    return value


def _is_a(value: Any, type_name: str) -> bool:
    return isinstance(value, _TYPES[type_name])
