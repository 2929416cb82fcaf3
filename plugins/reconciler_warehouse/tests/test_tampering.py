"""What was changed on the disk by anything but the warehouse is refused, never answered (I7, I9, T9)."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, ReconcilerError
from reconciler.providers.data import ANY_KEY, ManifestMark, RootKind
from reconciler_warehouse.tests.worlds import CSV, HERE, NONE, THERE, World, silent

QUESTION = "SELECT count(*), sum(id), max(tail), sum(delay) FROM flights"
BLOCK = 1 << 20
# About three blocks of bytes that do not compress away.
WIDE = "id,tail,delay\n" + "".join(
    f"{number},{number * 2654435761 % 2**32:08x}{number * 40503 % 2**32:08x}{number * 97 % 2**32:08x},{number}.5\n"
    for number in range(120_000)
)


@pytest.fixture(name="sealed", params=["encrypted", "plain"])
def loaded(request: pytest.FixtureRequest, world: World) -> World:
    """A cluster with a segment of several blocks."""
    world.create(world.key("k1") if request.param == "encrypted" else NONE)
    world.load(world.file("wide.csv", WIDE))
    world.select(QUESTION)
    return world


def only_file(world: World) -> Path:
    (path,) = (world.folder() / "data").iterdir()
    assert path.stat().st_size > 2 * BLOCK
    return path


def swapped(raw: bytearray) -> None:
    raw[:BLOCK], raw[BLOCK : 2 * BLOCK] = raw[BLOCK : 2 * BLOCK], raw[:BLOCK]


def flipped(place: int) -> Callable[[bytearray], None]:
    def flip(raw: bytearray) -> None:
        raw[place] ^= 1

    return flip


def shortened(raw: bytearray) -> None:
    del raw[-1:]


def emptied(raw: bytearray) -> None:
    raw.clear()


def repeated(raw: bytearray) -> None:
    raw[BLOCK : 2 * BLOCK] = raw[:BLOCK]


FILE_ATTACKS = {
    "two blocks swapped": swapped,
    "a block in another's place": repeated,
    "the first bit of the file flipped": flipped(0),
    "a bit in the middle flipped": flipped(BLOCK + 12345),
    "the last bit flipped": flipped(-1),
    "cut by one byte": shortened,
    "emptied": emptied,
}


@pytest.mark.parametrize("attack", FILE_ATTACKS.values(), ids=FILE_ATTACKS.keys())
def test_a_changed_segment_file_is_refused(sealed: World, attack: Callable[[bytearray], None]) -> None:
    path = only_file(sealed)
    raw = bytearray(path.read_bytes())
    attack(raw)
    path.write_bytes(raw)
    with pytest.raises(DamagedStore) as refused:
        sealed.select(QUESTION)
    assert path.name in str(refused.value)


def test_a_missing_segment_file_is_named(sealed: World) -> None:
    path = only_file(sealed)
    path.unlink()
    with pytest.raises(DamagedStore) as refused:
        sealed.select(QUESTION)
    assert path.name in str(refused.value)


def change(world: World, store: str, *statements: str, region: str = HERE) -> None:
    """What somebody who can write the files does, behind our back."""
    world.reopen()
    with closing(sqlite3.connect(world.folder(region) / store, isolation_level=None)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement


TWO_FILES = (CSV, CSV.replace("CANARY", "SECOND"))
CATALOGUE_ATTACKS = {
    "a segment dropped": ("DELETE FROM segment WHERE key_table = 2",),
    "a segment's rows claimed otherwise": ("UPDATE segment SET rows = rows + 1",),
    "two segments' key tables exchanged": ("UPDATE segment SET key_table = 3 - key_table WHERE key_table < 3",),
    "two segments' files exchanged": (
        "CREATE TEMP TABLE was AS SELECT uid, file FROM segment",
        "UPDATE segment SET file = (SELECT file FROM was WHERE was.uid != segment.uid)",
    ),
    "two segments in one file": ("UPDATE segment SET file = (SELECT min(file) FROM segment)",),
    "the order turned round": ("UPDATE segment SET ordinal = 1 - ordinal WHERE key_table < 3",),
    "another table under its name": (
        "UPDATE data_table SET name = 'aside' WHERE name = 'flights'",
        "UPDATE data_table SET name = 'flights' WHERE name = 'other'",
    ),
    "a load forgotten": ("DELETE FROM load WHERE ordinal = 1",),
    "BACKUP NO set": ("UPDATE data_table SET backup = 0 WHERE name = 'flights'",),
    "the version set back": ("UPDATE cluster SET manifest_version = manifest_version - 1",),
    "a bit of a key table flipped": (
        "UPDATE key_table SET body = CAST(zeroblob(1) || substr(body, 2) AS BLOB) WHERE id = 1",
    ),
    "the key table's generation set back": ("UPDATE key_table SET generation = generation - 1",),
}


@pytest.mark.parametrize("attack", CATALOGUE_ATTACKS.values(), ids=CATALOGUE_ATTACKS.keys())
@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_a_changed_catalogue_is_refused(world: World, attack: tuple[str, ...], encrypted: bool) -> None:
    world.create(world.key("k1") if encrypted else NONE)
    for number, content in enumerate(TWO_FILES):
        world.load(world.file(f"{number}.csv", content))
    world.load(world.file("other.csv", TWO_FILES[0].replace("CANARY", "OTHERS")), table="other")
    change(world, "catalogue.db", *attack)
    with pytest.raises(DamagedStore):
        world.select(QUESTION)


def test_turning_a_sealed_segment_into_a_plain_one_is_refused(world: World) -> None:
    """Recovery never moves data towards plaintext on the word of what lies beside them (I9, CVE-2021-4122)."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    change(world, "catalogue.db", "UPDATE key_table SET dek = NULL")
    with pytest.raises(DamagedStore):
        world.select(QUESTION)
    with pytest.raises(DamagedStore):
        world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="decrypt")


