"""``verify`` of clusters, snapshots and copies: nothing is found where all is sound, and each tampering is, by the
proof that it breaks (CONTRACT 3, I18, T9)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.access.caller import Caller
from reconciler.envelope.blocks import ENTRY_BYTES
from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore, IncorrectKeyException, InvalidCiphertextException
from reconciler.model.ports import Random
from reconciler.providers.data import Root, RootKind
from reconciler.providers.keys import Context, DecryptedKey, KeyProvider
from reconciler.providers.proofs import (
    BLOCKS,
    KEY_TABLES,
    KEYS_OPENED,
    MANIFESTS,
    PLAIN_BLOCKS,
    REFUSALS,
    ROUND_TRIPS,
    SAMPLES,
    Check,
    ProvesWarehouse,
    Result,
)
from reconciler.testing.proofs_contract import ProvenWarehouse, WarehouseProofsContract
from reconciler_warehouse.blocks import segment_files
from reconciler_warehouse.tests.worlds import CSV, HERE, NONE, OWNED, THERE, World, silent

Failures = list[tuple[str, str]]
WIDE = "id,tail\n" + "".join(
    f"{number},{number * 2654435761 % 2**32:08x}{number * 40503 % 2**32:08x}{number * 97 % 2**32:08x}\n"
    for number in range(150_000)
)


@dataclass
class Looking:
    """A witness that keeps what it is handed."""

    is_full: bool = False
    keys: Sequence[str] = ()
    opened_keys: list[bytes] = field(default_factory=list)
    canaries: set[bytes] = field(default_factory=set)
    clear: list[Path] = field(default_factory=list)

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Nobody waits."""

    def opened(self, key: DataKey) -> None:
        self.opened_keys.append(bytes(key.expose_key_bytes()))

    def canary(self, value: bytes) -> None:
        self.canaries.add(value)

    def in_clear(self, path: Path) -> None:
        self.clear.append(path)

    def other_keys(self, key_arn: str) -> Sequence[str]:
        return [arn for arn in self.keys if arn != key_arn]


@dataclass
class Estate:
    """A cluster under ``root`` with two segments and two snapshots, another under another key, and a copy abroad."""

    world: World
    root: Root
    other: Root
    abroad: Root

    def cluster(self, looking: Looking | None = None, name: str = "sales", root: Root | None = None) -> list[Check]:
        warehouse, witness = self.world.warehouse(), looking or Looking()
        return list(warehouse.prove_cluster(self.world.caller, name, root or self.root, witness))

    def snapshot(self, name: str = "first", region: str = HERE, root: Root | None = None) -> list[Check]:
        warehouse = self.world.warehouse(region)
        return list(warehouse.prove_snapshot(self.world.caller, name, root or self.root, Looking()))

    def change(self, store: str, *statements: str, region: str = HERE) -> None:
        """What somebody who can write the files does, behind our back."""
        self.world.reopen()
        with closing(sqlite3.connect(self.world.folder(region) / store, isolation_level=None)) as connection:
            for statement in map(spelled_out, statements):
                assert connection.execute(statement).rowcount != 0, statement


def spelled_out(statement: str) -> str:
    for name, meant in MEANT.items():
        statement = statement.replace(name, meant)
    return statement


def failures(checks: list[Check]) -> Failures:
    return [(check.what, check.failure or "") for check in checks if check.result is not Result.PROVED]


def counted(checks: list[Check], what: str) -> int:
    return sum(check.count for check in checks if check.what == what)


@pytest.fixture(scope="module", name="made")
def estate_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("proving")
    (folder / "files").mkdir()
    world = World(home=folder / "home", files=folder / "files")
    root, other, abroad = world.key("k1"), world.key("k2"), world.key("k3", THERE)
    world.create(root)
    world.load(world.file("a.csv"), world.file("b.csv", CSV.replace("CANARY", "SECOND")))
    world.create(other, name="other", call="other")
    world.load(world.file("c.csv", CSV.replace("CANARY", "OTHERS")), name="other")
    here, there = world.warehouse(), world.warehouse(THERE)
    here.create_snapshot(world.caller, "sales", "first", retention_days=None, token="first")
    there.create_snapshot_copy_grant(world.caller, "inbound", abroad, token="grant")
    here.enable_snapshot_copy(world.caller, "sales", there, grant="inbound", retention_days=7)
    here.copy_snapshot(world.caller, "first", there, progress=silent, token="copy")
    world.reopen()
    yield Estate(world, root, other, abroad)
    world.reopen()


