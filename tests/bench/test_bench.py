"""The benchmarks run, and what they measure is what they say. How fast anything is, no test says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.amounts import is_campaign

BENCH = Path(__file__).resolve().parents[2] / "bench"
RESOURCES = 60  # three groups, the last of which is cut short


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def plan(folder: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "reconciler",
            "plan",
            "--no-refresh",
            "--detailed-exitcode",
            "--format=json",
            *arguments,
        ],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run("world.py", str(RESOURCES), str(tmp_path))
    run("recorded.py", str(RESOURCES), str(tmp_path))
    return tmp_path


def test_a_world_that_was_only_recorded_plans_to_nothing(folder: Path) -> None:
    code, document = plan(folder)
    assert (code, document["changes"]) == (0, [])


def test_what_is_changed_in_the_world_is_all_that_its_plan_changes(folder: Path) -> None:
    run("world.py", str(RESOURCES), str(folder), "--change", "1")
    code, document = plan(folder)
    changes = document["changes"]
    assert isinstance(changes, list)
    differing = {(change["address"], entry["path"]) for change in changes for entry in change["diff"]}
    assert code == 2
    assert differing == {
        ("Key/key-000000", "spec.description"),
        ("Cluster/cluster-000000-0", "spec.nodes"),
        ("Cluster/cluster-000000-1", "spec.nodes"),
    }


def test_every_step_is_measured_and_its_growth_told() -> None:
    told = run("plan.py", str(RESOURCES), "40", "--rounds", "1", "--peer-limit", "0")
    for step in ("validate", "plan, empty state", "no-op plan", "re-plan", "re-plan, 1 % changed"):
        assert told.count(f"  {step:21s} ") == 3  # a row of each size, and its growth


def test_an_apply_is_measured_with_and_without_providers_behind_it_and_after_a_kill() -> None:
    told = run("apply.py", str(RESOURCES), "--rounds", "1", "--peer-limit", "0", "--recovery", str(RESOURCES))
    for side in ("engine", "for real", "recovery"):
        assert side in told


def test_a_refresh_is_told_apart_from_its_plan_and_its_calls_are_counted() -> None:
    told = run("refresh.py", str(RESOURCES), "--rounds", "1", "--peer-limit", "0")
    assert "refresh alone" in told
    assert "Grant 3" in told  # one call a key of the three groups, not one a grant


def test_loading_is_measured_beside_its_peer() -> None:
    told = run("load.py", str(RESOURCES), "--rounds", "1")
    for side in ("peer", "cold", "warm", "changed"):
        assert f"  {side:8s} " in told


def test_the_key_service_is_measured_beside_its_peers() -> None:
    few = ("--rounds", "1", "--ops", "3", "--keys", "3", "--grants", "3", "--rewrap", "512")
    told = run("kms.py", "process", "size", "rewrap", *few)
    for side in ("GenerateDataKey", "Encrypt", "Decrypt", "3 grants", "3 keys, all used", "512 data keys re-wrapped"):
        assert side in told


def test_the_hsm_logs_in_once_and_a_restart_is_one_token_operation() -> None:
    said = run("hsm.py", "--rounds", "1", "--ops", "5")
    if "make setup" in said:
        pytest.skip(said.strip())
    assert "10 operations of one process: 1 C_Login" in said
    assert said.count("read whole: 1 token operation (aim 1), 1 C_Login") == 2
    assert said.count("aim x1.3") == 2


def test_the_warehouse_is_measured_beside_its_peers_at_one_block_size() -> None:
    few = ("--rounds", "1", "--rows", "20000", "--mebibytes", "4")
    told = run("warehouse.py", "cipher", "disk", "rekey", "write", "scan", *few)
    assert "in blocks of 1024 KiB" in told
    for figure in ("raw encrypt_into", "openssl enc", "a plain copy", "DuckDB's COPY", "Parquet write", "full scan"):
        assert figure in told


def test_a_snapshot_is_measured_beside_hard_links() -> None:
    told = run("snapshots.py", "300", "--rounds", "1")
    assert "snapshot of 300 segments / hard links" in told
    assert "restored to a new cluster" in told


def test_workers_are_measured_beside_a_pool_that_does_the_same() -> None:
    if not is_campaign():
        pytest.skip("five processes are started")
    told = run("dask_workers.py", "--segments", "2", "--rows", "20000", "--rounds", "1")
    assert "2 segments of 2 MiB, two processes each" in told
    assert "two Dask workers beside a process pool" in told


@pytest.mark.skipif(not is_campaign(), reason="two processes for seconds: in the campaign")
def test_statements_go_on_while_the_encryption_of_their_cluster_is_changed() -> None:
    said = run("online.py", "20000", "--rounds", "1", "--window", "0.05")
    assert "none lost" in said
    for change in ("encrypt", "re-encrypt", "decrypt"):
        assert f"{change}: until new rows take the new form" in said
