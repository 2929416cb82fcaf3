"""What lies on the disk, who may read it, and what describing leaves untouched."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.host.os_fs import OsFs
from reconciler_warehouse.blocks import segment_files
from reconciler_warehouse.tests.worlds import ACCOUNT, ADMIN, HERE, NONE, OWNED, THERE, World, silent

# Values, and names of columns: what only the owner of the keys may read.
SECRETS = [b"CANARY-TAIL", b"tail", b"delay", b"CANARY".hex().encode()]


def everything(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


def leaks(home: Path) -> list[tuple[str, bytes]]:
    found = everything(home).items()
    return [(path.name, secret) for path, content in found for secret in SECRETS if secret in content]


@pytest.mark.parametrize("owned", [True, False], ids=["owned key", "customer key"])
def test_no_value_and_no_column_name_is_on_the_disk(world: World, owned: bool) -> None:
    """Through the whole life of a cluster: loads, snapshots, rotation, another root, a copy elsewhere."""
    world.create(OWNED if owned else world.key("k1"))
    world.load(world.file("a.csv"))
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=7, token="snap")
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
    world.warehouse().modify_encryption(world.caller, "sales", world.key("k2"), progress=silent, token="switch")
    there = world.warehouse(THERE)
    world.warehouse().enable_snapshot_copy(world.caller, "sales", there, grant=None, retention_days=7)
    world.warehouse().copy_snapshot(world.caller, "snap", there, progress=silent, token="copy")
    world.select("SELECT max(tail) FROM flights")
    assert leaks(world.home) == []
    world.reopen()
    assert leaks(world.home) == []


def test_after_encrypting_in_place_no_plaintext_is_left(world: World) -> None:
    """Not in the data, not in the catalogue's free pages, not in its log (RE1, I18)."""
    world.create(NONE)
    world.load(world.file("a.csv"))
    assert leaks(world.home), "the scan finds plaintext where there is some"
    world.warehouse().modify_encryption(world.caller, "sales", world.key("k1"), progress=silent, token="encrypt")
    assert leaks(world.home) == []


def test_an_encrypted_segment_has_the_size_of_the_plain_one(world: World) -> None:
    world.create(NONE)
    world.load(world.file("a.csv"))
    (plain,) = world.data_files().values()
    assert plain[:4] == plain[-4:] == b"PAR1", "any tool reads an unencrypted cluster's segments"
    world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="encrypt")
    (sealed,) = world.data_files().values()
    assert len(sealed) == len(plain)
    assert sealed[:4] != b"PAR1"
    world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="decrypt")
    world.warehouse().delete_snapshot(world.caller, world.warehouse().describe_snapshots(world.caller)[0].name)
    assert list(world.data_files().values()) == [plain]


def test_rotation_switch_snapshot_and_copy_touch_no_data_file(world: World) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    before = {name: (content, stat_of(world, name)) for name, content in world.data_files().items()}
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
    world.warehouse().modify_encryption(world.caller, "sales", world.key("k2"), progress=silent, token="switch")
    assert {name: (content, stat_of(world, name)) for name, content in world.data_files().items()} == before


def stat_of(world: World, name: str) -> tuple[int, int]:
    found = (world.folder() / "data" / name).stat()
    return found.st_ino, found.st_mtime_ns


