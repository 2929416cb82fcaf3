"""Exports: what other tools read is what is in the tables, and opens for nobody else (KM5, KM6)."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet.encryption as pqe  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    AlreadyExistsException,
    ConflictException,
    DisabledException,
    HostError,
    ReconcilerError,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.host.new_folder import new_folder
from reconciler.host.os_fs import OsFs
from reconciler.providers.data import Root
from reconciler.providers.warehouse import ExportedTable, ExportForm, ExportsTables
from reconciler_warehouse.exports import export_files
from reconciler_warehouse.exports.modular_encryption import WrappedKey, with_key_metadata
from reconciler_warehouse.queries import table_reading
from reconciler_warehouse.tests.worlds import ADMIN, CSV, NONE, World, silent
from tests.amounts import amount
from tests.faults import failpoints

ROWS = 5000


@pytest.fixture(name="world")
def with_two_tables(world: World) -> World:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.load(world.file("b.csv", CSV.replace("CANARY", "OTHER")), table="other")
    return world


def exported(
    world: World, *tables: str, key: Root | None = None, to: str = "out", caller: Caller | None = None
) -> list[ExportedTable]:
    warehouse = world.warehouse()
    assert isinstance(warehouse, ExportsTables)
    return warehouse.export_tables(
        caller or world.caller,
        "sales",
        tables,
        world.files / to,
        form=ExportForm.PARQUET if key is None else ExportForm.ENCRYPTED_PARQUET,
        key_id=None if key is None else key.key_arn,
        progress=silent,
    )


class Unwraps(pqe.KmsClient):  # type: ignore[misc]  # pyarrow ships no types
    """What anybody who may use the key writes to read an export."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        raise NotImplementedError

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        wrapped = WrappedKey.parse(wrapped_key)
        opened = self._world.keys().decrypt(
            self._world.caller, wrapped.ciphertext, wrapped.context, key_id=master_key_identifier
        )
        return bytes(opened.plaintext.expose_key_bytes())


def opening(world: World) -> Any:
    factory = pqe.CryptoFactory(lambda _: Unwraps(world))
    return factory.file_decryption_properties(pqe.KmsConnectionConfig(), pqe.DecryptionConfiguration())


def read(world: World, path: Path) -> Any:
    return pa.concat_tables(
        pq.read_table(part, decryption_properties=opening(world)) for part in sorted(path.iterdir())
    )


def test_an_encrypted_export_opens_for_a_reader_of_the_key_service_alone(world: World) -> None:
    key = world.key("export")
    (flights,) = exported(world, "flights", key=key)
    assert (flights.name, flights.rows) == ("flights", ROWS)
    out = world.files / "out"
    for path in out.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
        assert path.is_dir() or b"CANARY" not in path.read_bytes()
    (path,) = (out / "flights").iterdir()
    assert read(world, out / "flights").column("id").to_pylist() == list(range(ROWS))
    with pytest.raises(OSError, match="no decryption found"):
        pq.read_table(path)
    world.keys().disable_key(world.caller, str(key.key_arn))
    with pytest.raises(DisabledException):
        read(world, out / "flights")


def test_a_plain_export_is_what_any_tool_reads(world: World) -> None:
    assert [one.name for one in exported(world)] == ["flights", "other"]
    found = pq.read_table(world.files / "out" / "flights")
    assert found.column_names == ["id", "tail", "delay"]
    assert found.column("tail")[4711].as_py() == "CANARY-TAIL-04711"
    listing = json.loads((world.files / "out" / "_export.json").read_text())
    assert [(one["name"], [part["rows"] for part in one["files"]]) for one in listing["tables"]] == [
        ("flights", [ROWS]),
        ("other", [ROWS]),
    ]
    assert listing["form"] == "parquet"


def test_each_file_has_a_key_of_its_own_and_says_what_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_files, "FILE_BYTES", 4096)
    monkeypatch.setattr(export_files, "ROW_GROUP_ROWS", 1000)
    monkeypatch.setattr(table_reading, "BATCH_ROWS", 500)
    key = world.key("export")
    (flights,) = exported(world, "flights", key=key)
    assert len(flights.files) > 2
    wrapped = set()
    for number, name in enumerate(flights.files):
        raw = (world.files / "out" / name).read_bytes()
        (said,) = re.findall(rb'"wrappedDEK":"([^"]+)"', raw)
        one = WrappedKey.parse(said.decode())
        wrapped.add(one.ciphertext)
        assert one.context["reconciler:table"] == "flights"
        assert one.context["reconciler:part"] == str(number)
        prefix = f"arn:aws:redshift:eu-west-1:111122223333:cluster:sales/flights/{one.context['reconciler:export']}"
        assert f"{prefix}/{number}".encode() in raw
    assert len(wrapped) == len(flights.files)
    assert read(world, world.files / "out" / "flights").column("id").to_pylist() == list(range(ROWS))


