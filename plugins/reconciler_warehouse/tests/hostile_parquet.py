"""Parquet files that somebody made to harm their reader, or that fell apart on their way."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types

TABLE = pa.table({"id": list(range(3000)), "tail": [f"CANARY-{n % 7}" for n in range(3000)]})


def written(table: Any, **how: Any) -> bytes:
    """The table as a file."""
    out = io.BytesIO()
    pq.write_table(table, out, **how)
    return out.getvalue()


SOUND = written(TABLE, compression="none")
FOOTER = int.from_bytes(SOUND[-8:-4], "little")


def _footer_length(claimed: int) -> bytes:
    return SOUND[:-8] + struct.pack("<I", claimed) + SOUND[-4:]


def _replaced(old: bytes, new: bytes) -> bytes:
    """The same length, elsewhere in the file."""
    assert len(old) == len(new)
    assert old in SOUND
    return SOUND.replace(old, new)


def _nested(depth: int) -> bytes:
    kind = pa.int32()
    for _ in range(depth):
        kind = pa.struct([("x", kind)])
    return written(pa.table({"deep": pa.array([None], kind)}))


def _footer_of(fields: bytes) -> bytes:
    """A file that is nothing but a description of itself, in Thrift's compact protocol."""
    return b"PAR1" + fields + struct.pack("<I", len(fields)) + b"PAR1"


def _endless_schema() -> bytes:
    """100,000 groups, each in the other: a reader that follows them by calling itself runs out of stack."""
    group = b"\x35\x00\x18\x01x\x15\x02\x00"  # repetition required, name x, one child
    leaf = b"\x15\x02\x25\x00\x18\x01x\x00"
    count = 100_000
    elements = b"\x15\x02\x19" + b"\xfc" + _varint(count + 1) + group * count + leaf
    return _footer_of(elements + b"\x16\x00\x19\x0c\x00")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _long_list() -> bytes:
    """A schema that claims two thousand million columns and has none."""
    return _footer_of(b"\x15\x02\x19\xfc" + _varint(2_000_000_000))


def _not_text() -> bytes:
    raw = bytearray(SOUND)
    at = raw.index(b"CANARY-0")
    raw[at] = 0xFF
    return bytes(raw)


def _bomb() -> bytes:
    """A few kilobytes for 20 million rows."""
    out = io.BytesIO()
    group = pa.table({"id": pa.array([7] * 2_000_000, pa.int64())})
    with pq.ParquetWriter(out, group.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(group, row_group_size=2_000_000)
    return out.getvalue()


def _one_huge_value() -> bytes:
    """A text of 48 MiB in a few kilobytes."""
    return written(pa.table({"id": [1], "tail": ["x" * (48 << 20)]}), compression="zstd", use_dictionary=False)


REFUSED: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "nothing at all": (lambda: b"", "does not end as one"),
    "only the magic": (lambda: b"PAR1", "does not end as one"),
    "the magic twice": (lambda: b"PAR1\x00\x00\x00\x00PAR1", "not a Parquet file"),
    "cut short": (lambda: SOUND[:-20], "does not end as one"),
    "cut at the front": (lambda: SOUND[100:], "not a Parquet file"),
    "another magic": (lambda: SOUND[:-4] + b"ORC1", "does not end as one"),
    "encrypted, it says": (lambda: SOUND[:-4] + b"PARE", "not a Parquet file"),
    "a footer longer than the file": (lambda: _footer_length(0x7FFFFFFF), "not a Parquet file"),
    "a footer of negative length": (lambda: _footer_length(0xFFFFFFFF), "not a Parquet file"),
    "a footer that is too short": (lambda: _footer_length(FOOTER - 5), "not a Parquet file"),
    "a footer of zeros": (lambda: SOUND[: -8 - FOOTER] + bytes(FOOTER) + SOUND[-8:], "not a Parquet file"),
    "pages of zeros": (lambda: bytes(len(SOUND) - 8 - FOOTER) + SOUND[-8 - FOOTER :], "not a Parquet file"),
    "rows that are not there": (lambda: _replaced(_varint(6000), _varint(7000)), "."),
    "a billion columns claimed": (_long_list, "not a Parquet file"),
    "groups nested without end": (_endless_schema, "."),
    "a column nested too deep": (lambda: _nested(40), "nested deeper than 32"),
    "two columns of one name": (
        lambda: written(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])),
        "two columns called a",
    ),
    "a column without a name": (lambda: written(pa.table({"": [1]})), "without a name"),
    "a name with a zero byte": (lambda: written(pa.table({"a\x00b": [1]})), "."),
    "a name with a line break": (lambda: written(pa.table({"a\nb": [1]})), "control character"),
    "a name that is no text": (
        lambda: written(pa.table({"NAME": [1]}), store_schema=False).replace(b"NAME", b"\xff\xfe\xfdE"),
        "not UTF-8",
    ),
    "no columns": (lambda: written(pa.table({})), "no columns"),
    "more columns than a table has": (lambda: written(pa.table({f"c{n}": [1] for n in range(1601)})), "1601 columns"),
    "a text that is no text": (_not_text, "not UTF-8"),
    "rows without end": (_bomb, "times its size"),
    "one value larger than memory": (_one_huge_value, "128 MiB of memory"),
}


def mutants(seed: int, count: int) -> list[bytes]:
    """Sound files of several forms with a few bytes changed, most of them in what they say of themselves."""
    chance = random.Random(seed)  # noqa: S311  # a choice that can be repeated
    nested = TABLE.append_column("list", pa.array([[1, 2]] * 3000)).append_column("part", pa.array([{"x": 1.5}] * 3000))
    forms = [
        written(nested, compression=compression, data_page_version=version)
        for compression in ("none", "zstd", "snappy")
        for version in ("1.0", "2.0")
    ]
    found = []
    for _ in range(count):
        raw = bytearray(chance.choice(forms))
        footer = int.from_bytes(raw[-8:-4], "little") + 8
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(raw) - footer, len(raw)) if chance.random() < 0.6 else chance.randrange(len(raw))
            raw[at] = chance.choice([chance.randrange(256), raw[at] ^ (1 << chance.randrange(8)), 0xFF, 0x7F, 0])
        found.append(bytes(raw))
    return found