@pytest.fixture(name="estate")
def estate_to_break(made: Estate) -> Iterator[Estate]:
    """The same for each test: what a test breaks is put back."""
    saved = made.world.home.with_name("saved")
    shutil.copytree(made.world.home, saved)
    yield made
    made.world.reopen()
    made.world.wrap_keys = lambda inner: inner
    shutil.rmtree(made.world.home)
    saved.rename(made.world.home)


def test_a_sound_cluster_is_proved_from_its_root_to_its_raw_bytes(estate: Estate) -> None:
    looking = Looking(keys=[str(estate.root.key_arn), str(estate.other.key_arn)])
    checks = estate.cluster(looking)
    assert failures(checks) == []
    assert isinstance(estate.world.warehouse(), ProvesWarehouse)
    held = {what: counted(checks, what) for what in (KEYS_OPENED, MANIFESTS, KEY_TABLES, BLOCKS, SAMPLES)}
    assert held == {KEYS_OPENED: 2, MANIFESTS: 1, KEY_TABLES: 2, BLOCKS: 2, SAMPLES: 2}
    assert counted(checks, REFUSALS) >= 12
    assert len(set(looking.opened_keys)) == 2
    assert b"CANARY-TAIL-00000" in looking.canaries


@pytest.mark.parametrize("full", [False, True])
def test_blocks_are_sampled_or_all_of_them_opened(estate: Estate, full: bool) -> None:
    estate.world.load(estate.world.file("wide.csv", WIDE), table="wide")
    (blocks,) = {
        len(content) // (1 << 20) + 1 for content in estate.world.data_files().values() if len(content) > 1 << 20
    }
    checks = estate.cluster(Looking(is_full=full))
    assert failures(checks) == []
    opened = counted(checks, BLOCKS) - 2  # of the two small segments
    assert opened == blocks if full else 2 <= opened <= 4 < blocks


class Zeros:
    """What is drawn at random is always the first."""

    def bytes(self, count: int) -> bytes:
        return bytes(count)


@contextmanager
def always_the_first(world: World) -> Iterator[None]:
    world.reopen()
    before, world.random = world.random, Zeros()
    yield
    world.reopen()
    world.random = before


@pytest.mark.parametrize("place", [0, -1])
def test_the_first_and_the_last_block_are_in_every_sample(estate: Estate, place: int) -> None:
    estate.world.load(estate.world.file("wide.csv", WIDE), table="wide")
    path = max((estate.world.folder() / "data").iterdir(), key=lambda file: file.stat().st_size)
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    with always_the_first(estate.world):
        assert [what for what, _ in failures(estate.cluster())] == [BLOCKS]


def test_automated_snapshots_are_proved_with_their_cluster(estate: Estate) -> None:
    estate.world.create(NONE, name="open", call="open")
    estate.world.load(estate.world.file("d.csv"), name="open")
    estate.world.warehouse().modify_encryption(
        estate.world.caller, "open", estate.root, progress=silent, token="encrypt"
    )
    checks = estate.cluster(name="open")
    assert failures(checks) == []
    assert counted(checks, MANIFESTS) == 2
    estate.change("catalogue.db", "UPDATE snapshot SET manifest_version = 7 WHERE kind = 'automated'")
    assert [what for what, _ in failures(estate.cluster(name="open"))] == [MANIFESTS]


def test_a_rotation_meanwhile_is_no_finding(estate: Estate) -> None:
    """No lock is taken: what was changed while it was looked at is looked at again."""
    world = estate.world
    rotated: list[str] = []

    class Meanwhile(Looking):
        def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
            if not rotated:
                rotated.append(text)
                world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="meanwhile")

    assert failures(estate.cluster(Meanwhile())) == []
    assert rotated


def test_what_changes_all_the_while_could_not_be_checked(estate: Estate) -> None:
    world = estate.world
    estate.change("catalogue.db", "UPDATE key_table SET generation = generation + 7 WHERE id = 1")

    class Meanwhile(Looking):
        def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
            with world.warehouse()._site.catalogue.write() as catalogue:
                catalogue.execute("UPDATE cluster SET manifest_version = manifest_version + 1")

    assert Result.UNCHECKED in {check.result for check in estate.cluster(Meanwhile())}


def test_looking_changes_nothing_and_takes_no_lock(estate: Estate) -> None:
    before = {path: path.read_bytes() for path in sorted(estate.world.folder().rglob("*")) if path.is_file()}
    estate.cluster()
    estate.snapshot()
    estate.world.reopen()
    assert {path: path.read_bytes() for path in before} == before


def test_snapshots_and_copies_abroad_are_proved_under_their_own_root(estate: Estate) -> None:
    assert failures(estate.snapshot()) == []
    assert failures(estate.snapshot(region=THERE, root=estate.abroad)) == []