def test_a_file_of_another_part_or_table_is_noticed_by_its_prefix(world: World) -> None:
    exported(world, key=world.key("export"))
    (path,) = (world.files / "out" / "flights").iterdir()
    (said,) = re.findall(rb'"wrappedDEK":"([^"]+)"', path.read_bytes())
    key = Unwraps(world).unwrap_key(said.decode(), str(world.key("export").key_arn))
    with pytest.raises(OSError, match="AAD Prefix"):
        pq.read_table(path, decryption_properties=pqe.create_decryption_properties(key, aad_prefix=b"another"))


def test_who_may_not_use_the_key_exports_nothing(world: World) -> None:
    key = world.key("export")
    stranger = Caller(principal=ADMIN.replace("Admin", "nobody"), account=world.caller.account)
    with pytest.raises(AccessDeniedException, match="No data key for flights"):
        exported(world, key=key, caller=stranger)
    elsewhere = Caller(principal=ADMIN.replace("111122223333", "444455556666"), account="444455556666")
    with pytest.raises(AccessDeniedException, match="belongs to account"):
        exported(world, caller=elsewhere)
    assert [path.name for path in world.files.iterdir() if "out" in path.name] == []


@pytest.mark.parametrize("taken", ["folder", "file", "link"])
def test_nothing_is_ever_overwritten(world: World, taken: str) -> None:
    out = world.files / "out"
    if taken == "folder":
        out.mkdir()
    elif taken == "file":
        out.write_text("mine")
    else:
        out.symlink_to("nowhere")
    with pytest.raises(AlreadyExistsException, match="is there already"):
        exported(world)
    assert [path.name for path in world.files.iterdir() if path.name.startswith(".")] == []


def test_what_is_asked_for_wrongly_is_refused_before_a_file_is_made(world: World) -> None:
    with pytest.raises(ResourceNotFoundException, match="no table absent"):
        exported(world, "absent")
    with pytest.raises(HostError, match="no folder"):
        exported(world, to="absent/out")
    with pytest.raises(ValidationException, match="needs a key"):
        world.warehouse().export_tables(
            world.caller,
            "sales",
            (),
            world.files / "out",
            form=ExportForm.ENCRYPTED_PARQUET,
            key_id=None,
            progress=silent,
        )
    assert not (world.files / "out").exists()


def test_a_damaged_segment_ends_the_export_and_nothing_of_it_stays(world: World) -> None:
    (name, raw) = next(iter(world.data_files().items()))
    (world.folder() / "data" / name).write_bytes(raw[:200] + bytes([raw[200] ^ 1]) + raw[201:])
    with pytest.raises(ReconcilerError, match=name):
        exported(world)
    assert [path.name for path in world.files.iterdir() if "out" in path.name] == []


def test_what_a_killed_export_left_goes_with_the_next_and_a_running_one_is_left_alone(world: World) -> None:
    leftover = world.files / ".out.making" / "flights"
    leftover.mkdir(parents=True)
    (leftover / "part-00000.parquet").write_text("CANARY")
    exported(world)
    assert sorted(path.name for path in world.files.iterdir() if "out" in path.name) == ["out"]
    with new_folder(OsFs(), world.files / "again"), pytest.raises(ConflictException, match="Another process"):
        exported(world, to="again")


def test_an_export_of_a_cluster_that_is_not_encrypted_may_be_encrypted(world: World) -> None:
    world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="off")
    exported(world, "other", key=world.key("export"))
    assert read(world, world.files / "out" / "other").num_rows == ROWS


