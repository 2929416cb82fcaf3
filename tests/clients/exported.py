"""A project with a cluster whose tables are exported, and its key service on a port: what readers elsewhere have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.world import document, provider

ROOT = Path(__file__).resolve().parents[2]
READER = "arn:aws:iam::111122223333:role/reader"
ROWS = "id,name,at\n" + "".join(f"{n},CANARY-{n:06d},2013-01-{n % 28 + 1:02d}\n" for n in range(3_000))
MAY_READ = (
    "{Version: '2012-10-17', Statement: ["
    "{Effect: Allow, Action: 'kms:*', Resource: '*', Principal: {AWS: 'arn:aws:iam::111122223333:root'}}, "
    f"{{Effect: Allow, Action: ['kms:Decrypt', 'kms:Encrypt'], Resource: '*', Principal: {{AWS: '{READER}'}}, "
    "Condition: {StringEquals: {'kms:EncryptionContext:reconciler:table': people}}}]}"
)
MANIFESTS = provider("kms") + provider("dw", "warehouse")
MANIFESTS += document("Key", "k", provider="kms") + document("Key", "exports", provider="kms")
MANIFESTS += document("KeyPolicy", "exports", key="exports", document=MAY_READ)


def cluster(*tables: str) -> str:
    """A cluster with these tables, given as in a manifest."""
    return document(
        "Cluster",
        "c",
        provider="dw",
        nodeType="ra3.large",
        nodes=1,
        encryption="{key: k}",
        tables=f"[{', '.join(tables)}]",
    )


@dataclass(frozen=True)
class Exported:
    """The project's folder, where its key service listens, and the variables of who may read ``people``."""

    folder: Path
    endpoint: str
    environment: dict[str, str]


def command(folder: Path, *arguments: str) -> str:
    """A command of ours in that folder that must succeed; what it printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "reconciler", "-C", str(folder), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@contextmanager
def exported(folder: Path) -> Iterator[Exported]:
    """Tables ``people`` and ``others``, exported under the key ``exports`` to ``out``, until the block ends."""
    (folder / "manifests").mkdir(parents=True)
    (folder / "reconciler.yaml").write_text("home: .reconciler\n")
    (folder / "manifests" / "people.csv").write_text(ROWS)
    (folder / "manifests" / "others.csv").write_text("id\n1\n")
    tables = [f"{{name: {name}, load: [manifests/{name}.csv]}}" for name in ("people", "others")]
    (folder / "manifests" / "world.yaml").write_text(MANIFESTS + cluster(*tables))
    command(folder, "apply", "--auto-approve")
    command(folder, "export", "-c", "c", "--to", str(folder / "out"), "--key", "exports")
    made = json.loads(command(folder, "serve", "credentials", "make", "--principal", READER, "--format", "json"))
    with _serving(folder) as endpoint:
        access_key = {"AWS_ACCESS_KEY_ID": made["accessKeyId"], "AWS_SECRET_ACCESS_KEY": made["secretAccessKey"]}
        yield Exported(folder, endpoint, {**access_key, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"})


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "-C", str(folder), "serve", "--listen", "127.0.0.1:0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[2]
    finally:
        process.terminate()
        process.communicate(timeout=30)
