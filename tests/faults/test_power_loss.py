"""Whatever is written outside SQLite survives a power loss at any moment, and so does what takes it up (T2, G2)."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from reconciler.host import durable
from reconciler.testing.crash_states import CrashState, crash_states
from reconciler.testing.fakes import SeededRandom
from reconciler.testing.recording_fs import RecordingFs
from tests import counts
from tests.amounts import amount
from tests.faults import power
from tests.faults.killing import Prepared
from tests.faults.operations import CASES

ROOT = Path(__file__).resolve().parents[2]
WRITING = {"create", "write", "fsync", "rename", "unlink", "mkdir", "fsync_dir"}

# Every module of the product that changes the disk through an ``Fs`` or ``durable``, and where its power losses are.
WRITERS: Mapping[str, str] = {
    "reconciler/host/durable.py": "tests/host/test_durable.py",
    "reconciler/host/os_fs.py": "tests/host/test_os_fs.py",
    "reconciler/host/new_folder.py": "tests/host/test_new_folder.py",
    "reconciler/host/spool.py": "tests/host/test_spool.py",
    "reconciler/serving/kept_credentials.py": "tests/serving/test_power_loss.py",
    "reconciler/state/seal.py": "tests/faults/test_power_loss.py",
    "reconciler/state/initialise.py": "tests/faults/test_power_loss.py",
    "reconciler/state/plan_file.py": "tests/faults/test_power_loss.py",
    "plugins/reconciler_softkms/sealing/seal_file.py": "plugins/reconciler_softkms/tests/test_faults.py",
    "plugins/reconciler_softkms/backup_file.py": "plugins/reconciler_softkms/tests/test_faults.py",
    "plugins/reconciler_softkms/restoring.py": "plugins/reconciler_softkms/tests/test_faults.py",
    "plugins/reconciler_pkcs11/breaker.py": "plugins/reconciler_pkcs11/tests/test_power_loss.py",
    "plugins/reconciler_pkcs11/link/serving.py": "plugins/reconciler_pkcs11/tests/test_power_loss.py",
    "plugins/reconciler_pkcs11/seal.py": "plugins/reconciler_pkcs11/tests/test_power_loss.py",
    "plugins/reconciler_warehouse/keys/internal_root.py": "tests/faults/test_power_loss.py",
    "plugins/reconciler_warehouse/segment_store/local_files.py": "tests/faults/test_power_loss.py",
    "plugins/reconciler_warehouse/segment_store/former_stores.py": (
        "plugins/reconciler_warehouse/tests/test_former_stores.py"
    ),
}


def writers() -> Iterator[str]:
    """Modules that call a writing method of something called fs, or a function of ``durable`` that writes."""
    for top in ("reconciler", "plugins"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if "/tests/" not in name and "/testing/" not in name and _writes(ast.parse(path.read_text())):
                yield name


def _writes(tree: ast.Module) -> bool:
    durable_names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "reconciler.host.durable"
        for alias in node.names
        if alias.name in {"replace", "write_new", "make_folder"}
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in durable_names:
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if node.func.attr in WRITING and owner.rpartition(".")[2] in {"fs", "_fs", "os"}:
                return True
            if owner == "durable" and node.func.attr in {"replace", "write_new", "make_folder"}:
                return True
    return False


def test_every_writer_is_listed_with_the_test_of_its_power_losses() -> None:
    found = set(writers()) - MAKERS_OF_STORES.keys()
    assert found == WRITERS.keys() | FOR_A_PERSON.keys() | HOLDS_NOTHING.keys()
    assert all((ROOT / test).exists() for test in WRITERS.values())


# SQLite's own files and folders are born there: whole or not at all (tests/host/test_sqlite.py).
MAKERS_OF_STORES: Mapping[str, str] = {"reconciler/host/sqlite.py": "tests/host/test_sqlite.py"}
# Whole by ``durable``, or nothing: losing it costs running the command again.
FOR_A_PERSON: Mapping[str, str] = {
    "plugins/reconciler_softkms/backing_up.py": "only removes its own copy, which the next backup does again",
    "reconciler/project/starter.py": "init --starter",
    "reconciler/commands/generating.py": "import --generate",
    "plugins/reconciler_warehouse/distributed/certificates.py": "workers init; a folder half made is told apart",
    "reconciler/commands/hsm_agent/init.py": "an empty folder for certificates",
    "plugins/reconciler_warehouse/exports/exporting.py": "the tables' folders in it",
}
# Nothing that outlives a loss of power.
HOLDS_NOTHING: Mapping[str, str] = {
    "reconciler/host/memory_file.py": "a file without a name, in memory",
    "reconciler/host/pins.py": "which epochs living readers hold: a lock on it is all that counts, and ends with them",
    "reconciler/serving/key_services.py": "the file by which /healthz tries whether there is room",
}


@pytest.mark.parametrize("prepared", CASES, indirect=True)
def test_power_lost_anywhere_in_an_apply_costs_one_more_apply(prepared: Prepared) -> None:
    chance = random.Random(prepared.case.change)  # noqa: S311  # a choice of states that can be repeated
    power.lose_power(prepared, chance, amount(40, 100_000))


TARGET = Path("/home/file")
OLD, NEWER = b"old" * 300, b"newer" * 900
SIZES = (100, 2_000, 2_600, 3_000, 3_500, 4_000)


def _states(fs: RecordingFs, size: int, process: str) -> Iterator[CrashState]:
    durable.replace(fs, TARGET, NEWER[:size], SeededRandom(process))
    fs.acknowledge("written")
    yield from crash_states(fs)


def _is_whole(state: CrashState, size: int) -> bool:
    allowed = [NEWER[:size]] if state.acknowledged else [OLD, NEWER[:size]]
    return state.files.get(TARGET) in allowed


@pytest.mark.parametrize("size", SIZES)
def test_a_file_that_is_replaced_is_whole_after_a_second_power_loss_too(size: int) -> None:
    seen: set[int] = set()
    for state in _states(RecordingFs({TARGET: OLD}), size, "first"):
        assert _is_whole(state, size)
        for second in _states(state.fs(), size, "second"):
            assert _is_whole(second, size)
            seen.add(hash((state.cut, second.cut, tuple(sorted(second.files.items())))))
    counts.count("T2", states_of_one_file=len(seen))
    assert len(seen) > 100


@pytest.mark.parametrize("size", SIZES)
def test_a_file_that_is_written_once_is_whole_when_that_was_said(size: int) -> None:
    fs = RecordingFs(folders=[TARGET.parent])
    durable.write_new(fs, TARGET, [NEWER[: size // 3], NEWER[size // 3 : size]])
    fs.acknowledge("written")
    states = list(crash_states(fs))
    counts.count("T2", states_of_one_file=len(states))
    assert all(state.files.get(TARGET) == NEWER[:size] for state in states if state.acknowledged)