def test_a_copy_under_the_wrong_root_is_found(estate: Estate) -> None:
    found = failures(estate.snapshot(region=THERE, root=OWNED))
    assert [what for what, _ in found] == [KEYS_OPENED]
    assert "declared to be under the owned key" in found[0][1]


def test_a_copy_grant_is_proved_through_its_key(estate: Estate) -> None:
    def prove(root: Root) -> list[Check]:
        there = estate.world.warehouse(THERE)
        return list(there.prove_copy_grant(estate.world.caller, "inbound", root, Looking()))

    assert failures(prove(estate.abroad)) == []
    assert counted(prove(estate.abroad), ROUND_TRIPS) == 1
    assert "is declared to be under the owned key" in failures(prove(OWNED))[0][1]
    estate.world.keys(THERE).disable_key(estate.world.caller, str(estate.abroad.key_arn))
    assert [what for what, _ in failures(prove(estate.abroad))] == [ROUND_TRIPS]


def test_a_plain_cluster_is_plain_as_declared_and_its_blocks_are_as_written(estate: Estate) -> None:
    estate.world.create(NONE, name="open", call="open")
    estate.world.load(estate.world.file("d.csv"), name="open")
    checks = estate.cluster(name="open", root=NONE)
    assert failures(checks) == []
    assert counted(checks, PLAIN_BLOCKS) == 1
    assert [what for what, _ in failures(estate.cluster(name="open", root=estate.root))] == [SAMPLES]


def test_a_catalogue_of_plain_clusters_is_named_as_holding_values_in_clear(estate: Estate) -> None:
    """The same rows may lie there with good reason: finding them would be no finding."""
    for is_plain in (False, True):
        if is_plain:
            estate.world.create(NONE, name="open", call="open")
            estate.world.load(estate.world.file("d.csv"), name="open")
        looking = Looking()
        assert failures(list(estate.world.warehouse().prove_store(estate.world.caller, looking))) == []
        assert looking.clear == ([estate.world.folder() / "catalogue.db"] if is_plain else [])


def test_a_root_that_is_locked_is_a_finding_not_an_error(estate: Estate) -> None:
    estate.world.keys().disable_key(estate.world.caller, str(estate.root.key_arn))
    found = failures(estate.cluster())
    assert [what for what, _ in found] == [KEYS_OPENED]
    assert "is disabled" in found[0][1]
    assert failures(estate.cluster(name="other", root=estate.other)) == []


def test_another_root_than_the_declared_one_is_found(estate: Estate) -> None:
    found = failures(estate.cluster(root=estate.other))
    assert any("is declared to be under" in failure for _, failure in found)


def test_what_is_not_there_is_a_finding(estate: Estate) -> None:
    assert failures(estate.cluster(name="absent"))[0][1].startswith("there is no cluster absent")
    assert failures(estate.snapshot(name="absent"))[0][1].startswith("there is no snapshot absent")