@pytest.mark.parametrize("tail", [b"", b"PARE", b"\xff\xff\xff\x7fPARE", b"\x1c\x00\x18\x00\x04\x00\x00\x00PARE"])
def test_only_the_end_of_an_encrypted_file_without_a_key_is_given_one(tail: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        with_key_metadata(tail, b"{}")


@pytest.mark.parametrize("text", ["", "a.b", "W10=.AAAA", "eyJhIjoxfQ==.AAAA", "[" * 100_000, "é.AAAA"])
def test_text_that_is_no_wrapped_key_is_refused_in_one_way(text: str) -> None:
    if text == "":
        assert WrappedKey.parse(text) == WrappedKey(b"", {})
        return
    with pytest.raises(ValueError, match="not a"):
        WrappedKey.parse(text)


def test_an_encrypted_file_is_loaded_by_whoever_may_use_its_key(world: World, tmp_path: Path) -> None:
    key = world.key("export")
    exported(world, "flights", key=key)
    (path,) = (world.files / "out" / "flights").iterdir()
    loaded = world.load(path, table="again")
    assert loaded.rows == ROWS
    assert world.select("SELECT max(tail) FROM again") == world.select("SELECT max(tail) FROM flights")
    world.keys().disable_key(world.caller, str(key.key_arn))
    with pytest.raises(DisabledException, match="The file's key is not opened"):
        world.load(path, table="third")


def test_a_file_that_names_no_key_of_the_service_opens_nowhere(world: World) -> None:
    exported(world, "flights", key=world.key("export"))
    (path,) = (world.files / "out" / "flights").iterdir()
    raw = path.read_bytes()
    for old, new, said in (
        (b'"wrappedDEK":"e', b'"wrappedDEK":"!', "not wrapped as a key of the key service is"),
        (b'"masterKeyID":"arn:', b'"masterKeyID":"brn:', "The file's key is not opened"),
        (b'"PKMT1"', b'"PKMT9"', "not a Parquet file"),
    ):
        assert old in raw
        with pytest.raises(ReconcilerError, match=said):
            world.load(world.file("x.parquet", raw.replace(old, new)), table="again")
    torn = bytearray(raw)
    torn[200] ^= 1
    with pytest.raises(ReconcilerError, match="not a Parquet file"):
        world.load(world.file("x.parquet", bytes(torn)), table="again")


@pytest.mark.parametrize("double", [True, False], ids=["a key for each file", "keys under another"])
@pytest.mark.parametrize("columns", [True, False], ids=["a key for a column", "one key"])
def test_what_the_key_tools_of_others_encrypt_is_loaded(world: World, double: bool, columns: bool) -> None:
    """Their wrapped keys have no context."""
    key = str(world.key("theirs").key_arn).rpartition("/")[2]  # Arrow splits at the colons of an ARN

    class Wraps(Unwraps):
        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
            sealed = world.keys().encrypt(world.caller, master_key_identifier, key_bytes, {})
            return base64.b64encode(sealed).decode()

    how: dict[str, Any] = {"column_keys": {key: ["tail"]}} if columns else {"uniform_encryption": True}
    factory = pqe.CryptoFactory(lambda _: Wraps(world))
    properties = factory.file_encryption_properties(
        pqe.KmsConnectionConfig(),
        pqe.EncryptionConfiguration(footer_key=key, double_wrapping=double, data_key_length_bits=256, **how),
    )
    path = world.files / "theirs.parquet"
    pq.write_table(pa.table({"id": [1, 2], "tail": ["x", "y"]}), path, encryption_properties=properties)
    assert world.load(path, table="theirs").rows == 2
    assert world.select("SELECT tail FROM theirs WHERE id = 2") == [("y",)]


def test_killed_anywhere_an_export_is_whole_or_not_there_and_the_next_leaves_nothing_behind(world: World) -> None:
    key, out = world.key("export"), world.files / "out"
    world.reopen()

    def work(fs: OsFs) -> None:
        alone = World(home=world.home, files=world.files, fs=fs)
        exported(alone, key=key)
        alone.reopen()

    reached = failpoints.trace(work)
    shutil.rmtree(out)
    for at in range(0, len(reached), amount(3, 1)):
        assert failpoints.kill(work, at), reached[at]
        if not out.exists():
            exported(world, key=key)
            world.reopen()
        assert {path.name for path in out.iterdir()} == {"flights", "other", "_export.json"}
        assert [path.name for path in world.files.iterdir() if "making" in path.name] == []
        shutil.rmtree(out)
    assert len(reached) > 20


@given(st.binary(max_size=600), st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=8))
def test_a_wrapped_key_is_the_same_after_its_text(ciphertext: bytes, context: dict[str, str]) -> None:
    made = WrappedKey(ciphertext, context)
    assert WrappedKey.parse(str(made)) == made


@given(st.text(max_size=200))
def test_any_text_is_a_wrapped_key_or_refused_in_one_way(text: str) -> None:
    with contextlib.suppress(ValueError):
        WrappedKey.parse(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_the_end_of_an_encrypted_file_or_refused_in_one_way(tail: bytes) -> None:
    with contextlib.suppress(ValueError):
        with_key_metadata(tail + len(tail).to_bytes(4, "little") + b"PARE", b"{}")
