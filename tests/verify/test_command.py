"""``reconciler verify`` through the door that users take: exit codes, streams, what is asked and what is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.providers.typed import key_provider
from reconciler.views.schemas import load_schema
from tests.command_line import run
from tests.verify.estate import Estate, who

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", name="made")
def applied_once(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return Estate.apply(tmp_path_factory.mktemp("command") / "project")


@pytest.fixture(name="estate")
def estate_to_break(made: Estate) -> Iterator[Estate]:
    saved = made.world.folder.with_name("saved")
    shutil.copytree(made.world.folder, saved)
    yield made
    shutil.rmtree(made.world.folder)
    saved.rename(made.world.folder)


@pytest.fixture(name="run")
def verifying(estate: Estate) -> Run:
    def verify(*arguments: str) -> tuple[int, str, str]:
        return estate.world.run("verify", *arguments)

    return verify


def disable(estate: Estate, key: str = "root") -> None:
    with estate.world.session() as session:
        keys, caller = key_provider(session, "kms"), who(session, "kms")
        keys.disable_key(caller, str(session.attributes(address(f"Key/{key}"))["arn"]))


def address(text: str) -> Any:
    from reconciler.model.address import Address

    return Address(text)


def test_all_proved_is_exit_0(run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out.endswith("Proved: 20 of 20.\n")


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_what_is_not_protected_as_declared_is_exit_3(estate: Estate, run: Run, form: str) -> None:
    disable(estate)
    code, out, _ = run("--format", form)
    assert code == 3
    assert "Cluster/sales" in out


def test_manifests_that_cannot_be_read_are_told_as_everywhere_and_once(estate: Estate, run: Run) -> None:
    (estate.world.folder / "manifests" / "more.yaml").write_text("apiVersion: reconciler/v1\nkind: Kay\n")
    code, out, err = run()
    assert (code, out) == (1, "")
    assert "Kay" in err
    assert "on manifests/more.yaml:2" in err
    assert err.count(".yaml:2:7 (kind)") == 1


def test_what_cannot_be_checked_is_exit_1_and_goes_first(estate: Estate, run: Run) -> None:
    disable(estate)
    manifest = estate.world.folder / "manifests" / "world.yaml"
    parts = manifest.read_text().split("---\n")
    manifest.write_text("---\n".join(one for one in parts if "tables}" not in one and "provider: tables" not in one))
    code, out, _ = run()
    assert code == 1
    assert "Not protected as declared: Alias/name" in out
    assert "Not checked: Keyspace/shop" in out


def test_addresses_narrow_and_leave_our_own_files_alone(run: Run) -> None:
    code, out, _ = run("cluster/sales", "Key/root", "--full")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ")] == ["Cluster/sales", "Key/root"]


def test_an_address_that_is_not_recorded_is_a_usage_error(run: Run) -> None:
    code, _, err = run("Cluster/salez")
    assert code == 1
    assert "Cluster/salez: not in the state" in err
    assert "Cluster/sales" in err


def test_the_document_is_what_its_schema_says_and_holds_no_key(estate: Estate, run: Run) -> None:
    secrets = estate.keys_opened()
    code, out, _ = run("--format", "json", "--full")
    assert code == 0
    document = json.loads(out)
    Draft202012Validator(load_schema("verify")).validate(document)
    assert document["full"] is True
    assert not [secret for secret in secrets if secret.hex() in out]


def test_nothing_applied_is_nothing_to_prove(tmp_path: Any) -> None:
    (tmp_path / "manifests").mkdir()
    assert run(tmp_path, "--home", str(tmp_path / "home"), "verify").code == 0
    assert not (tmp_path / "home").exists(), "and nothing is made to look at"
