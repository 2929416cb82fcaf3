"""``init --starter`` writes what is missing and nothing else."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import yaml

from reconciler.errors import HostError
from reconciler.host.os_fs import OsFs
from reconciler.project.project import load_project
from reconciler.project.settings import ParsedFile
from reconciler.project.starter import write_starter
from reconciler.testing.failing_fs import FailingFs, disk_fault


def test_a_new_folder_gets_a_project_file_a_manifest_and_an_ignored_home(tmp_path: Path) -> None:
    written = write_starter(OsFs(), tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in written} == {
        "reconciler.yaml",
        ".gitignore",
        "manifests/key.yaml",
    }
    assert write_starter(OsFs(), tmp_path) == ()


def test_the_project_file_says_what_the_defaults_are(tmp_path: Path) -> None:
    def parse(path: Path) -> ParsedFile:
        return ParsedFile(values=yaml.safe_load(path.read_text()))

    without = load_project(OsFs(), tmp_path, parse, environ={"HOME": "/home/ada"})
    write_starter(OsFs(), tmp_path)
    assert load_project(OsFs(), tmp_path, parse, environ={"HOME": "/home/ada"}) == without


def test_the_manifest_declares_a_provider_and_a_key(tmp_path: Path) -> None:
    write_starter(OsFs(), tmp_path)
    documents = list(yaml.safe_load_all((tmp_path / "manifests" / "key.yaml").read_text()))
    assert [document["kind"] for document in documents] == ["Provider", "Key"]
    assert documents[1]["spec"]["provider"] == documents[0]["metadata"]["name"]


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text("home: mine\n")
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "mine.yaml").write_text("")
    assert write_starter(OsFs(), tmp_path) == (tmp_path / ".gitignore",)
    assert (tmp_path / "reconciler.yaml").read_text() == "home: mine\n"


def test_an_error_at_any_call_is_one_message_and_the_next_try_finishes(tmp_path: Path) -> None:
    counted = disk_fault(errno.ENOSPC)
    (tmp_path / "counted").mkdir()
    write_starter(FailingFs(OsFs(), counted), tmp_path / "counted")
    for at in range(len(counted.calls)):
        folder = tmp_path / f"project-{at}"
        folder.mkdir()
        with pytest.raises(HostError, match="starter project"):
            write_starter(FailingFs(OsFs(), disk_fault(errno.ENOSPC, at=at)), folder)
        write_starter(OsFs(), folder)
        names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert names == {"reconciler.yaml", ".gitignore", "manifests/key.yaml"}
    assert at > 10
