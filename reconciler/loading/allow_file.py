"""The allow file of `drift`: a YAML list of findings that somebody accepts, read by the strict composer (T11).

::

    - class: plaintext-snapshot
      address: Snapshot/before-*   # a glob; so may be path
      reason: kept for the auditors, see OPS-112
      until: 2026-12-31            # the last day; a must for what weakens security
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

from reconciler.errors import Diagnostic, InvalidAllowFile
from reconciler.host.durable import read
from reconciler.host.sqlite import explain_os_error
from reconciler.loading.files import Source, text_of
from reconciler.loading.inspection import REFUSED, Inspected, Place, Problem, inspect
from reconciler.loading.inspection import Path as FieldPath
from reconciler.model.drift import SEVERITY, Allowance, Severity
from reconciler.model.nearest import did_you_mean
from reconciler.model.ports import Fs

_NEEDED: Final = ("class", "address", "reason")
_KNOWN: Final = (*_NEEDED, "path", "until")


def read_allow_file(fs: Fs, path: Path, name: str) -> list[Allowance]:
    """Every line of the file, ``name`` as the user called it. InvalidAllowFile with all problems, HostError."""
    try:
        content = read(fs, path)
    except OSError as error:
        raise explain_os_error(error, path, "allow file") from error
    text = text_of(Source(name, content, b""))
    if isinstance(text, Diagnostic):
        raise InvalidAllowFile([text])
    found = inspect(text)
    reader = _Reader(name)
    for problem in (*(one for document in found.documents for one in document.problems), *found.problems):
        reader.tell(problem.code, problem.message, problem.place, _dotted(problem), problem.suggestion)
    lines = [line for document in found.documents for line in reader.document(document)]
    if reader.problems:
        raise InvalidAllowFile(sorted(reader.problems, key=lambda one: (one.line or 0, one.column or 0)))
    return lines


def _dotted(problem: Problem) -> str | None:
    return ".".join(map(str, problem.path)) or None


class _Reader:
    """Collects what is wrong, and makes what is right."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.problems: list[Diagnostic] = []

    def tell(self, code: str, summary: str, place: Place, path: str | None, suggestion: str | None = None) -> None:
        """One problem at its place."""
        self.problems.append(
            Diagnostic(
                code=code,
                summary=summary,
                file=self._name,
                line=place.line,
                column=place.column,
                path=path,
                suggestion=suggestion,
            )
        )

    def document(self, document: Inspected) -> Iterator[Allowance]:
        """The lines of one document."""
        if not isinstance(document.tree, list):
            hint = "Begin each with `- class: …`, and give it address, reason and until."
            self.tell("not-a-list", "An allow file is a list of what is allowed", document.place, None, hint)
            return
        for index, line in enumerate(document.tree):
            made = self._line(document, line, (index,))
            if made is not None:
                yield made

    def _line(self, document: Inspected, line: Any, at: FieldPath) -> Allowance | None:
        before = len(self.problems)
        if not isinstance(line, dict):
            if line is not REFUSED:
                place = document.value_at(at)
                self.tell("not-a-mapping", f"must be a mapping of {', '.join(_KNOWN)}", place, _path(at))
            return None
        for name in line:
            if name not in _KNOWN:
                hint = did_you_mean(name, _KNOWN) or f"Fields are {', '.join(_KNOWN)}."
                self.tell(
                    "unknown-field", f'"{name}" is no field of an allow file', document.at((*at, name)), None, hint
                )
        for name in _NEEDED:
            if name not in line:
                self.tell("missing-field", f"{name} is missing", document.value_at(at), _path((*at, name)))
        texts = {name: self._text(document, line[name], (*at, name)) for name in _KNOWN if name in line}
        drift_class, until = texts.get("class"), self._date(document, texts.get("until"), (*at, "until"))
        if drift_class is not None and drift_class not in SEVERITY:
            hint = did_you_mean(drift_class, SEVERITY) or "README.md lists the drift classes."
            self.tell(
                "unknown-class", f'"{drift_class}" is no drift class', document.value_at((*at, "class")), None, hint
            )
        elif drift_class is not None and SEVERITY[drift_class] is Severity.SECURITY and "until" not in line:
            self.tell(
                "security-needs-until",
                f"{drift_class} weakens security, and may be allowed for a time only: until is missing",
                document.value_at(at),
                _path((*at, "until")),
                "Write the last day on which it is accepted: `until: 2026-12-31`.",
            )
        if len(self.problems) > before or drift_class is None:
            return None
        return Allowance(
            drift_class=drift_class,
            address=texts["address"] or "",
            reason=texts["reason"] or "",
            path=texts.get("path"),
            until=until,
            place=f"{self._name}:{document.value_at(at).line}",
        )

    def _text(self, document: Inspected, value: Any, at: FieldPath) -> str | None:
        if isinstance(value, str) and value.strip():
            return str(value)
        if value is not REFUSED:
            self.tell("not-a-text", f"{at[-1]} must be a text", document.value_at(at), _path(at))
        return None

    def _date(self, document: Inspected, text: str | None, at: FieldPath) -> date | None:
        if text is None:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            hint = "Write it as ISO 8601 has it: 2026-12-31."
            self.tell("not-a-date", f'"{text}" is no date', document.value_at(at), _path(at), hint)
            return None


def _path(at: FieldPath) -> str:
    return ".".join(map(str, at))
