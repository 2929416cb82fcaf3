"""The CQL types: which values a column takes, how they are written inside a sealed row, how they are ordered.

A value may be given as Python's own (``datetime``, ``UUID``, ``Decimal``, ``bytes`` …) or as CQL writes it in text; it
is read back as Python's own. Messages name the column and the type, never the value: it is data (I19).
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final
from uuid import UUID

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CqlType:
    """One type. ``encode`` takes a value to what JSON holds (ValueError says what it expected); ``decode`` takes that
    back; ``order`` is what the decoded values sort by; ``identity`` is what equal keys have in common."""

    encode: Callable[[Any], str | int | bool]
    decode: Callable[[Any], Any]
    order: Callable[[Any], Any]
    identity: Callable[[Any], str | int | bool]


def _type(
    encode: Callable[[Any], str | int | bool],
    decode: Callable[[Any], Any],
    order: Callable[[Any], Any] = lambda value: value,
    identity: Callable[[Any], str | int | bool] | None = None,
) -> CqlType:
    return CqlType(encode, decode, order, identity or encode)


def _integer(bits: int | None) -> Callable[[Any], int]:
    def encode(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("a whole number")
        if bits is not None and not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise ValueError(f"a whole number of {bits} bits")
        return value

    return encode


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("text that UTF-8 can write") from None
    return value


def _ascii(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii():
        raise ValueError("ASCII text")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _blob(value: Any) -> str:
    if isinstance(value, str) and value.startswith("0x"):
        try:
            value = bytes.fromhex(value[2:])
        except ValueError:
            raise ValueError("bytes, or 0x and hexadecimal digits") from None
    if not isinstance(value, bytes | bytearray | memoryview):
        raise ValueError("bytes, or 0x and hexadecimal digits")
    return base64.b64encode(bytes(value)).decode()


def _floating(bits: int) -> Callable[[Any], str]:
    def encode(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("a number")
        try:
            number = float(value)
            if bits == 32:
                (number,) = struct.unpack(">f", struct.pack(">f", number))
        except OverflowError:
            raise ValueError(f"a number that {bits} bits can hold") from None
        return number.hex()

    return encode


def _floating_order(value: float) -> tuple[bool, float]:
    return math.isnan(value), 0.0 if math.isnan(value) else value


def _decimal(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("a decimal number, or its text")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("a decimal number, or its text") from None
    if not number.is_finite():
        raise ValueError("a finite decimal number")
    return str(number)


def _decimal_identity(value: Any) -> str:
    """1.0 and 1.00 are one key. Not ``normalize``, which rounds to the context's precision."""
    number = Decimal(_decimal(value))
    sign, digits, exponent = number.as_tuple()
    power = int(exponent)  # finite, so never "n", "N" or "F"
    while len(digits) > 1 and digits[-1] == 0:
        digits, power = digits[:-1], power + 1
    return str(Decimal((sign, digits, power))) if number else "0"


def _uuid(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = UUID(value)
        except ValueError:
            raise ValueError("a UUID, or its text") from None
    if not isinstance(value, UUID):
        raise ValueError("a UUID, or its text")
    return str(value)


def _timeuuid(value: Any) -> str:
    text = _uuid(value)
    if UUID(text).version != 1:
        raise ValueError("a UUID of version 1")
    return text


def _timeuuid_order(value: UUID) -> tuple[int, bytes]:
    return value.time, value.bytes


def _timestamp(value: Any) -> int:
    """Milliseconds since 1970, as CQL keeps it."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("a date and time with its zone, in ISO 8601") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a date and time with its zone")
        return (value - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            _from_milliseconds(value)
        except OverflowError:
            raise ValueError("milliseconds since 1970 within the years 1 to 9999") from None
        return value
    raise ValueError("a date and time with its zone, or milliseconds since 1970")


def _from_milliseconds(value: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=value)


def _date(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise ValueError("a date (YYYY-MM-DD)") from None
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError("a date (YYYY-MM-DD)")
    return value.isoformat()


def _time(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            raise ValueError("a time of day (HH:MM:SS)") from None
    if not isinstance(value, time) or value.tzinfo is not None:
        raise ValueError("a time of day (HH:MM:SS)")
    return value.isoformat()


def _inet(value: Any) -> str:
    if not isinstance(value, str | IPv4Address | IPv6Address):
        raise ValueError("an IP address")
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("an IP address") from None


_TEXT: Final = _type(_text, str, lambda value: value.encode())

TYPES: Final[dict[str, CqlType]] = {
    "ascii": _type(_ascii, str),
    "bigint": _type(_integer(64), int),
    "blob": _type(_blob, base64.b64decode),
    "boolean": _type(_boolean, bool),
    "date": _type(_date, date.fromisoformat),
    "decimal": _type(_decimal, Decimal, identity=_decimal_identity),
    "double": _type(_floating(64), float.fromhex, _floating_order),
    "float": _type(_floating(32), float.fromhex, _floating_order),
    "inet": _type(_inet, ip_address, lambda value: (value.version, value.packed)),
    "int": _type(_integer(32), int),
    "smallint": _type(_integer(16), int),
    "text": _TEXT,
    "time": _type(_time, time.fromisoformat),
    "timestamp": _type(_timestamp, _from_milliseconds),
    "timeuuid": _type(_timeuuid, UUID, _timeuuid_order),
    "tinyint": _type(_integer(8), int),
    "uuid": _type(_uuid, UUID, lambda value: value.bytes),
    "varchar": _TEXT,
    "varint": _type(_integer(None), int),
}
