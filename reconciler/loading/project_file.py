"""A small settings file (``reconciler.yaml``, the operator's file) through the same strict composer as manifests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import Diagnostic, InvalidManifests
from reconciler.host.durable import read
from reconciler.host.os_fs import OsFs
from reconciler.host.sqlite import explain_os_error
from reconciler.loading.files import Source, text_of
from reconciler.project.settings import ParsedFile

if TYPE_CHECKING:
    from reconciler.loading.inspection import Inspection


def parse_settings_file(path: Path) -> ParsedFile:
    """One mapping, with the place of every field. InvalidManifests with every problem of the text; HostError."""
    from reconciler.loading.inspection import inspect  # and with it YAML, which a project without a file can do without

    try:
        content = read(OsFs(), path)
    except OSError as error:
        raise explain_os_error(error, path, "file") from error
    text = text_of(Source(str(path), content, b""))
    if isinstance(text, Diagnostic):
        raise InvalidManifests([text])
    found = inspect(text)
    problems = _problems(found, path)
    if problems:
        raise InvalidManifests(problems)
    if not found.documents:
        return ParsedFile(values={})
    document = found.documents[0]
    places = {**document.values, **document.keys}
    positions = {".".join(map(str, at)): (place.line, place.column) for at, place in places.items()}
    return ParsedFile(values=document.tree, positions=positions)


def _problems(found: Inspection, path: Path) -> list[Diagnostic]:
    problems = [problem for document in found.documents for problem in document.problems] + list(found.problems)
    told = [
        Diagnostic(
            code=problem.code,
            summary=problem.message,
            file=str(path),
            line=problem.place.line,
            column=problem.place.column,
            path=".".join(map(str, problem.path)) or None,
            suggestion=problem.suggestion,
        )
        for problem in problems
    ]
    if told:
        return told
    if len(found.documents) > 1 or any(not isinstance(document.tree, dict) for document in found.documents):
        return [
            Diagnostic(
                code="not-a-mapping",
                summary=f"{path.name} must be one mapping of settings",
                file=str(path),
                line=1,
                suggestion="Write settings as `name: value`, in one document.",
            )
        ]
    return []
