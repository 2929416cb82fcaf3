"""The channel of a worker: what is said arrives as it was said, and what is no frame is heard as an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.hsm import Suite
from reconciler_pkcs11.token import findings
from reconciler_pkcs11.worker import frames


def reader(said: bytes, at_once: int) -> frames.ReadInto:
    rest = memoryview(said)

    def read_into(buffer: memoryview) -> int:
        nonlocal rest
        count = min(at_once, len(buffer), len(rest))
        buffer[:count], rest = rest[:count], rest[count:]
        return count

    return read_into


@given(
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.lists(st.binary(max_size=40_000), max_size=4),
    st.integers(1, 70_000),
)
def test_what_is_said_arrives(kind: int, milliseconds: int, fields: list[bytes], at_once: int) -> None:
    frame = frames.encode(kind, fields, milliseconds)

    received = frames.receive(reader(bytes(frame), at_once))

    assert frames.decode(received) == (kind, milliseconds, [bytearray(field) for field in fields])
    assert not any(received)


@given(st.binary(max_size=200), st.integers(1, 200))
def test_anything_else_is_an_end_and_nothing_worse(said: bytes, at_once: int) -> None:
    try:
        frames.decode(frames.receive(reader(said, at_once)))
    except frames.Ended:
        return


@given(st.lists(st.binary(max_size=40), max_size=4), st.integers(0, 60))
def test_a_frame_that_is_cut_off_is_an_end(fields: list[bytes], cut: int) -> None:
    frame = bytes(frames.encode(1, fields))

    with pytest.raises(frames.Ended):
        frames.receive(reader(frame[: min(cut, len(frame) - 1)], 1_000))


def test_a_frame_longer_than_anything_that_is_said_is_an_end() -> None:
    with pytest.raises(frames.Ended):
        frames.receive(reader(b"\xff" * 64, 64))


def test_what_the_token_side_calls_a_suite_or_a_fault_is_what_the_core_calls_it() -> None:
    from reconciler.errors import HsmFault
    from reconciler_pkcs11.token.suites import SUITES

    assert [suite.name for suite in SUITES] == list(Suite)
    assert {findings.key_missing("x").fault, findings.key_duplicate("x").fault} <= set(HsmFault)
