"""Search every byte below a folder for words that only the data contain.

Usage: search.py --expect found|absent FOLDER WORD…    Exit code 0 when it is as expected, 1 when not.

Parquet keeps strings compressed, so a file in clear might hide a word from a plain search. A file that begins or ends
with Parquet's own mark therefore counts as found as well, whatever it holds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

PARQUET_MARK = b"PAR1"


def occurrences(folder: Path, words: list[str]) -> tuple[int, int, dict[str, int]]:
    """``(files, bytes, {word: how often})`` over every file below ``folder``, databases and their logs included."""
    files = size = 0
    found = dict.fromkeys([*words, "Parquet files in clear"], 0)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        files, size = files + 1, size + len(content)
        for word in words:
            found[word] += content.count(word.encode())
        found["Parquet files in clear"] += PARQUET_MARK in (content[:4], content[-4:])
    return files, size, found


def main() -> int:
    """Print what was found and compare with the expectation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expect", choices=["found", "absent"], required=True)
    parser.add_argument("folder", type=Path)
    parser.add_argument("word", nargs="+")
    options = parser.parse_args()

    files, size, found = occurrences(options.folder, options.word)
    print(f"{options.folder}: {files} files, {size:,} bytes searched")
    for what, count in found.items():
        print(f"  {what:24} {count:>9,}")
    if options.expect == "found":
        return 0 if all(found[word] for word in options.word) else 1
    return 0 if files and not any(found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
