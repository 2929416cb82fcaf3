"""Homes that earlier versions wrote open for ever: each archive in ``golden/`` is one, whole.

``OtherShape`` here means that tables of the catalogue or the key ring were changed within a format. Until the format is
released its archive is made again (``make_home``); after that the change needs a new format, which opens the old.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.providers.data import ClusterRequest
from reconciler_warehouse import catalogue, keyring
from reconciler_warehouse.tests.statement_worlds import run
from reconciler_warehouse.tests.worlds import World, silent

GOLDEN = Path(__file__).parent / "golden"
HOMES = sorted(GOLDEN.glob("home-*.tar.gz"))
ROOT = Path(__file__).resolve().parents[3]
NOW: list[tuple[object, ...]] = [(number, f"N{number:04d}", number % 7 + 0.5) for number in range(290, 300)]
NOW += [(1000, "inline", 1.5), (1001, None, -1.0)]
BEFORE: list[tuple[object, ...]] = [(number, f"N{number:04d}", number % 7 + 0.5) for number in range(300)]
BEFORE += [(1000, "inline", 1.5), (1001, None, 2.5)]
ALL = "SELECT id, tail, delay FROM flights ORDER BY id"


@pytest.fixture(params=HOMES, ids=lambda path: str(path.name))
def old(request: pytest.FixtureRequest, quick: Path) -> Iterator[World]:
    with tarfile.open(request.param) as archive:
        archive.extractall(quick, filter="data")
    (quick / "files").mkdir()
    world = World(home=quick / "home", files=quick / "files")
    yield world
    world.reopen()


def test_the_format_of_now_has_its_archive() -> None:
    name = f"home-{catalogue.FORMAT}-{keyring.FORMAT}.tar.gz"
    assert name in [path.name for path in HOMES], "python -m reconciler_warehouse.tests.golden.make_home makes it"


@pytest.mark.parametrize("cluster", ["sales", "open"])
def test_its_rows_are_read(old: World, cluster: str) -> None:
    assert old.select(ALL, cluster) == NOW


@pytest.mark.parametrize("cluster", ["sales", "open"])
def test_its_snapshots_are_restored(old: World, cluster: str) -> None:
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=2, database="dev", root=old.key("root"))
    old.warehouse().restore_cluster(old.caller, request, f"{cluster}-before", progress=silent, token="restore")
    assert old.select(ALL, "again") == BEFORE


def test_it_is_written_to_rotated_and_proved(old: World) -> None:
    run(old, "INSERT INTO flights (id, tail, delay) VALUES (2000, 'new', 0.5)")
    old.warehouse().rotate_encryption_key(old.caller, "sales", progress=silent, token="again")
    assert old.select(ALL) == [*NOW, (2000, "new", 0.5)]
    assert old.warehouse().plaintext_found() == []


def test_its_plain_cluster_is_read_by_the_reader_that_is_not_ours(old: World) -> None:
    reader = [sys.executable, str(ROOT / "examples" / "read_segment.py"), str(old.folder()), "open", "flights"]
    assert subprocess.run(reader, input=b"", check=True, capture_output=True).stderr == b"12 rows\n"
