"""One source through composer and documents: its heads, or every problem of it with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from reconciler.errors import Diagnostic
from reconciler.loading.beneath import SideFiles
from reconciler.loading.composer import Document, Doubt, compose
from reconciler.loading.documents import Flawed, read
from reconciler.loading.files import Source, text_of
from reconciler.loading.heads import Reading
from reconciler.loading.inspection import Inspected, Path, Place, Problem, inspect
from reconciler.loading.sketch import sketch
from reconciler.model.address import Address


def read_source(source: Source, project: FilePath) -> Reading:
    """The heads of a source, in its order. Problems are in the result, never raised."""
    text = text_of(source)
    if isinstance(text, Diagnostic):
        return Reading(source, problems=[text], is_complete=False)
    files = SideFiles(project)
    try:
        heads = [read(document, files) for document in compose(text)]
    except (Doubt, Flawed):
        return _explained(source, text, files)
    return Reading(source, heads, tuple(files.seen.values()))


def _explained(source: Source, text: str, files: SideFiles) -> Reading:
    found = inspect(text)
    reading = Reading(source, is_complete=found.is_complete)
    for inspected in found.documents:
        address: Address | None = None
        flaws: list[Diagnostic] = []
        try:
            head = read(Document(inspected.place.line, inspected.tree), files)
        except Flawed as error:
            address = error.address
            flaws = list(_placed(error, inspected, source.name))
            if address is not None:
                told = [*(flaw.path for flaw in error.flaws), *(problem.path for problem in inspected.problems)]
                reading.flawed.append(sketch(address, inspected.place.line, inspected.tree.get("spec"), told))
        else:
            address = head.address
            reading.heads.append(head)
        reading.problems.extend(_told(problem, source.name, address) for problem in inspected.problems)
        reading.problems.extend(flaws)
    reading.problems.extend(_told(problem, source.name, None) for problem in found.problems)
    reading.side_files = tuple(files.seen.values())
    return reading


def _placed(error: Flawed, inspected: Inspected, file: str) -> Iterator[Diagnostic]:
    spoilt = [problem.path for problem in inspected.problems]
    for flaw in error.flaws:
        if any(flaw.path[: len(path)] == path for path in spoilt):
            continue  # told already
        place = inspected.at(flaw.path) if flaw.at_key else inspected.value_at(flaw.path)
        yield diagnostic(
            flaw.code,
            flaw.message,
            place=place,
            file=file,
            address=error.address,
            path=flaw.path,
            suggestion=flaw.suggestion,
        )


def _told(problem: Problem, file: str, address: Address | None) -> Diagnostic:
    message = f": {problem.message}" if problem.path else problem.message
    return diagnostic(
        problem.code,
        message,
        place=problem.place,
        file=file,
        address=address,
        path=problem.path,
        suggestion=problem.suggestion,
    )


def diagnostic(
    code: str,
    message: str,
    *,
    place: Place,
    file: str,
    address: Address | None,
    path: Path,
    suggestion: str | None,
) -> Diagnostic:
    """A problem whose ``message`` continues the path of the field (nothing: the document)."""
    where = path_text(path)
    said = f"{where}{message}" if message.startswith(":") else f"{where} {message}".lstrip()
    return Diagnostic(
        code=code,
        summary=said if address is None else f"{address}: {said}",
        file=file,
        line=place.line,
        column=place.column,
        path=where or None,
        suggestion=suggestion,
        address=address,
    )


def path_text(path: Path) -> str:
    """``spec.tables[0].name``; a key that is no plain word stands in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("_", "").isalnum():
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def changed_meanwhile(address: Address, source: Source) -> Diagnostic:
    """A file that the manifest names is no longer what it was when the manifests were loaded."""
    return Diagnostic(
        code="changed-meanwhile",
        summary=f"{address}: a file that it names was changed since the manifests were loaded",
        file=source.name,
        suggestion="Run the command again.",
        address=address,
    )
