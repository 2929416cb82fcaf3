"""CSV files, packed or not, that somebody made to harm their reader, or that fell apart on their way."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import zipfile
from collections.abc import Callable, Mapping


def _zip(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.csv", content)
    return out.getvalue()


def _patched(raw: bytes, central: int, local: int, value: int) -> bytes:
    """A zip that lies: two bytes at these places of its central and its local header."""
    changed = bytearray(raw)
    at = raw.rindex(b"PK\x01\x02")
    changed[at + central : at + central + 2] = struct.pack("<H", value)
    changed[local : local + 2] = struct.pack("<H", value)
    return bytes(changed)


def _bomb() -> bytes:
    """128 MiB of zeros in about 128 kB."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as packed:
        packed.write(b"id\n")
        chunk = b"0\n" * (1 << 20)
        for _ in range(64):
            packed.write(chunk)
    return out.getvalue()


def _crc() -> bytes:
    raw = bytearray(gzip.compress(b"id,name\n" + b"1,x\n" * 100))
    raw[-5] ^= 1
    return bytes(raw)


SOUND = b"id,name\n" + b"".join(b"%d,CANARY-%d\n" % (n, n) for n in range(200))

# By name of the file. What must be said, or "" where it may as well be loaded.
REFUSED: Mapping[str, tuple[str, Callable[[], bytes], str]] = {
    "nothing at all": ("a.csv", lambda: b"", "is empty"),
    "nothing but a byte order mark": ("a.csv", lambda: b"\xef\xbb\xbf", "is empty"),
    "nothing but lines without anything": ("a.csv", lambda: b"\xef\xbb\xbf\r\n \n\n", "is empty"),
    "packed, and nothing in it": ("a.csv.gz", lambda: gzip.compress(b""), "is empty"),
    "zeros": ("a.csv", lambda: bytes(4096), "."),
    "a header of other bytes": ("a.csv", lambda: b"\x80\xfe\x00i\x00d\n1\n", "UTF-8"),
    "UTF-16": ("a.csv", lambda: b"\xff\xfe" + "id,name\n1,x\n".encode("utf-16-le"), "is UTF-16, and"),
    "UTF-16 the other way round": (
        "a.csv",
        lambda: b"\xfe\xff" + "id,name\n1,x\n".encode("utf-16-be"),
        "is UTF-16, and",
    ),
    "UTF-16 that is cut": ("a.csv", lambda: b"\xff\xfei", "is UTF-16, and"),
    "UTF-32": ("a.csv", lambda: b"\xff\xfe\x00\x00" + "id\n1\n".encode("utf-32-le"), "is UTF-32, and"),
    "UTF-32 the other way round": (
        "a.csv",
        lambda: b"\x00\x00\xfe\xff" + "id\n1\n".encode("utf-32-be"),
        "is UTF-32, and",
    ),
    "GB 18030": ("a.csv", lambda: b"\x84\x31\x95\x33" + "id\n1\n".encode("gb18030"), "is GB 18030, and"),
    "UTF-16, packed": ("a.csv.zip", lambda: _zip("id\n1\n".encode("utf-16")), "is UTF-16, and"),
    "a picture": ("a.csv", lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "."),
    "one column more in the last row": ("a.csv", lambda: SOUND + b"1,2,3\n", "Expected 2 columns"),
    "one value larger than a block": ("a.csv", lambda: b"id,name\n1," + b"x" * (40 << 20) + b"\n", "."),
    "a quote that never ends": ("a.csv", lambda: b'id,name\n1,"' + b"x\n" * (12 << 20), "."),
    "more columns than a table has": ("a.csv", lambda: ",".join(f"c{n}" for n in range(1601)).encode() + b"\n", "1601"),
    "a million columns": (
        "a.csv",
        lambda: b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n",
        "first line has no end",
    ),
    "two columns of one name": ("a.csv", lambda: b"a,A\n1,2\n", "two columns called A"),
    "a name with a zero byte": ("a.csv", lambda: b"a\x00b,c\n1,2\n", "control character"),
    "packed, cut short": ("a.csv.gz", lambda: gzip.compress(SOUND)[:-30], "cannot be unpacked"),
    "packed, a wrong sum": ("a.csv.gz", _crc, "cannot be unpacked"),
    "packed, garbage behind": ("a.csv.gz", lambda: gzip.compress(SOUND) + b"garbage", "cannot be unpacked"),
    "packed, torn inside": (
        "a.csv.gz",
        lambda: (raw := gzip.compress(SOUND))[:20] + b"\xff" * 50 + raw[70:],
        "cannot be unpacked",
    ),
    "packed in another way": ("a.csv.gz", lambda: bz2.compress(SOUND), "cannot be unpacked"),
    "packed, and a bomb": ("a.csv.gz", _bomb, "times its size"),
    "a zip of nothing": ("a.csv.zip", lambda: b"PK\x05\x06" + bytes(18), "holds 0 CSV files"),
    "a zip cut short": ("a.csv.zip", lambda: _zip(SOUND)[:-40], "cannot be unpacked"),
    "a zip under a password": ("a.csv.zip", lambda: _patched(_zip(SOUND), 8, 6, 1), "cannot be unpacked"),
    "a zip packed in an unknown way": ("a.csv.zip", lambda: _patched(_zip(SOUND), 10, 8, 99), "cannot be unpacked"),
    "a zip that lies about its packing": (
        "a.csv.zip",
        lambda: _patched(_zip(SOUND), 10, 8, zipfile.ZIP_LZMA),
        "cannot be unpacked",
    ),
    "a zip whose content is torn": (
        "a.csv.zip",
        lambda: (raw := _zip(SOUND))[:60] + b"\xff" * 40 + raw[100:],
        "cannot be unpacked",
    ),
    "a zip bomb": ("a.csv.zip", lambda: _zip(gzip.decompress(_bomb())), "times its size"),
}

# Odd, and a table all the same: how many rows there are, and what is in the last.
LOADED: Mapping[str, tuple[str, Callable[[], bytes], int]] = {
    "a byte order mark": ("a.csv", lambda: b"\xef\xbb\xbfid,name\n1,x\n", 1),
    "line ends of another system": ("a.csv", lambda: b"id,name\r\n1,x\r\n2,y\r\n", 2),
    "no line end at the end": ("a.csv", lambda: b"id,name\n1,x", 1),
    "only a header": ("a.csv", lambda: b"id,name\n", 0),
    "types that change in the last row": ("a.csv", lambda: b"id,name\n" + b"1,x\n" * 5000 + b"late,y\n", 5001),
    "packed in two parts": ("a.csv.gz", lambda: gzip.compress(b"id,name\n1,x\n") + gzip.compress(b"2,y\n"), 2),
    "packed by another packer": ("a.csv.zip", lambda: _zip(b"id,name\n1,x\n", zipfile.ZIP_LZMA), 1),
}
