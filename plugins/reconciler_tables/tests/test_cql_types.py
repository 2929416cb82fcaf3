"""Values survive their encoding, keys that are equal have one identity, order is the type's own."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler_tables.cql_types import TYPES

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "ascii": st.text(st.characters(max_codepoint=127)),
    "bigint": st.integers(-(1 << 63), (1 << 63) - 1),
    "blob": st.binary(),
    "boolean": st.booleans(),
    "date": st.dates(),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False),
    "float": st.floats(allow_nan=False, width=32),
    "inet": st.ip_addresses(),
    "int": st.integers(-(1 << 31), (1 << 31) - 1),
    "smallint": st.integers(-(1 << 15), (1 << 15) - 1),
    "text": st.text(st.characters(exclude_categories=["Cs"])),
    "time": st.times(),
    "timestamp": st.datetimes(timezones=st.just(UTC)).map(
        lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
    ),
    "timeuuid": st.builds(uuid1),
    "tinyint": st.integers(-128, 127),
    "uuid": st.uuids(),
    "varchar": st.text(st.characters(exclude_categories=["Cs"])),
    "varint": st.integers(),
}


def test_every_type_is_tried() -> None:
    assert set(VALUES) == set(TYPES)


@pytest.mark.parametrize("kind", sorted(VALUES))
@given(data=st.data())
def test_what_goes_in_comes_out_and_sorts(kind: str, data: st.DataObject) -> None:
    cql = TYPES[kind]
    first, second = data.draw(VALUES[kind]), data.draw(VALUES[kind])
    assert cql.decode(cql.encode(first)) == first
    assert sorted([first, second], key=cql.order) in ([first, second], [second, first])
    if cql.identity(first) == cql.identity(second):
        assert first == second
    assert cql.identity(first) == cql.identity(cql.decode(cql.encode(first)))


SAME: list[tuple[str, Any, Any]] = [
    ("decimal", "1.0", Decimal("1.00")),
    ("decimal", "0", "-0.000"),
    ("decimal", "1E+2", "100"),
    ("decimal", "1.23456789012345678901234567890123456789", Decimal("1.234567890123456789012345678901234567890")),
    ("uuid", "12345678-1234-4234-8234-123456789ABC", UUID("12345678-1234-4234-8234-123456789abc")),
    ("timestamp", "2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
    ("timestamp", 1767225600000, datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
    ("blob", "0xFF00", b"\xff\x00"),
    ("inet", "::1", ip_address("0:0:0:0:0:0:0:1")),
    ("float", 0.1, 0.10000000149011612),
    ("double", 1, 1.0),
]


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_two_spellings_of_a_key_are_one(kind: str, one: Any, other: Any) -> None:
    assert TYPES[kind].identity(one) == TYPES[kind].identity(other)


REFUSED: list[tuple[str, Any]] = [
    *(("int", value) for value in (True, "1", 1.0, 1 << 31)),
    *(("text", value) for value in (1, b"x", "\ud800")),
    ("ascii", "é"),
    *(("boolean", value) for value in (0, "true")),
    *(("double", value) for value in (True, "1.0", 10**400)),
    ("float", 1e300),
    *(("decimal", value) for value in (1.5, "NaN", "Infinity", "x", True)),
    *(("uuid", value) for value in ("x", 1)),
    ("timeuuid", "12345678-1234-4234-8234-123456789abc"),
    *(("timestamp", value) for value in (datetime(2026, 1, 1), "2026-01-01T00:00:00", "x", True, 10**18)),
    *(("date", value) for value in ("2026-02-30", datetime(2026, 1, 1, tzinfo=UTC), 1)),
    *(("time", value) for value in ("25:00:00", 1)),
    *(("blob", value) for value in ("ff", "0xf", "0xzz", 1)),
    *(("inet", value) for value in ("1.2.3", 1)),
]


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_what_a_type_does_not_hold_is_refused_with_what_it_takes(kind: str, value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        TYPES[kind].encode(value)
    assert str(caught.value)


def test_not_a_number_sorts_last() -> None:
    order = TYPES["double"].order
    assert sorted([math.nan, 1.0, -math.inf, math.inf], key=order)[:3] == [-math.inf, 1.0, math.inf]
