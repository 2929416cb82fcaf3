"""Condition operators of the policy language: each turns a written value into a test of a request's value (KM2)."""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from reconciler.access.wildcard import Matcher, matcher


@dataclass(frozen=True, slots=True)
class Operator:
    """``compile`` raises ValueError for a value that it cannot take. ``negated``: true when no value matches, and so
    also when the request has no such key."""

    compile: Callable[[str], Matcher]
    negated: bool = False


def _string_equals(value: str) -> Matcher:
    return value.__eq__


def _string_equals_ignore_case(value: str) -> Matcher:
    folded = value.casefold()
    return lambda text: text.casefold() == folded


def _bool(value: str) -> Matcher:
    folded = value.lower()
    if folded not in ("true", "false"):
        raise ValueError(value)
    return lambda text: text.lower() == folded


def _arn(value: str) -> Matcher:
    # Each of the six parts on its own, so that a wildcard does not reach over a colon into the next part.
    parts = value.split(":", 5)
    if value != "*" and (len(parts) != 6 or parts[0] not in ("arn", "*")):
        raise ValueError(value)
    matchers = [matcher(part) for part in parts]

    def match(text: str) -> bool:
        found = text.split(":", 5)
        return value == "*" or (len(found) == 6 and all(test(part) for test, part in zip(matchers, found, strict=True)))

    return match


def _ip_address(value: str) -> Matcher:
    network = ipaddress.ip_network(value, strict=False)

    def match(text: str) -> bool:
        try:
            return ipaddress.ip_address(text) in network
        except ValueError:
            return False

    return match


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite():
        raise ValueError(text)
    return number


def _date(text: str) -> Decimal:
    """Seconds since 1970 of an ISO 8601 date or of the seconds themselves."""
    try:
        return _number(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return Decimal(str((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))


def _compared(parse: Callable[[str], Decimal], compare: Callable[[Decimal, Decimal], bool]) -> Callable[[str], Matcher]:
    def compile_value(value: str) -> Matcher:
        bound = parse(value)

        def match(text: str) -> bool:
            try:
                return compare(parse(text), bound)
            except ValueError:
                return False

        return match

    return compile_value


def _ordered(prefix: str, parse: Callable[[str], Decimal]) -> dict[str, Operator]:
    return {
        f"{prefix}Equals": Operator(_compared(parse, operator.eq)),
        f"{prefix}NotEquals": Operator(_compared(parse, operator.eq), negated=True),
        f"{prefix}LessThan": Operator(_compared(parse, operator.lt)),
        f"{prefix}LessThanEquals": Operator(_compared(parse, operator.le)),
        f"{prefix}GreaterThan": Operator(_compared(parse, operator.gt)),
        f"{prefix}GreaterThanEquals": Operator(_compared(parse, operator.ge)),
    }


OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator(_string_equals),
    "StringNotEquals": Operator(_string_equals, negated=True),
    "StringEqualsIgnoreCase": Operator(_string_equals_ignore_case),
    "StringNotEqualsIgnoreCase": Operator(_string_equals_ignore_case, negated=True),
    "StringLike": Operator(matcher),
    "StringNotLike": Operator(matcher, negated=True),
    "Bool": Operator(_bool),
    "ArnEquals": Operator(_arn),
    "ArnNotEquals": Operator(_arn, negated=True),
    "ArnLike": Operator(_arn),
    "ArnNotLike": Operator(_arn, negated=True),
    "IpAddress": Operator(_ip_address),
    "NotIpAddress": Operator(_ip_address, negated=True),
    **_ordered("Numeric", _number),
    **_ordered("Date", _date),
}
