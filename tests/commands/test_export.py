"""``export``: files that other tools read; plaintext only by name, nothing overwritten (CONTRACT 4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.views.schemas import load_schema
from tests.commands.shop import Run, declare
from tests.world import document, provider

MANIFESTS = provider("kms") + provider("dw", "warehouse")
MANIFESTS += document("Key", "k", provider="kms") + document("Key", "exports", provider="kms")
MANIFESTS += document(
    "Cluster",
    "sales",
    provider="dw",
    nodeType="ra3.large",
    nodes=1,
    encryption="{key: k}",
    tables="[{name: people, load: [manifests/people.csv]}]",
)


@pytest.fixture(name="run")
def with_a_cluster(run: Run, folder: Path) -> Run:
    (folder / "manifests" / "people.csv").write_text("name,age\nCANARY-ANNE,3\nCANARY-BERT,5\n")
    declare(folder, MANIFESTS)
    ran = run("apply", "--auto-approve")
    assert ran.code == 0, ran.err
    return run


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "out").rglob("*") if path.is_file()]


def test_an_export_is_encrypted_unless_plaintext_is_asked_for_by_name(run: Run, folder: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    ran = run("export", "-c", "sales", "--to", "out", "--key", "exports", "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    jsonschema.validate(ran.json, load_schema("export"))
    assert ran.json["tables"][0]["files"] == ["people/part-00000.parquet"]
    assert len(files(folder)) == 2
    assert not [path for path in files(folder) if b"CANARY" in path.read_bytes()]
    refused = run("export", "-c", "sales", "--to", "clear")
    assert refused.code == 1
    assert "--form parquet" in refused.err
    both = run("export", "-c", "sales", "--to", "clear", "--form", "parquet", "--key", "exports")
    assert (both.code, (folder / "clear").exists()) == (1, False)
    clear = run("export", "-c", "Cluster/sales", "people", "--to", "clear", "--form", "parquet")
    assert (clear.code, clear.out.partition(",")[0]) == (0, "people: 2 rows")
    assert "clear holds plaintext" in clear.err
    assert b"CANARY-ANNE" in (folder / "clear" / "people" / "part-00000.parquet").read_bytes()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-c", "sale", "--to", "out", "--key", "exports"], "Cluster/sale is not in the state"),
        (["-c", "Key/k", "--to", "out", "--key", "exports"], "Key/k is no Cluster"),
        (["-c", "sales", "--to", "out", "--key", "export"], "Key/export is not in the state"),
        (["-c", "sales", "--to", "out", "--key", "alias/none"], "alias/none"),
        (["-c", "sales", "--to", "manifests", "--key", "exports"], "is there already; nothing was written"),
        (["-c", "sales", "--to", "no/where", "--key", "exports"], "There is no folder"),
        (["-c", "sales", "nobody", "--to", "out", "--key", "exports"], "no table nobody"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_sentence(run: Run, folder: Path, flags: list[str], said: str) -> None:
    ran = run("export", *flags)
    assert ran.code == 1
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not (folder / "out").exists()
