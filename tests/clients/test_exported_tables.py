"""An encrypted export is read by pyarrow and boto3 alone, as ``examples/`` shows, by whoever the key's policy lets."""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.exported import ROOT, Exported, exported

EXAMPLE = ROOT / "examples" / "read_export.py"


@pytest.fixture(scope="module", name="there")
def _there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    with exported(tmp_path_factory.mktemp("exported")) as made:
        yield made


def run(there: Exported, table: str, endpoint: str = "") -> subprocess.CompletedProcess[str]:
    where = str(there.folder / "out" / table)
    return subprocess.run(
        [sys.executable, str(EXAMPLE), where, "--endpoint", endpoint or there.endpoint, "--head", "2"],
        env={"PATH": "/usr/bin:/bin", **there.environment},
        capture_output=True,
        text=True,
        check=False,
    )


def imported() -> Any:
    """The example as a module, as somebody else's program has it."""
    found = importlib.util.spec_from_file_location("read_export", EXAMPLE)
    assert found is not None and found.loader is not None
    example = importlib.util.module_from_spec(found)
    found.loader.exec_module(example)
    return example


def test_the_example_reads_it(there: Exported) -> None:
    ran = run(there, "people")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == "3000 rows\n"
    assert ran.stdout.splitlines()[1] == "{'id': 1, 'name': 'CANARY-000001', 'at': datetime.date(2013, 1, 2)}"


def test_the_policy_decides_by_the_table_that_a_file_is_of(there: Exported) -> None:
    refused = run(there, "others")
    assert (refused.returncode, refused.stdout) == (1, "")
    (sentence,) = refused.stderr.splitlines()
    assert "cannot be read: AccessDeniedException: " in sentence
    assert sentence.endswith("has to allow you kms:Decrypt for this table.")


@pytest.mark.parametrize(
    ("table", "endpoint"), [("nothing", ""), ("people", "http://127.0.0.1:9")], ids=["no such table", "no service"]
)
def test_what_keeps_the_example_from_reading_is_one_sentence(there: Exported, table: str, endpoint: str) -> None:
    refused = run(there, table, endpoint)
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1)
    assert f"{table} cannot be read: " in refused.stderr


def client(there: Exported) -> Any:
    import boto3

    return boto3.client(
        "kms",
        endpoint_url=there.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=there.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=there.environment["AWS_SECRET_ACCESS_KEY"],
    )


def test_the_dataset_pushes_columns_and_filters_down(there: Exported) -> None:
    import pyarrow.dataset as ds  # type: ignore[import-untyped]  # pyarrow ships no types

    kms = client(there)
    table = imported().dataset(str(there.folder / "out" / "people"), kms)
    found = table.to_table(columns=["name"], filter=ds.field("id") >= 2_998)
    assert found.to_pydict() == {"name": ["CANARY-002998", "CANARY-002999"]}
    kms.close()


def test_what_unwraps_keys_is_kept_until_the_process_ends(there: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of Arrow that lets go of it last, while Python ends, aborts the process."""
    import pyarrow.parquet.encryption as pe  # type: ignore[import-untyped]  # pyarrow ships no types

    made: list[weakref.ref[Any]] = []

    class Noted(pe.CryptoFactory):  # type: ignore[misc]  # pyarrow ships no types
        def __init__(self, client_of: Any) -> None:
            super().__init__(client_of)
            made.append(weakref.ref(self))

    monkeypatch.setattr(pe, "CryptoFactory", Noted)
    example = imported()
    example.dataset(str(there.folder / "out" / "people"), client(there))
    gc.collect()
    assert [factory() is not None for factory in made] == [True]


def test_its_keys_are_for_reading_only_and_say_so() -> None:
    with pytest.raises(PermissionError, match="for reading only: write exports with `reconciler export`"):
        imported().ServedKeys(None).wrap_key(b"", "key")