def test_everything_is_for_its_owner_only(world: World) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    for path in [world.folder(), *world.folder().rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_key_ring_is_apart_from_the_data(world: World) -> None:
    """The catalogue and the files alone open nothing: not one wrapped key is in them (RE5)."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    assert {path.name for path in world.folder().iterdir() if not path.name.endswith(("-wal", "-shm"))} == {
        *("catalogue.db", "keyring.db", "data"),
    }
    world.reopen()
    (world.folder() / "keyring.db").rename(world.home / "aside")
    with pytest.raises(Exception, match="key"):
        world.select("SELECT 1 FROM flights")
    (world.home / "aside").rename(world.folder() / "keyring.db")
    assert world.select("SELECT count(*) FROM flights") == [(5000,)]


def test_the_last_reference_takes_the_file_with_it(world: World) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    kept = world.data_files()
    world.warehouse().delete_cluster(world.caller, "sales")
    assert world.data_files() == kept
    world.warehouse().delete_snapshot(world.caller, "snap")
    assert world.data_files() == {}


def test_backup_no_is_not_in_snapshots(world: World) -> None:
    """RE10: its file goes with the cluster."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.load(world.file("b.csv"), table="scratch", backup=False)
    snapshot = world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    tables = {table.name: table for table in world.warehouse().describe_clusters(world.caller)[0].tables}
    assert (tables["scratch"].backup, tables["flights"].backup) == (False, True)
    assert snapshot.bytes == tables["flights"].bytes
    world.warehouse().delete_cluster(world.caller, "sales")
    assert len(world.data_files()) == 1


def test_looking_makes_nothing(world: World) -> None:
    warehouse = world.warehouse()
    assert warehouse.describe_clusters(world.caller) == []
    assert warehouse.describe_snapshots(world.caller) == []
    assert warehouse.describe_snapshot_copy_grants(world.caller) == []
    assert warehouse.key_uses() == []
    for gone in (warehouse.delete_cluster, warehouse.delete_snapshot, warehouse.delete_snapshot_copy_grant):
        gone(world.caller, "absent")
    assert not world.home.exists()


def test_looking_works_on_a_read_only_home(world: World) -> None:
    made = world.create(world.key("k1"))
    uses = world.warehouse().key_uses()
    world.reopen()
    for path in sorted(world.folder().rglob("*"), reverse=True):
        path.chmod(0o500 if path.is_dir() else 0o400)
    world.folder().chmod(0o500)
    before = {path: path.stat().st_mtime_ns for path in world.folder().rglob("*")}
    assert world.warehouse().describe_clusters(world.caller) == [made]
    assert world.warehouse().key_uses() == uses
    if os.geteuid() != 0:  # root writes where it likes, and SQLite then keeps its side files
        assert {path: path.stat().st_mtime_ns for path in world.folder().rglob("*")} == before
    world.folder().chmod(0o700)
    for path in world.folder().rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


LOOK = """
import json, sys
from pathlib import Path
from reconciler.access.caller import Caller
from reconciler.errors import ProviderUnavailable
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.plugin import ProviderServices
from reconciler_warehouse import Warehouse
from reconciler_warehouse.config import WarehouseConfig
home, account, region, principal = sys.argv[1:]
services = ProviderServices(name="w", account=account, region=region, principal=principal, home=Path(home), fs=OsFs(),
                            clock=SystemClock(), random=SystemRandom())
asked = []
class Away:
    def key_provider(self, name):
        asked.append(name)
        raise ProviderUnavailable("away")
warehouse = Warehouse(WarehouseConfig(), services, Away())
caller = Caller(principal=principal, account=account)
found = warehouse.describe_clusters(caller) + warehouse.describe_snapshots(caller)
found += warehouse.describe_snapshot_copy_grants(caller) + warehouse.key_uses()
assert not asked
due = warehouse.due_work(caller, at=SystemClock().now())
assert len(asked) == 1
warehouse.close()
heavy = sorted({name.partition(".")[0] for name in sys.modules} & {"pyarrow", "duckdb", "sqlglot", "cryptography"})
print(json.dumps({"found": len(found), "due": len(due), "heavy": heavy}))
"""


def test_describing_loads_no_engine_and_no_cryptography_and_asks_no_key_service(world: World) -> None:
    """In a process of its own, with no key service to ask; but for what is due, which looks how the roots are, and is
    listed without that."""
    world.create(world.key("k1"))
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=1, token="snap")
    world.reopen()
    answer = subprocess.run(
        [sys.executable, "-c", LOOK, str(world.home), ACCOUNT, HERE, ADMIN],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert json.loads(answer.stdout) == {"found": 4, "due": 1, "heavy": []}


def test_a_projection_decrypts_only_what_it_needs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One narrow column of a wide table: a few blocks, not all."""
    read: list[int] = []
    original = segment_files.StoredSegment.block_into

    def counted(self: segment_files.StoredSegment, index: int, out: memoryview) -> None:
        read.append(index)
        original(self, index, out)

    world.create(world.key("k1"))
    text = "".join(f"{n},{os.urandom(90).hex()},{n % 7}\n" for n in range(40_000))
    world.load(world.file("wide.csv", "id,noise,small\n" + text))
    monkeypatch.setattr(segment_files.StoredSegment, "block_into", counted)
    assert world.select("SELECT sum(small) FROM flights") == [(sum(n % 7 for n in range(40_000)),)]
    narrow = len(set(read))
    read.clear()
    world.select("SELECT max(noise) FROM flights")
    assert narrow <= 2 < len(set(read))


def test_handles_are_given_back(world: World) -> None:
    """After answers and after refusals alike."""

    class Counting(OsFs):
        opened = 0

        def open(self, path: Path) -> int:
            self.opened += 1
            return super().open(path)

        def create(self, path: Path) -> int:
            self.opened += 1
            return super().create(path)

        def close(self, handle: int) -> None:
            self.opened -= 1
            super().close(handle)

    world.fs = counting = Counting()
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.select("SELECT count(*) FROM flights")
    for statement in ("SELECT CAST(tail AS integer) FROM flights", "SELECT nope FROM flights"):
        with pytest.raises(Exception, match="cannot be answered"):
            world.select(statement)
    assert counting.opened == 0
