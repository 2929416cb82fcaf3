"""Every example in ``manifests/`` plans, applies, and then plans to nothing (PS1, PS5)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import pytest

from reconciler.testing.quick_folder import tmp_path
from reconciler_pkcs11.tests.tokens import copied, made_tokens

__all__ = ["made_tokens", "tmp_path"]

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent.relative_to(ROOT / "manifests") for path in ROOT.glob("manifests/**/reconciler.yaml"))
LINES = 2_000
HSM = Path("hsm")


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the example, with the first lines of each of its data files: all of them take a demo's time."""
    source = ROOT / "manifests" / request.param
    copy = tmp_path / "project"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".reconciler", "data"))
    (copy / "data").mkdir()
    for path in (source / "data").glob("*.csv"):
        with path.open("rb") as lines:
            (copy / "data" / path.name).write_bytes(b"".join(islice(lines, LINES)))
    if request.param == Path("quickstart") and not list((copy / "data").iterdir()):
        if os.environ.get("CI") == "true":
            pytest.fail("the flights data is missing: make setup fetches it, and under CI=true nothing is skipped")
        pytest.skip("the flights data is not here: make setup fetches it")
    return copy


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, str]:
    """Variables of a machine that has what the example needs: an HSM's tokens, their PINs, and an operator's file."""
    if request.node.callspec.params["project"] != HSM:
        return {}
    tokens = copied(request.getfixturevalue("made_tokens"), tmp_path / "hsm")
    pins = tmp_path / "home" / ".config" / "reconciler" / "pins"
    pins.mkdir(parents=True)
    for name in ("a", "b"):
        pin = tokens[name].pin_file
        shutil.copy2(pin, pins / pin.name)
    return {"HOME": str(tmp_path / "home"), "RECONCILER_OPERATOR_FILE": str(tokens.operator_file)}


def reconciler(
    project: Path, *arguments: str, machine: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, with no variable of ours set but what the example needs."""
    return python("-m", "reconciler", "-C", str(project), *arguments, machine=machine)


def python(*arguments: str, machine: Mapping[str, str] = MappingProxyType({})) -> subprocess.CompletedProcess[str]:
    """A process of its own, with the same variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")}
    environment.update(machine)
    environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in (ROOT, ROOT / "plugins"))
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def audited(project: Path, machine: Mapping[str, str], *before: str) -> str:
    """What ``audit --resource`` misses of the life of any resource that is there."""
    listed = reconciler(project, *before, "state", "list", machine=machine).stdout.splitlines()
    addresses = [line.split()[0] for line in listed]
    assert addresses
    done = python("-c", AUDIT_EACH, str(project), " ".join(before), *addresses, machine=machine)
    assert done.stdout.splitlines()[-1] == f"{len(addresses)} looked at", done.stderr
    return "".join(done.stdout.splitlines(keepends=True)[:-1])


AUDIT_EACH = """
import contextlib, io, sys
from reconciler.cli import main

project, before, *addresses = sys.argv[1:]
for address in addresses:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(["-C", project, *before.split(), "audit", "--resource", address])
    if code != 0 and not (code == 1 and "No grant was ever made" in said.getvalue()):
        print(address, code, said.getvalue())
print(len(addresses), "looked at")
"""


def test_there_are_examples() -> None:
    assert Path("quickstart") in EXAMPLES


@pytest.mark.parametrize("project", EXAMPLES, ids=str, indirect=True)
def test_an_example_plans_applies_and_then_plans_to_nothing(project: Path, machine: Mapping[str, str]) -> None:
    for arguments, code in (
        (("validate",), 0),
        (("plan", "--detailed-exitcode"), 2),
        (("apply", "--auto-approve"), 0),
        (("plan", "--detailed-exitcode"), 0),
        (("drift",), 0),
    ):
        done = reconciler(project, *arguments, machine=machine)
        assert done.returncode == code, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
    assert audited(project, machine) == ""


@pytest.mark.parametrize("project", [Path("quickstart")], ids=str, indirect=True)
def test_an_answer_comes_alone_on_stdout_and_with_nothing_on_stderr(project: Path) -> None:
    assert reconciler(project, "apply", "--auto-approve").returncode == 0
    done = reconciler(project, "sql", "-c", "flights", "--format", "csv", "SELECT count(*) AS flights FROM flights")

    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["flights", str(LINES - 1)], "")


@pytest.mark.parametrize("project", [HSM], ids=str, indirect=True)
def test_clusters_move_into_an_hsm_and_from_partition_to_partition(project: Path, machine: Mapping[str, str]) -> None:
    """A KMS root becomes an HSM's and one partition another; both are then proved, and the old ones hold nothing."""
    assert reconciler(project, "apply", "--auto-approve", machine=machine).returncode == 0
    before = _sums(project, machine)
    plan = reconciler(project, "-e", "moved", "plan", machine=machine)
    assert plan.stdout.count("switch-key: it is under another root than its manifest names") == 2, plan.stdout
    for arguments, code in (
        (("apply", "--auto-approve"), 0),
        (("plan", "--detailed-exitcode"), 0),
        (("drift",), 0),
        (("verify",), 0),
    ):
        done = reconciler(project, "-e", "moved", *arguments, machine=machine)
        assert done.returncode == code, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    assert audited(project, machine, "-e", "moved") == ""
    radius = reconciler(project, "-e", "moved", "blast-radius", "HsmPartition/vault-b", machine=machine)

    assert _sums(project, machine) == before == ["3495", "5285"]
    assert "2 clusters" in radius.stdout and "1 snapshot" in radius.stdout
    pem = reconciler(project, "show", "HsmClientCertificate/link", "--pem", machine=machine)
    assert pem.stdout.startswith("-----BEGIN CERTIFICATE-----\n") and "PRIVATE" not in pem.stdout


