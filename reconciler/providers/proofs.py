"""Proofs by behaviour: what ``verify`` asks of a provider, and what it is answered (CONTRACT 3).

A proof is an attempt: what should open is opened, what should be refused is tried. It reads only; requests to a key
service are real, and each leaves its audit record (KM9). A check that fails says what is wrong and what to do next; one
that could not be made is not a failure of the thing checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    AccessDeniedException,
    ConflictException,
    DamagedStore,
    DisabledException,
    HsmError,
    HsmUnavailable,
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidKeyUsageException,
    KMSInvalidStateException,
    NotFoundException,
    ReconcilerError,
    ServiceError,
    ThrottlingException,
)
from reconciler.providers.data import Root

REFUSED: Final = (
    InvalidCiphertextException,
    IncorrectKeyException,
    InvalidKeyUsageException,
    AccessDeniedException,
    DisabledException,
    KMSInvalidStateException,
    NotFoundException,
)
"""Answers that refuse a wrong key or context; which one depends on what the wrong key lets the service see."""


class Result(StrEnum):
    """How a check ended."""

    PROVED = "proved"
    UNPROTECTED = "unprotected"  # not protected as declared: exit 3
    UNCHECKED = "unchecked"  # nobody could look: exit 1


# What proofs count, in the words of the report. One word for one thing, so that counts can be summed.
KEYS_OPENED = "wrapped keys opened"
REFUSALS = "wrong keys and contexts refused"
MANIFESTS = "manifests right"
KEY_TABLES = "key tables opened"
DELETE_VECTORS = "delete vectors opened"
BLOCKS = "blocks opened"
SAMPLES = "samples seen as ciphertext"
PLAIN_BLOCKS = "plain blocks as written"
ROWS = "rows opened"
ROUND_TRIPS = "canaries wrapped and unwrapped"
RETIRED_KEPT = "retired cluster keys kept"
DENIED = "direct uses denied to this principal"
THERE = "found where declared"
PROBES = "requests decided as declared"
FILES = "files searched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: ``count`` of ``what`` held, or ``failure`` says what is wrong and where, and ``fix`` what to do next.
    Holds no secret and no value of any row (I19)."""

    what: str
    count: int = 1
    result: Result = Result.PROVED
    failure: str | None = None
    fix: str | None = None


def unprotected(what: str, failure: str, fix: str) -> Check:
    """A check that found something not protected as declared."""
    return Check(what=what, count=0, result=Result.UNPROTECTED, failure=failure, fix=fix)


def unchecked(what: str, failure: str, fix: str) -> Check:
    """A check that could not be made."""
    return Check(what=what, count=0, result=Result.UNCHECKED, failure=failure, fix=fix)


def failed(what: str, error: ReconcilerError, fix: str) -> Check:
    """The check that ended in that error. A refusal, an HSM's too, and damage disprove it; a service that asks to come
    again, a change under way, a disk or a plugin that cannot be reached prove nothing either way."""
    is_answer = isinstance(error, ServiceError | DamagedStore | HsmError) and not isinstance(
        error, ThrottlingException | ConflictException | HsmUnavailable
    )
    words = error.summary if error.detail is None else f"{error.summary}: {error.detail}"
    return (unprotected if is_answer else unchecked)(what, words, error.suggestion or fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """All checks of one subject: a resource's address, ``Provider/name``, ``State`` or ``Home``."""

    subject: str
    checks: tuple[Check, ...]

    @property
    def result(self) -> Result:
        """The worst of them: what is not protected goes before what could not be seen."""
        results = {check.result for check in self.checks}
        return next((one for one in (Result.UNPROTECTED, Result.UNCHECKED) if one in results), Result.PROVED)


class Witness(Protocol):
    """What a proof is handed: how thorough to be, and where to leave what must be found in no file of ours."""

    @property
    def is_full(self) -> bool:
        """Whether every block is to be decrypted, not a sample."""

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Tell the view how far a long proof is."""

    def opened(self, key: DataKey) -> None:
        """A key that the proof opened. A copy is kept in memory, looked for in every file of ours, and wiped."""

    def canary(self, value: bytes) -> None:
        """A value that lies sealed on the disk, at least 12 bytes: it is looked for in every file of ours."""

    def in_clear(self, path: Path) -> None:
        """A file of metadata that holds values in clear with good reason, since something there is declared plain."""

    def other_keys(self, key_arn: str) -> Sequence[str]:
        """ARNs of other keys of the same Region that the state knows: what is wrapped under ``key_arn`` must be refused
        under each."""


@runtime_checkable
class ProvesWarehouse(Protocol):
    """A warehouse that can prove its encryption (RE3–RE7, SC4). Each answers its checks one by one; a ``name`` that is
    not there is a failed check, not an error."""

    def prove_cluster(self, caller: Caller, name: str, root: Root, witness: Witness) -> Iterator[Check]:
        """A cluster and its automated snapshots, which are to be under ``root``."""

    def prove_snapshot(self, caller: Caller, name: str, root: Root | None, witness: Witness) -> Iterator[Check]:
        """A snapshot or copy. ``root`` None: encrypted under whatever it was taken under."""

    def prove_copy_grant(self, caller: Caller, name: str, root: Root, witness: Witness) -> Iterator[Check]:
        """A snapshot copy grant: a canary is wrapped and unwrapped through its key."""

    def prove_store(self, caller: Caller, witness: Witness) -> Iterator[Check]:
        """Files of the warehouse that nothing refers to: none may hold data in clear."""


@runtime_checkable
class ProvesTables(Protocol):
    """A table service that can prove its encryption (KS1, KS5, KS6)."""

    def prove_table(
        self, caller: Caller, keyspace: str, table: str, key_arn: str | None, witness: Witness
    ) -> Iterator[Check]:
        """A table, which is to be under ``key_arn`` (None: the owned key): its table key and every sealed row."""