MEANT = {
    "$OF_SALES": "uid IN (SELECT h.cek FROM holder h JOIN cek c ON c.uid = h.cek WHERE c.context LIKE '%:sales%')",
    "$OF_OTHER": "context LIKE '%cluster:other%'",
    "$SALES": "(SELECT uid FROM cluster WHERE name = 'sales')",
}
TAMPERINGS: dict[str, tuple[str, str, str, str]] = {
    # what is done: store, statement, the proof that breaks, a word of what it says
    "another cluster's wrapped key in its place": (
        *("keyring.db", "UPDATE cek SET wrapped = (SELECT wrapped FROM cek WHERE $OF_OTHER) WHERE $OF_SALES"),
        *(KEYS_OPENED, "cannot be opened"),
    ),
    "a context with another name": (
        *("keyring.db", "UPDATE cek SET context = replace(context, ':sales', ':salez') WHERE $OF_SALES"),
        *(KEYS_OPENED, "not bound to"),
    ),
    "the key ring names another root": (
        *("keyring.db", "UPDATE cek SET root_arn = (SELECT root_arn FROM cek WHERE $OF_OTHER) WHERE $OF_SALES"),
        *(KEYS_OPENED, "is declared to be under"),
    ),
    "a wrapped database key of another": (
        *(
            "keyring.db",
            "UPDATE holding SET wrapped = (SELECT h.wrapped FROM holding h JOIN cek c ON uid = h.cek WHERE $OF_OTHER)",
        ),
        *(KEYS_OPENED, "does not open under its cluster key"),
    ),
    "the key inside is called otherwise": (
        "keyring.db",
        "UPDATE cek SET material = 'ff'",
        KEYS_OPENED,
        "does not open",
    ),
    "no database key": ("keyring.db", "DELETE FROM holding", KEYS_OPENED, "no key ring entry"),
    "no cluster key": ("keyring.db", "DELETE FROM holder", KEYS_OPENED, "holds no cluster key"),
    "a manifest of before": (
        *("catalogue.db", "UPDATE cluster SET manifest_version = manifest_version - 1 WHERE uid = $SALES"),
        *(MANIFESTS, "does not match"),
    ),
    "two segments' key tables exchanged": (
        *("catalogue.db", "UPDATE segment SET key_table = 3 - key_table WHERE key_table < 3"),
        *(KEY_TABLES, "does not open"),
    ),
    "a bit of a key table flipped": (
        *(
            "catalogue.db",
            "UPDATE key_table SET body = CAST(substr(body, 1, 80) || zeroblob(4) || substr(body, 85) AS BLOB)",
        ),
        *(KEY_TABLES, "does not open"),
    ),
    "an older generation claimed": (
        *("catalogue.db", "UPDATE key_table SET generation = generation + 1"),
        *(KEY_TABLES, "does not open"),
    ),
    "a key table that claims to be plain": (
        *("catalogue.db", "UPDATE key_table SET dek = NULL WHERE id = 1"),
        *(KEY_TABLES, "stored in clear"),
    ),
    "a cluster that claims to be plain": (
        *("catalogue.db", "UPDATE cluster SET dek = NULL WHERE uid = $SALES"),
        *(SAMPLES, "stored in clear"),
    ),
    "two segments in one file": (
        *("catalogue.db", "UPDATE segment SET file = (SELECT min(file) FROM segment)"),
        *(BLOCKS, "Segment file"),
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_each_tampering_with_the_stores_breaks_its_proof(estate: Estate, tampering: tuple[str, str, str, str]) -> None:
    store, statement, what, word = tampering
    estate.change(store, statement)
    assert any(proof == what and word in failure for proof, failure in failures(estate.cluster()))


def flip(place: int) -> Callable[[bytearray], None]:
    def flipped(raw: bytearray) -> None:
        raw[place] ^= 1

    return flipped


FILES: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "the first bit flipped": (flip(0), "was changed after it was written"),
    "the last bit flipped": (flip(-1), "was changed after it was written"),
    "cut by a byte": (lambda raw: raw.__delitem__(-1), "is cut short"),
    "longer by a byte": (lambda raw: raw.append(0), "not as long as"),
    "replaced by plaintext": (
        lambda raw: raw.__setitem__(slice(0, 24), b"PAR1CANARY-TAIL-00000,0.5"[:24]),
        "changed after",
    ),
}


@pytest.mark.parametrize(("attack", "word"), FILES.values(), ids=FILES.keys())
def test_each_tampering_with_a_segment_file_breaks_the_proof_of_its_blocks(
    estate: Estate, attack: Callable[[bytearray], None], word: str
) -> None:
    path = next(iter(sorted((estate.world.folder() / "data").iterdir())))
    raw = bytearray(path.read_bytes())
    attack(raw)
    path.write_bytes(raw)
    found = failures(estate.cluster()) + failures(estate.cluster(name="other", root=estate.other))
    assert any(what == BLOCKS and word in failure for what, failure in found)


def test_a_segment_file_that_is_gone_is_found(estate: Estate) -> None:
    for path in (estate.world.folder() / "data").iterdir():
        path.unlink()
    assert {what for what, failure in failures(estate.cluster()) if "is gone" in failure} == {BLOCKS}


@contextmanager
def no_cipher(covered: int) -> Iterator[None]:
    """A cipher that was left out from byte ``covered`` on, and that opens what it sealed: all tags are right."""

    def seal(plain: memoryview, out: memoryview, origin: bytes, index: int, random: Random) -> bytes:
        out[: len(plain)] = plain
        out[:covered] = bytes(byte ^ 0x5A for byte in plain[:covered])
        return random.bytes(ENTRY_BYTES)

    def unseal(sealed: memoryview, out: memoryview, entry: bytes | memoryview, origin: bytes, index: int) -> None:
        out[:] = sealed[: len(out)]
        out[:covered] = bytes(byte ^ 0x5A for byte in sealed[:covered])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_files, "seal_block", seal)
        patch.setattr(segment_files, "open_block", unseal)
        patch.setattr("reconciler_warehouse.blocks.raw_samples.open_block", unseal)
        yield


