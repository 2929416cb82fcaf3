"""What an intent remembers of its step: the facts it was planned on, as JSON values. A step holds no secret (I19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from reconciler.model.address import Address
from reconciler.model.change import Step
from reconciler.resources.reference import Reference

_PLAIN = frozenset({str, int, float, bool})
_NAMES: dict[type[Step], tuple[str, ...]] = {}
_OF_EVERY_STEP = frozenset({"id", "summary", "reversible", "address", "provider"})


def facts(step: Step) -> dict[str, Any]:
    """The step's own fields."""
    step_class = type(step)
    if step_class not in _NAMES:
        _NAMES[step_class] = tuple(field.name for field in fields(step) if field.name not in _OF_EVERY_STEP)
    return {name: _plain(getattr(step, name)) for name in _NAMES[step_class]}


def named(facts: Any) -> tuple[Address, ...]:
    """The resources that a step's facts name, as ``facts`` wrote them down."""
    if isinstance(facts, Mapping):
        address = facts.get("address")
        if facts.keys() == {"address", "arn"}:
            return () if address is None else (Address(address),)
        return tuple(found for value in facts.values() for found in named(value))
    if isinstance(facts, list):
        return tuple(found for value in facts for found in named(value))
    return ()


def _plain(value: Any) -> Any:
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | int | float):  # a subclass, such as Address
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    if isinstance(value, Reference):
        return {"address": value.address, "arn": value.arn}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"a step may not carry a {type(value).__name__}")
