"""Every error that a user can meet, drawn as one tree. Knows nothing of the rest of the package.

    ReconcilerError                     exit 1 unless a subclass says otherwise (CONTRACT 4)
    ├── CollectedErrors                 several problems of one run, each a Diagnostic
    │   ├── InvalidManifests            the manifests cannot be loaded
    │   ├── InvalidProjectFile          reconciler.yaml cannot be used
    │   ├── InvalidAllowFile            the file of `drift --allow` cannot be used
    │   ├── BlockedByGuard              exit 4
    │   ├── LockLost                    exit 6
    │   └── PartlyApplied               exit 7
    ├── UsageError                      a flag, an argument or the project file is off
    ├── StalePlan                       exit 5
    ├── LockHeld                        exit 6
    ├── DamagedStore                    a file of ours fails its check; nothing is repaired by guessing (C4)
    │   └── NotAuthentic                the state is not what was written under the project's seal (I9)
    │       ├── JournalTruncated        the newest entries of its journal are gone
    │       └── OtherSeal               it was written under another seal, or the seal is lost
    ├── StateRolledBack                 the state is older than the key service remembers, or another (I16)
    ├── NewerFormat                     a file written by a newer version
    ├── OtherShape                      a store with other tables than this version makes
    ├── HostError                       the machine refused: disk full, permission, unreachable path
    ├── ProviderUnavailable             a plugin that is unknown, cannot be imported or cannot be reached
    ├── MissingCapability               a provider that does not do what a resource asks of it
    ├── Undeclarable                    an object that exists, and that no manifest can declare as it is
    ├── ReadBackFailed                  a change was carried out, and its provider does not show it
    ├── NotRecorded                     a step was carried out, and the state could not be told of it (I15)
    ├── Unforeseen                      a plugin failed in a way that nobody foresaw
    └── ServiceError                    the answer of a key service or data plane, under its public AWS name
        └── AccessDeniedException, NotFoundException, DisabledException …

A message says what, where, why and what next. No message, argument or attribute ever holds key material (I19).
"""

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
        super().__init__(f"{len(diagnostics)} problem{'s' if len(diagnostics) != 1 else ''}")
        self._diagnostics = tuple(diagnostics)

    def diagnostics(self) -> Sequence[Diagnostic]:
        """All of them, in the order found."""
        return self._diagnostics


class InvalidManifests(CollectedErrors):
    """The manifests cannot be loaded; every problem found is inside."""

    code = "invalid-manifests"


class InvalidProjectFile(CollectedErrors):
    """``reconciler.yaml`` cannot be used; every problem found is inside."""

    code = "invalid-project-file"


class InvalidAllowFile(CollectedErrors):
    """The file of ``drift --allow`` cannot be used; every problem found is inside."""

    code = "invalid-allow-file"


class UsageError(ReconcilerError):
    """An argument, flag or project file that cannot be used."""

    code = "usage"


class BlockedByGuard(CollectedErrors):
    """A guard of CONTRACT 5 refused; each diagnostic carries the ordered way out."""

    code = "blocked"
    exit_code = 4


class StalePlan(ReconcilerError):
    """A saved plan that may not be applied: used, stale, expired, foreign or tampered with (I12)."""

    code = "stale-plan"
    exit_code = 5


class LockHeld(ReconcilerError):
    """Somebody else is applying (CONTRACT 4, exit 6)."""

    code = "lock-held"
    exit_code = 6


class LockLost(CollectedErrors):
    """Somebody took the lock over while an apply ran: it stopped under its old token (I13, exit 6)."""

    code = "lock-lost"
    exit_code = 6


class PartlyApplied(CollectedErrors):
    """An apply that stopped after its first effect; the next apply takes it up (CONTRACT 4, exit 7)."""

    code = "partly-applied"
    exit_code = 7


class DamagedStore(ReconcilerError):
    """A store or file of ours is not what was written; it is left as it is (C4)."""

    code = "damaged-store"


class NotAuthentic(DamagedStore):
    """The state, its journal or its lock is not what was written under the project's seal: nothing of it is obeyed
    (I9)."""

    code = "state-not-authentic"


