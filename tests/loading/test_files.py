"""Which files are read (CONTRACT 1 and 2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import InvalidManifests
from reconciler.loading.beneath import SideFiles
from reconciler.loading.files import LARGEST, find
from reconciler.loading.load import load
from tests.loading.places import BASE, manifest, problems, project


def names(root: Path, *places: str) -> list[str]:
    return [source.name for source in find(root, places or ("manifests/",)).sources]


def test_manifests_are_found_in_order_below_folders_without_hidden_ones(tmp_path: Path) -> None:
    project(
        tmp_path,
        dict.fromkeys(("b.yaml", ".hidden.yaml", "x.json", "c.YAML"), "")
        | dict.fromkeys(("manifests/a/z.yml", "manifests/a/b/c.yaml", "manifests/.git/x.yaml"), ""),
    )
    assert names(tmp_path) == ["manifests/a/b/c.yaml", "manifests/a/z.yml", "manifests/b.yaml"]


def test_the_project_file_is_no_manifest(tmp_path: Path) -> None:
    project(tmp_path, {"./reconciler.yaml": "home: x", "./k.yaml": ""})
    assert names(tmp_path, ".") == ["k.yaml"]


def test_files_named_one_by_one_are_read_once_and_called_as_the_user_called_them(tmp_path: Path) -> None:
    project(tmp_path, {"a.yaml": "", "./other/b.txt": ""})
    assert names(tmp_path, "other/b.txt", "manifests", "manifests/a.yaml") == ["other/b.txt", "manifests/a.yaml"]
    outside = str(tmp_path / "other/b.txt")
    assert names(tmp_path, outside) == [outside]


def test_a_dash_is_standard_input(tmp_path: Path) -> None:
    text = BASE + manifest("Key", "a", "provider: nobody")
    with pytest.raises(InvalidManifests) as caught:
        load(tmp_path, ["-"], read_stdin=text.encode)
    assert [problem.file for problem in caught.value.diagnostics()] == ["<stdin>"]
    assert len(load(tmp_path, ["-"], read_stdin=BASE.encode).resources) == 2


def test_a_place_that_is_not_there_is_a_problem_and_an_empty_one_a_warning(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert (problem.code, problem.summary) == ("unreadable", "manifests/ cannot be read: No such file or directory")
    (tmp_path / "manifests").mkdir()
    manifests = load(tmp_path)
    assert manifests.resources == []
    assert [warning.code for warning in manifests.warnings] == ["no-manifests"]


def test_one_mebibyte_is_the_most(tmp_path: Path) -> None:
    project(tmp_path, {"a.yaml": "#" * LARGEST})
    assert problems(tmp_path) == []
    project(tmp_path, {"a.yaml": "#" * (LARGEST + 1)})
    (problem,) = problems(tmp_path)
    assert (problem.code, problem.file) == ("file-too-large", "manifests/a.yaml")


def test_links_stay_in_the_project(tmp_path: Path) -> None:
    inside, outside = tmp_path / "project", tmp_path / "outside"
    project(inside, {"real.yaml": BASE, "./data/real.yaml": ""})
    project(outside, {"x.yaml": BASE})
    (inside / "manifests/in.yaml").symlink_to(inside / "data/real.yaml")
    assert problems(inside) == []
    (inside / "manifests/out.yaml").symlink_to(outside / "manifests/x.yaml")
    (inside / "manifests/folder").symlink_to(inside / "data")
    assert [(problem.code, problem.file) for problem in problems(inside)] == [
        ("symbolic-link", "manifests/folder"),
        ("symbolic-link", "manifests/out.yaml"),
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    {
        "link.json": "links are not followed",
        "linked/real.json": "links are not followed",
        "sub/../real.json": "leads out of the project",
        "/etc/hostname": "absolute path",
        "real.json/x": "no folder",
        "none.json": "there is no such file",
        "sub": "not a regular file",
        "pipe": "not a regular file",
        "": "not a plain path",
        "a\0b": "not a plain path",
        "big.json": "larger than",
        "latin.json": "not UTF-8",
    }.items(),
)
def test_a_file_that_a_manifest_names_is_below_the_project_through_no_link(
    path: str, reason: str, tmp_path: Path
) -> None:
    project(
        tmp_path,
        {"./real.json": "{}", "./sub/real.json": "{}", "./big.json": "x" * (LARGEST + 1), "./latin.json": b"\xe4"},
    )
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    (tmp_path / "linked").symlink_to(tmp_path / "sub")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=reason):
        SideFiles(tmp_path).text(path)


def test_a_file_below_is_read_and_remembered(tmp_path: Path) -> None:
    project(tmp_path, {"./sub/real.json": "{}"})
    files = SideFiles(tmp_path)
    assert files.text("sub/real.json") == "{}"
    assert len(files.sha256("sub/real.json")) == 64
    assert list(files.seen) == ["sub/real.json"]


def test_a_project_within_is_named_and_not_read_as_part_of_this_one(tmp_path: Path) -> None:
    inner = tmp_path / "manifests" / "other"
    (inner / "manifests").mkdir(parents=True)
    (inner / "reconciler.yaml").write_text("manifests: [manifests/]\n")
    (inner / "manifests" / "key.yaml").write_text("not: ours\n")
    (problem,) = problems(tmp_path)

    assert (problem.code, problem.file) == ("project-within", "manifests/other/reconciler.yaml")
    assert problem.suggestion is not None
    assert "-C manifests/other" in problem.suggestion


def test_a_project_file_is_no_manifest_where_its_folder_is_named(tmp_path: Path) -> None:
    root = project(tmp_path, {"base.yaml": BASE})
    (root / "manifests" / "reconciler.yaml").write_text("manifests: [manifests/]\n")

    assert problems(root) == []