def asked(project: Path, cluster: str, statement: str, *before: str) -> list[str]:
    """What a restart of the cluster answers: a command is a process of its own."""
    done = reconciler(project, *before, "sql", "-c", cluster, "--format", "csv", statement)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[1:]


def ends_with(project: Path, code: int, *arguments: str) -> str:
    """What the command printed, once it ended with that code."""
    done = reconciler(project, *arguments)
    assert done.returncode == code, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("project", [Path("online-encryption")], ids=str, indirect=True)
def test_a_cluster_is_rehearsed_and_then_encrypted_while_it_runs(project: Path) -> None:
    """RE9, RE10, RE11, RE14, RE15: what the plan says of it, and what is there afterwards."""
    stage, rehearsal = ("-e", "encrypted"), ("-e", "rehearsed")
    ends_with(project, 0, "apply", "--auto-approve")
    before = asked(project, "orders", "SELECT sum(amount) FROM orders")
    rehearsed = ends_with(project, 0, *rehearsal, "apply", "--auto-approve")
    assert "unrecoverable" in rehearsed  # it has no escrow
    assert "1 operation: 1 encrypt" in rehearsed
    plan = ends_with(project, 2, *stage, "plan", "--detailed-exitcode")
    assert "as measured here so far" in plan
    assert "table scratch is BACKUP NO, and not carried through" in plan
    assert "3.0 KiB rewritten" in plan  # as of its rehearsal, which has no such table
    ends_with(project, 0, *stage, "apply", "--auto-approve")
    ends_with(project, 0, *stage, "plan", "--detailed-exitcode")

    assert audited(project, {}, *stage) == ""
    assert asked(project, "orders", "SELECT sum(amount) FROM orders", *stage) == before
    assert asked(project, "rehearsal", "SELECT sum(amount) FROM orders", *stage) == before
    drift = ends_with(project, 3, *stage, "drift")
    assert "Snapshot/before-encryption plaintext-snapshot" in drift
    assert "1 security, 0 functional, 0 benign" in drift
    assert "1 escrow:" in ends_with(project, 0, *stage, "blast-radius", "Key/spare")


@pytest.mark.parametrize("project", [Path("escrow")], ids=str, indirect=True)
def test_what_a_lost_root_key_opened_is_restored_with_the_escrow_key(project: Path) -> None:
    """RE8, RE14, by what drift says to write."""
    ends_with(project, 0, "apply", "--auto-approve")
    before = asked(project, "orders", "SELECT sum(amount) FROM orders")
    assert "is in escrow" in ends_with(project, 0, "blast-radius", "Key/orders")
    keys = project / "resources" / "keys.yaml"
    keys.write_text(keys.read_text().replace("  provider: keys\n", "  provider: keys\n  enabled: false\n", 1))
    ends_with(project, 0, "apply", "--auto-approve", "--accept-outage", "Key/orders")
    drift = ends_with(project, 3, "drift")
    assert "Cluster/orders warehouse-inaccessible" in drift
    backup = re.search(r"restoreFrom: {arn: (\S+)}", drift)
    assert backup is not None, drift
    (project / "resources" / "restored.yaml").write_text(RESTORED.format(arn=backup[1]))
    ends_with(project, 0, "apply", "--auto-approve")

    assert asked(project, "restored", "SELECT sum(amount) FROM orders") == before
    ends_with(project, 0, "plan", "--detailed-exitcode")


RESTORED = """apiVersion: reconciler/v1alpha1
kind: Cluster
metadata: {{name: restored}}
spec:
  provider: warehouse
  nodeType: ra3.large
  nodes: 2
  restoreFrom: {{arn: "{arn}"}}
  encryption: {{key: next, escrow: spare}}
"""


@pytest.mark.parametrize("project", [Path("data-share")], ids=str, indirect=True)
def test_a_consumer_queries_what_is_shared_with_it(project: Path) -> None:
    ends_with(project, 0, "apply", "--auto-approve")
    statement = "SELECT count(*) FROM {}orders WHERE status = 'paid'"
    assert asked(project, "reports", statement.format("bi.")) == asked(project, "orders", statement.format(""))


def _sums(project: Path, machine: Mapping[str, str]) -> list[str]:
    """What a restart of each cluster reads: a command is a process of its own."""
    asked = (("payments", "SELECT sum(amount) AS n FROM payments"), ("ledger", "SELECT sum(balance) AS n FROM ledger"))
    return [
        reconciler(project, "sql", "-c", cluster, "--format", "csv", text, machine=machine).stdout.split()[-1]
        for cluster, text in asked
    ]
