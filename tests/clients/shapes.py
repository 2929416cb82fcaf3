"""Every answer of the endpoint against botocore's own model of the service: the members that the public service has, of
their types, none besides."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape


class Seen:
    """What was answered so far: for each operation the paths of all members that were there."""

    def __init__(self) -> None:
        self.members: defaultdict[str, set[str]] = defaultdict(set)
        self.errors: defaultdict[str, set[str]] = defaultdict(set)

    def watch(self, client: Any) -> None:
        """Check and note each answer that ``client`` is given from now on."""
        client.meta.events.register("after-call.kms", self._answered)

    def _answered(self, http_response: Any, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        if http_response.status_code >= 300:
            self.errors[model.name].add(parsed["Error"]["Code"])
            documented = {shape.name for shape in model.error_shapes}
            assert parsed["Error"]["Code"] in documented | FRONT_END, (model.name, parsed["Error"])
            return
        if model.output_shape is None:
            assert http_response.content in (b"", b"{}"), model.name
            return
        self.check(model.name, model.output_shape, json.loads(http_response.content or b"{}"))

    def check(self, operation: str, shape: Shape, answer: Any) -> None:
        """AssertionError where ``answer``, as JSON has it, is not of the shape."""
        _check(operation, shape, answer, "", self.members[operation])


FRONT_END = {
    *("AccessDeniedException", "ValidationException", "SerializationException", "NotAuthorizedException"),
    *("InvalidSignatureException", "IncompleteSignatureException", "UnrecognizedClientException"),
    *("UnknownOperationException", "MissingAuthenticationTokenException"),
}
"""Refusals of the service's front end, which are in no model."""


def _check(operation: str, shape: Shape, value: Any, path: str, seen: set[str]) -> None:
    said = f"{operation}{path}: {value!r} is no {shape.type_name}"
    if isinstance(shape, StructureShape):
        assert isinstance(value, dict), said
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{operation}{path} has {unknown}, which the public service has not"
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{operation}{path} lacks {missing}"
        for name, item in value.items():
            seen.add(f"{path}.{name}")
            _check(operation, shape.members[name], item, f"{path}.{name}", seen)
    elif isinstance(shape, ListShape):
        assert isinstance(value, list), said
        for item in value:
            _check(operation, shape.member, item, f"{path}[]", seen)
    elif isinstance(shape, MapShape):
        assert isinstance(value, dict), said
        for item in value.values():
            _check(operation, shape.value, item, f"{path}{{}}", seen)
    elif isinstance(shape, StringShape):
        assert isinstance(value, str), said
        _check_text(shape, value, said)
    elif shape.type_name == "blob":
        assert isinstance(value, str), said
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            raise AssertionError(said) from None
    elif shape.type_name == "boolean":
        assert isinstance(value, bool), said
    elif shape.type_name == "integer":
        assert isinstance(value, int) and not isinstance(value, bool), said
    else:
        assert shape.type_name == "timestamp", shape.type_name
        assert isinstance(value, (int, float)) and not isinstance(value, bool), said
        assert 1e9 < value < 1e10, f"{said} in seconds since 1970"


def _check_text(shape: StringShape, value: str, said: str) -> None:
    assert not shape.enum or value in shape.enum, said
    assert shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", len(value)), said
    pattern = shape.metadata.get("pattern")
    if pattern:
        assert re.search(pattern.replace("\\p{L}\\p{M}\\p{Z}\\p{S}\\p{N}\\p{P}", "\\W\\w"), value), said


def members_of(shape: Shape | None) -> set[str]:
    """The paths of all members that the public answer can have."""
    found: set[str] = set()
    _walk(shape, "", found)
    return found


def _walk(shape: Shape | None, path: str, found: set[str]) -> None:
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            found.add(f"{path}.{name}")
            _walk(member, f"{path}.{name}", found)
    elif isinstance(shape, ListShape):
        _walk(shape.member, f"{path}[]", found)
    elif isinstance(shape, MapShape):
        _walk(shape.value, f"{path}{{}}", found)