def test_an_older_key_table_of_the_same_segment_is_refused(world: World) -> None:
    """Encrypted twice with the keys of the same day: both versions are authentic, one is old."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    saved = Path(shutil.copytree(world.folder(), world.folder().with_name("saved")))
    with closing(sqlite3.connect(saved / "catalogue.db")) as connection:
        (old,) = connection.execute("SELECT hex(body) FROM key_table").fetchone()
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
    shutil.rmtree(saved)
    change(world, "catalogue.db", f"UPDATE key_table SET body = x'{old}'")  # noqa: S608  # hex from above
    with pytest.raises(DamagedStore):
        world.select(QUESTION)


def test_segments_of_one_cluster_do_not_open_in_another(world: World) -> None:
    """Same rows, same key service, same root: only the uids in the AADs tell them apart."""
    root = world.key("k1")
    for name in ("sales", "other"):
        world.create(root, name=name, call=name)
        world.load(world.file("a.csv"), name=name)
    files = sorted((world.folder() / "data").iterdir())
    contents = [path.read_bytes() for path in files]
    for path, content in zip(files, reversed(contents), strict=True):
        path.write_bytes(content)
    for name in ("sales", "other"):
        with pytest.raises(DamagedStore):
            world.select(QUESTION, name=name)


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE holding SET wrapped = CAST(substr(wrapped, 1, 99) || iif(substr(wrapped, 100, 1) = x'00', x'01', x'00')"
        " || substr(wrapped, 101) AS BLOB)",
        "UPDATE holding SET wrapped = (SELECT wrapped FROM holding o WHERE o.dek != holding.dek)",
        "UPDATE cek SET material = 'ff'",
        "DELETE FROM holding",
        "DELETE FROM holder",
        "UPDATE cek SET wrapped = (SELECT wrapped FROM cek o WHERE o.uid != cek.uid)",
        """UPDATE cek SET context = replace(context, 'sales', 'other')""",
    ],
)
def test_a_changed_key_ring_is_refused(world: World, attack: str) -> None:
    root = world.key("k1")
    for name in ("sales", "other"):
        world.create(root, name=name, call=name)
        world.load(world.file("a.csv"), name=name)
    change(world, "keyring.db", attack)
    with pytest.raises(ReconcilerError):
        world.select(QUESTION)


def test_a_rollback_of_everything_shows_in_the_anchor_alone(world: World, tmp_path: Path) -> None:
    """Older authentic files open; the version kept elsewhere tells (DATAPLANE 5, risk 1)."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.reopen()
    saved = shutil.copytree(world.folder(), tmp_path / "saved")
    world.load(world.file("b.csv", TWO_FILES[1]))
    newest = _mark(world)
    world.reopen()
    shutil.rmtree(world.folder())
    shutil.copytree(saved, world.folder())
    assert world.select("SELECT count(*) FROM flights") == [(5000,)]
    rolled_back = _mark(world)
    assert rolled_back.is_behind(newest)
    assert not newest.is_behind(newest)
    assert not newest.is_behind(rolled_back)
    while rolled_back.version < newest.version:  # and goes on from there
        world.load(world.file("c.csv", TWO_FILES[1].replace("N", f"M{rolled_back.version}")))
        rolled_back = _mark(world)
    assert rolled_back.version == newest.version
    assert rolled_back.is_behind(newest)
    assert re.fullmatch("[0-9a-f]{64}", newest.tag)