class JournalTruncated(NotAuthentic):
    """The newest entries of the journal are gone."""

    code = "journal-truncated"


class OtherSeal(NotAuthentic):
    """The state was written under another seal than this home's, or the seal is lost."""

    code = "state-other-seal"


class StateRolledBack(ReconcilerError):
    """The state is older than the mark in the key service says, or another of the same serial (I16)."""

    code = "state-rolled-back"


class NewerFormat(ReconcilerError):
    """A store written by a newer version; this one does not touch it (DESIGN 4)."""

    code = "newer-format"


class OtherShape(ReconcilerError):
    """A store of a known format number whose tables are not those of this version; it is not touched (DESIGN 4)."""

    code = "other-shape"


class HostError(ReconcilerError):
    """The machine refused a read or a write: disk full, permission, missing folder."""

    code = "host"


class ProviderUnavailable(ReconcilerError):
    """A plugin that is unknown, cannot be imported, or cannot be reached."""

    code = "provider-unavailable"


class MissingCapability(ReconcilerError):
    """A provider that does not do what a resource asks of it (STYLE habit 5)."""

    code = "missing-capability"


class Undeclarable(ReconcilerError):
    """An object that exists, and that no manifest can declare as it is (``import --generate`` leaves it out)."""

    code = "undeclarable"


class ReadBackFailed(ReconcilerError):
    """A change's calls succeeded, and its object is not there: nothing is recorded as done."""

    code = "read-back-failed"


class NotRecorded(ReconcilerError):
    """A step was carried out, and its outcome could not be made durable: its intent stands open, and the next apply
    looks for what it did (I10, I15)."""

    code = "not-recorded"


class Unforeseen(ReconcilerError):
    """A plugin failed in a way that nobody foresaw."""

    code = "internal"


class ServiceError(ReconcilerError):
    """The answer of a key service or data plane. ``code`` is its public AWS name, which is also the class's name."""

    code = "ServiceError"

    def __init_subclass__(cls) -> None:
        cls.code = cls.__name__


class AccessDeniedException(ServiceError):
    """No policy statement or grant allows the call, or one denies it (KM2)."""


class AlreadyExistsException(ServiceError):
    """An object of that name exists already."""


class ConflictException(ServiceError):
    """The object is in a state that does not admit the call now."""


class DisabledException(ServiceError):
    """The key is disabled."""


class IncorrectKeyException(ServiceError):
    """The ciphertext was made under another key than the one named."""


class InvalidArnException(ServiceError):
    """A name that is no ARN of this service."""


class InvalidAliasNameException(ServiceError):
    """An alias name outside the permitted form."""


class InvalidCiphertextException(ServiceError):
    """Damaged ciphertext, another encryption context, or another key service's."""


class InvalidGrantTokenException(ServiceError):
    """A grant token that this key service did not issue."""


class InvalidGrantIdException(ServiceError):
    """No such grant."""


class InvalidKeyUsageException(ServiceError):
    """The key's usage does not admit the operation."""


class KMSInvalidStateException(ServiceError):
    """The key's state does not admit the operation (pending deletion, pending import …)."""


class LimitExceededException(ServiceError):
    """A quota is reached."""


class MalformedPolicyDocumentException(ServiceError):
    """A policy document that cannot be accepted, or would lock its author out."""


class NotFoundException(ServiceError):
    """No such key, alias or other object of the key service."""


class TagException(ServiceError):
    """A tag outside the permitted form."""


class UnsupportedOperationException(ServiceError):
    """The object cannot do that."""


class ValidationException(ServiceError):
    """A request outside the permitted form."""


class ResourceNotFoundException(ServiceError):
    """No such cluster, snapshot, keyspace, table or other object of a data plane."""


class InvalidClusterStateFault(ServiceError):
    """The cluster's status does not admit the operation."""


class InvalidRequestException(ServiceError):
    """A table request that cannot be carried out, with the cause (KS3)."""


class ThrottlingException(ServiceError):
    """The service asks to come again later; the executor retries this one (DESIGN 4)."""
