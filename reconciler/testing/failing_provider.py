"""Any provider, failing when told to: the outcome of a call may be unknown (RELIABILITY C5, T3)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from reconciler.testing.fault import Fault, Moment

P = TypeVar("P")


def failing_provider(inner: P, fault: Fault) -> P:
    """``inner`` with the fault's error at the fault's call, before or after that call's effect.

    Every public method counts as a call; attributes and properties pass through. The answer is of a class of its own
    with the same methods, so that a check for a capability (``isinstance(provider, IssuesGrants)``) sees the same.
    """
    members: dict[str, Any] = {}
    for name in dir(type(inner)):
        if not name.startswith("_"):
            is_method = callable(getattr(type(inner), name))
            members[name] = _failing(inner, fault, name) if is_method else property(_passing(inner, name))
    return cast(P, type(f"Failing{type(inner).__name__}", (), members)())


def _passing(inner: object, name: str) -> Callable[[object], Any]:
    return lambda _: getattr(inner, name)


def _failing(inner: object, fault: Fault, name: str) -> Callable[..., Any]:
    method = getattr(inner, name)

    @functools.wraps(method)
    def call(_: object, *arguments: Any, **named: Any) -> Any:
        error = fault.count(name)
        if error is None:
            return method(*arguments, **named)
        if fault.moment is Moment.AFTER:
            method(*arguments, **named)
        raise error

    return call
