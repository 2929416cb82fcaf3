"""The place of a field whose document was read without places: its source is read again, carefully, once."""

from __future__ import annotations

from reconciler.errors import Diagnostic
from reconciler.loading.files import text_of
from reconciler.loading.heads import Head, Reading
from reconciler.loading.inspection import Inspected, Path, Place, inspect
from reconciler.loading.reading import diagnostic
from reconciler.loading.shapes import shape

Declared = tuple[Head, Reading]


class SpecNotRead(Exception):
    """The document must be read anew before something in it can be pointed at."""


class Pointer:
    """Turns (head, path) into a diagnostic. Only used when there is a problem, so it may be slow."""

    def __init__(self) -> None:
        self._inspected: dict[str, dict[int, Inspected]] = {}

    def problem(
        self, code: str, message: str, declared: Declared, path: Path, suggestion: str | None = None
    ) -> Diagnostic:
        """A problem of that document at that path; at its name where the path is not written out."""
        head, reading = declared
        document = self._document(head, reading)
        place = Place(head.line, 1) if document is None else document.value_at(path)
        if document is not None and path not in document.values:
            path = ("metadata", "name")
            place = document.value_at(path)
        return diagnostic(
            code,
            message,
            place=place,
            file=reading.source.name,
            address=head.address,
            path=path,
            suggestion=suggestion,
        )

    def path_of(self, target: str, declared: Declared) -> Path:
        """Where the document names ``target``. SpecNotRead when its head came from the cache."""
        head, reading = declared
        if head.placed is not None:
            return head.placed.get(target, ("spec",))
        if head.spec is None:
            raise SpecNotRead
        if target == f"Provider/{head.provider}":
            return ("spec", "provider")
        kind = shape(head.address.kind)
        for path, reference in kind.placed_references(head.spec):
            if reference.address == target:
                return path
        document = self._document(head, reading)
        written = [] if document is None else document.tree["spec"].get("dependsOn", [])
        return ("spec", "dependsOn", written.index(target)) if target in written else ("spec",)

    def _document(self, head: Head, reading: Reading) -> Inspected | None:
        name = reading.source.name
        if name not in self._inspected:
            text = text_of(reading.source)
            documents = [] if isinstance(text, Diagnostic) else inspect(text).documents
            self._inspected[name] = {document.place.line: document for document in documents}
        return self._inspected[name].get(head.line)
