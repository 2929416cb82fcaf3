#!/usr/bin/env python3
"""What the warehouse's encryption costs: each figure beside a peer of the same run, best of interleaved rounds, at the
one block size that ships.

usage: bench/warehouse.py [PART ...] [--rounds R] [--rows N] [--mebibytes M] [--folder DIR]

Parts: cipher (blocks beside the bare cipher and openssl), disk (a segment sealed anew beside a plain copy), rekey
(beside SQLCipher and DuckDB), write (Parquet beside pyarrow), scan (SELECT beside pyarrow and DuckDB over the same
Parquet in clear), memory (peaks at four sizes of a table). Everything runs through the product's own functions.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import warehouse_blocks
import warehouse_memory
import warehouse_scan
import warehouse_write

ROUNDS = 7
ROWS = 4_000_000
MEBIBYTES = 256


def cipher(folder: Path, given: argparse.Namespace) -> None:
    """See ``warehouse_blocks``."""
    warehouse_blocks.cipher(warehouse_blocks.Segments(folder, given.mebibytes << 20), given.rounds)


def disk(folder: Path, given: argparse.Namespace) -> None:
    """See ``warehouse_blocks``."""
    warehouse_blocks.disk(warehouse_blocks.Segments(folder, given.mebibytes << 20), given.rounds)


def rekey(folder: Path, given: argparse.Namespace) -> None:
    """See ``warehouse_blocks``."""
    warehouse_blocks.rekey(warehouse_blocks.Segments(folder, given.mebibytes << 20), given.rounds)


def write(folder: Path, given: argparse.Namespace) -> None:
    """See ``warehouse_write``."""
    warehouse_write.compare(folder, given.rows // 2, given.rounds)


def scan(folder: Path, given: argparse.Namespace) -> None:
    """See ``warehouse_scan``."""
    warehouse_scan.compare(folder, given.rows, given.rounds)


def memory(folder: Path, given: argparse.Namespace) -> None:
    """See ``warehouse_memory``."""
    warehouse_memory.compare(folder, given.rows // 4)


PARTS: Mapping[str, Callable[[Path, argparse.Namespace], None]] = {
    "cipher": cipher,
    "disk": disk,
    "rekey": rekey,
    "write": write,
    "scan": scan,
    "memory": memory,
}


def main() -> None:
    """Run the parts asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--mebibytes", type=int, default=MEBIBYTES)
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    given = parser.parse_args()
    for name, part in PARTS.items():
        if not given.parts or name in given.parts:
            print(f"-- {name}", flush=True)
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                part(Path(folder), given)


if __name__ == "__main__":
    main()
