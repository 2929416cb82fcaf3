"""Scratch space for bulk data."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest

from reconciler.host.scratch import Buffers


def test_a_buffer_that_was_given_back_is_taken_again() -> None:
    buffers = Buffers(5000)
    first = buffers.take()
    memoryview(first)[:3] = b"abc"
    buffers.give(first)
    with buffers.borrowed() as again:
        assert (bytes(again[:3]), len(again)) == (b"abc", 5000)
        assert buffers.take() is not first
    assert buffers.take() is first


def test_buffers_with_plaintext_are_in_no_core_dump() -> None:
    buffer = Buffers(1 << 20).take()
    place = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    within = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        span = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if span is not None:
            within = int(span[1], 16) <= place < int(span[2], 16)
        elif within and line.startswith("VmFlags:"):
            assert "dd" in line.split()
            return
    pytest.fail("the buffer is in no mapping")