@pytest.mark.parametrize("covered", [0, 64], ids=["nothing is enciphered", "only the beginning is"])
def test_plaintext_that_a_broken_cipher_wrote_is_seen_though_everything_opens(
    estate: Estate, covered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.world.file("plain.csv", CSV.replace("CANARY", "SILENT"))
    with no_cipher(covered):
        with monkeypatch.context() as blind:
            blind.setattr("reconciler_warehouse.loading.new_segments.require_ciphertext", lambda *given: None)
            estate.world.load(estate.world.files / "plain.csv", table="silent")
        found = failures(estate.cluster())
    # By its own double each block opens, so nothing else is wrong; what was sealed before opens to what lies there.
    assert {what for what, _ in found} == {SAMPLES}
    assert all("is in clear" in failure for _, failure in found)


@pytest.mark.parametrize("covered", [0, 64])
def test_a_load_whose_bytes_are_not_ciphertext_is_refused_before_anything_refers_to_them(
    estate: Estate, covered: int
) -> None:
    estate.world.file("plain.csv", CSV.replace("CANARY", "SILENT"))
    before = estate.world.data_files()
    with no_cipher(covered), pytest.raises(DamagedStore, match="is not ciphertext"):
        estate.world.load(estate.world.files / "plain.csv", table="silent")
    assert estate.world.data_files() == before


@pytest.mark.parametrize("covered", [0, 64])
def test_encrypting_in_place_is_refused_when_its_bytes_are_not_ciphertext(estate: Estate, covered: int) -> None:
    estate.world.create(NONE, name="open", call="open")
    estate.world.load(estate.world.file("d.csv"), name="open")
    with no_cipher(covered), pytest.raises(DamagedStore, match="is not ciphertext"):
        estate.world.warehouse().modify_encryption(
            estate.world.caller, "open", estate.root, progress=silent, token="encrypt"
        )


def test_a_plain_file_that_nothing_refers_to_is_found(estate: Estate) -> None:
    def prove() -> list[Check]:
        return list(estate.world.warehouse().prove_store(estate.world.caller, Looking()))

    assert failures(prove()) == []
    (estate.world.folder() / "data" / f"{'ab' * 16}.1").write_bytes(b"PAR1 and rows")
    assert ["is in clear" in failure for _, failure in failures(prove())] == [True]


Known = dict[bytes, tuple[Caller, Context, str | None]]


class LaxKeys:
    """A key service that opens a blob for whatever key or context is named, once it has seen the right ones."""

    def __init__(self, inner: KeyProvider, known: Known, *, ignores: str) -> None:
        self._inner = inner
        self._ignores = ignores
        self._known = known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def decrypt(
        self, caller: Caller, ciphertext: bytes, context: Context, *, key_id: str | None = None
    ) -> DecryptedKey:
        known = self._known.setdefault(ciphertext, (caller, context, key_id))
        is_wrong = known[1] != context if self._ignores == "context" else known[2] != key_id
        if is_wrong:
            return self._inner.decrypt(known[0], ciphertext, known[1], key_id=known[2])
        return self._inner.decrypt(caller, ciphertext, context, key_id=key_id)


@pytest.mark.parametrize(("ignores", "word"), [("context", "under a context"), ("key", "opens under arn:")])
def test_a_key_service_that_opens_too_much_is_found(estate: Estate, ignores: str, word: str) -> None:
    known: Known = {}
    estate.world.wrap_keys = lambda inner: cast(KeyProvider, LaxKeys(inner, known, ignores=ignores))
    found = failures(estate.cluster(Looking(keys=[str(estate.other.key_arn)])))
    assert any(what == REFUSALS and word in failure for what, failure in found)


def test_the_key_service_itself_refuses_another_key_by_name(estate: Estate) -> None:
    """What the refusals count: IncorrectKeyException and InvalidCiphertextException, from the real service."""
    keys, world = estate.world.keys(), estate.world
    plain = world.key("k4")
    world_caller = Caller(principal=f"arn:aws:iam::{world.caller.account}:root", account=world.caller.account)
    blob = keys.encrypt(world_caller, str(plain.key_arn), b"canary", {"a": "b"})
    with pytest.raises(IncorrectKeyException):
        keys.decrypt(world_caller, blob, {"a": "b"}, key_id=str(estate.root.key_arn))
    with pytest.raises(InvalidCiphertextException):
        keys.decrypt(world_caller, blob, {"a": "c"}, key_id=str(plain.key_arn))
    assert plain.kind is RootKind.KMS


class TestContract(WarehouseProofsContract):
    @pytest.fixture
    def proven(self, made: Estate) -> ProvenWarehouse:
        world = made.world
        return ProvenWarehouse(
            warehouse=world.warehouse(),
            caller=world.caller,
            name="sales",
            root=made.root,
            other_key=str(made.other.key_arn),
        )
