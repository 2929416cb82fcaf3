"""A cluster that statements are sent to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from reconciler.errors import ValidationException
from reconciler.providers.warehouse import StatementFile, StatementResult
from reconciler_warehouse.site import Site
from reconciler_warehouse.tests.worlds import World


def run(world: World, statement: str, *, token: str | None = None, name: str = "sales") -> StatementResult:
    """The statement, sent under a token of its own."""
    return world.warehouse().execute(
        world.caller,
        name,
        statement,
        open_file=lambda path: found_below(world.files, path),
        token=token or os.urandom(16).hex(),
    )


def changed(world: World, statement: str, *, token: str | None = None) -> int | None:
    return run(world, statement, token=token).rows_changed


def found_below(folder: Path, path: str) -> StatementFile:
    file = folder / path
    if ".." in file.parts or not file.is_file():
        raise ValidationException(f"{path} cannot be used: there is no such file")
    return StatementFile(path=file, sha256=hashlib.sha256(file.read_bytes()).hexdigest())


def site_of(world: World) -> Site:
    return cast(Any, world.warehouse())._site  # type: ignore[no-any-return]  # a test looks inside


def count(world: World, query: str, *values: Any) -> int:
    """A number from the catalogue."""
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        return int(catalogue.execute(query, values).fetchone()[0])


def segments(world: World) -> int:
    return count(world, "SELECT count(*) FROM segment")


def inline(world: World) -> int:
    return count(world, "SELECT count(*) FROM inline")


def files_under(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
