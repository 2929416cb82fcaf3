"""Condition operators of the policy language: each turns a written value into a test of a request's value (KM2)."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from reconciler.access.wildcard import ANY, ONE, Matcher, matcher, matches_characters

_ARN_PARTS = 6
_WILDCARDS = {ANY: "*", ONE: "?"}


@dataclass(frozen=True, slots=True)
class Operator:
    """``compile`` raises ValueError for a value that it cannot take. ``negated``: true when no value matches, and so
    also when the request has no such key. ``compile_pattern`` does the same for a value in which variables have been
    resolved, given as ``Template.resolve`` gives it; None: the operator takes no variables."""

    compile: Callable[[str], Matcher]
    negated: bool = False
    compile_pattern: Callable[[Sequence[str]], Matcher] | None = None


def _string_equals(value: str) -> Matcher:
    return value.__eq__


def _string_equals_ignore_case(value: str) -> Matcher:
    folded = value.casefold()
    return lambda text: text.casefold() == folded


def _as_written(pattern: Sequence[str]) -> str:
    """For operators that know no wildcards."""
    return "".join(_WILDCARDS.get(character, character) for character in pattern)


def _equals_pattern(pattern: Sequence[str]) -> Matcher:
    return _as_written(pattern).__eq__


def _equals_ignore_case_pattern(pattern: Sequence[str]) -> Matcher:
    return _string_equals_ignore_case(_as_written(pattern))


def _like_pattern(pattern: Sequence[str]) -> Matcher:
    return lambda text: matches_characters(pattern, text)


def _arn_pattern(pattern: Sequence[str]) -> Matcher:
    parts: list[list[str]] = [[]]
    for character in pattern:
        if character == ":" and len(parts) < _ARN_PARTS:
            parts.append([])
        else:
            parts[-1].append(character)

    def match(text: str) -> bool:
        found = text.split(":", _ARN_PARTS - 1)
        return len(found) == len(parts) == _ARN_PARTS and all(map(matches_characters, parts, found))

    return match


def _binary(value: str) -> Matcher:
    wanted = _decoded(value)

    def match(text: str) -> bool:
        try:
            return _decoded(text) == wanted
        except ValueError:
            return False

    return match


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(text) from None


def _bool(value: str) -> Matcher:
    folded = value.lower()
    if folded not in ("true", "false"):
        raise ValueError(value)
    return lambda text: text.lower() == folded


def _arn(value: str) -> Matcher:
    # Each of the six parts on its own, so that a wildcard does not reach over a colon into the next part.
    parts = value.split(":", _ARN_PARTS - 1)
    if value != "*" and (len(parts) != _ARN_PARTS or parts[0] not in ("arn", "*")):
        raise ValueError(value)
    matchers = [matcher(part) for part in parts]

    def match(text: str) -> bool:
        found = text.split(":", _ARN_PARTS - 1)
        return value == "*" or (
            len(found) == _ARN_PARTS and all(test(part) for test, part in zip(matchers, found, strict=True))
        )

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
    "StringEquals": Operator(_string_equals, compile_pattern=_equals_pattern),
    "StringNotEquals": Operator(_string_equals, True, _equals_pattern),
    "StringEqualsIgnoreCase": Operator(_string_equals_ignore_case, compile_pattern=_equals_ignore_case_pattern),
    "StringNotEqualsIgnoreCase": Operator(_string_equals_ignore_case, True, _equals_ignore_case_pattern),
    "StringLike": Operator(matcher, compile_pattern=_like_pattern),
    "StringNotLike": Operator(matcher, True, _like_pattern),
    "Bool": Operator(_bool),
    "BinaryEquals": Operator(_binary),
    "ArnEquals": Operator(_arn, compile_pattern=_arn_pattern),
    "ArnNotEquals": Operator(_arn, True, _arn_pattern),
    "ArnLike": Operator(_arn, compile_pattern=_arn_pattern),
    "ArnNotLike": Operator(_arn, True, _arn_pattern),
    "IpAddress": Operator(_ip_address),
    "NotIpAddress": Operator(_ip_address, negated=True),
    **_ordered("Numeric", _number),
    **_ordered("Date", _date),
}