def _mark(world: World) -> ManifestMark:
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    assert found.manifest is not None
    return found.manifest


@pytest.mark.parametrize("statement", ["DELETE FROM holder", None], ids=["its row", "the whole file"])
def test_a_cluster_whose_keys_are_lost_is_never_described_as_unencrypted(world: World, statement: str | None) -> None:
    world.create(world.key("k1"))
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    world.reopen()
    if statement is None:
        (world.folder() / "keyring.db").unlink()
    else:
        change(world, "keyring.db", statement)
    (cluster,) = world.warehouse().describe_clusters(world.caller)
    (snapshot,) = world.warehouse().describe_snapshots(world.caller, ["snap"])
    assert (cluster.root.kind, cluster.status) == (RootKind.LOST, "unavailable")
    assert (snapshot.root.kind, snapshot.status) == (RootKind.LOST, "failed")


def test_what_lost_its_keys_keeps_no_other_from_being_described_and_counts_for_every_key(world: World) -> None:
    world.create(world.key("k1"))
    world.create(world.key("k2"), name="well", call="well")
    world.reopen()
    change(world, "keyring.db", "DELETE FROM holder WHERE uid IN (SELECT holder FROM holding LIMIT 1)")
    warehouse = world.warehouse()
    found = {one.name: one for one in warehouse.describe_clusters(world.caller)}
    lost = next(name for name, one in found.items() if one.root.kind is RootKind.LOST)
    assert sorted(found) == ["sales", "well"]
    for key in (None, str(world.key("k1").key_arn), "arn:aws:kms:eu-west-1:111122223333:key/another"):
        assert lost in {use.name for use in warehouse.key_uses(key) if use.key_arn == ANY_KEY}
    warehouse.delete_cluster(world.caller, lost)
    assert not [use for use in warehouse.key_uses(str(world.key("k1").key_arn)) if use.key_arn == ANY_KEY]
    assert [one.name for one in warehouse.describe_clusters(world.caller)] == sorted({"sales", "well"} - {lost})


@pytest.mark.parametrize("call", ["decrypt", "copy"])
def test_a_segment_file_that_is_gone_is_named_as_damage(world: World, call: str) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)
    (name,) = world.data_files()
    (world.folder() / "data" / name).unlink()
    with pytest.raises(DamagedStore, match=f"Segment file {name} is gone"):
        if call == "copy":
            world.warehouse().copy_snapshot(world.caller, "snap", world.warehouse(THERE), progress=silent, token="copy")
        else:
            world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="off")


def test_a_segment_that_is_damaged_at_the_source_makes_no_copy(world: World) -> None:
    """The source sends its files as they are; the destination opens every block before the copy exists (SC4)."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)
    (name, content) = next(iter(world.data_files().items()))
    (world.folder() / "data" / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedStore):
        world.warehouse().copy_snapshot(world.caller, "snap", world.warehouse(THERE), progress=silent, token="copy")
    assert world.warehouse(THERE).describe_snapshots(world.caller) == []
