"""What every error is: a message that says what, where, why and what next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem or remark, in the shape of CONTRACT 4.

    ``line`` and ``column`` count from 1. ``path`` is the field's path (``spec.rotation.every``), ``suggestion`` says
    what to do next, ``address`` is ``Kind/name``. Whatever does not apply is None.
    """

    code: str
    summary: str
    severity: str = "error"
    detail: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str | None = None
    suggestion: str | None = None
    address: str | None = None

    @property
    def where(self) -> str | None:
        """``file:line:column``, as far as known."""
        if self.file is None:
            return None
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    def as_json(self) -> dict[str, Any]:
        """The diagnostic as CONTRACT 4's JSON object, every field present."""
        return {name: getattr(self, name) for name in self.__slots__}


class ReconcilerError(Exception):
    """Base of all: a problem that is shown as one message, never as a traceback."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        summary: str,
        *,
        detail: str | None = None,
        suggestion: str | None = None,
        address: str | None = None,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.suggestion = suggestion
        self.address = address
        self.file = file
        self.line = line
        self.column = column
        self.path = path

    def diagnostics(self) -> Sequence[Diagnostic]:
        """What a view prints: one diagnostic, or several for errors that collect."""
        return [
            Diagnostic(
                code=self.code,
                summary=self.summary,
                detail=self.detail,
                suggestion=self.suggestion,
                address=self.address,
                file=self.file,
                line=self.line,
                column=self.column,
                path=self.path,
            )
        ]


class CollectedErrors(ReconcilerError):
    """Several problems of one run, reported together (CONTRACT 1)."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        # Where there is room for one sentence only, the first one says more than their number.
        summary = diagnostics[0].summary if diagnostics else "No problem was told"
        more = f" (and {len(diagnostics) - 1} more)" if len(diagnostics) > 1 else ""
        super().__init__(summary + more, suggestion=diagnostics[0].suggestion if diagnostics else None)
        self._diagnostics = tuple(diagnostics)

    def diagnostics(self) -> Sequence[Diagnostic]:
        """All of them, in the order found."""
        return self._diagnostics
