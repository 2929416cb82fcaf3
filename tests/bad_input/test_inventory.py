"""The check that nothing is lost can fail: each planted loss is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.bad_input.inventory import inventory, lost, made


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.execute(statement)
        connection.commit()


LOSSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file is removed": (lambda folder: (folder / "note.txt").unlink(), "home/note.txt is gone"),
    "a file is changed": (lambda folder: (folder / "note.txt").write_text("b"), "home/note.txt is another"),
    "a row is removed": (lambda folder: change(folder, "DELETE FROM keys WHERE id = 1"), "lost the row (1, 'one')"),
    "a row is changed": (lambda folder: change(folder, "UPDATE keys SET name = 'x' WHERE id = 2"), "(2, 'two')"),
    "a store is overwritten": (lambda folder: (folder / "store.db").write_bytes(b""), "store.db:keys is gone"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "note.txt").write_text("a")
    change(folder, "CREATE TABLE keys (id, name)")
    change(folder, "INSERT INTO keys VALUES (1, 'one'), (2, 'two')")
    return folder


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_a_loss_is_noticed(case: tuple[Callable[[Path], object], str], folder: Path) -> None:
    loses, words = case
    before = inventory([folder])
    loses(folder)
    assert words in " ".join(lost(before, inventory([folder]), frozenset()))


def test_what_is_new_is_noticed_and_is_no_loss(folder: Path) -> None:
    before = inventory([folder])
    change(folder, "INSERT INTO keys VALUES (3, 'three')")
    (folder / "more.txt").write_text("c")
    after = inventory([folder])
    assert lost(before, after, frozenset()) == []
    assert made(before, after) == ["home/more.txt is new", "home/store.db:keys has new rows"]
    assert lost(before, before, frozenset()) == made(before, before) == []
