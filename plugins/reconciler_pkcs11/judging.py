"""Is it the partition that was adopted, and are its keys those that were made there (PKCS11.md 3)?

An empty answer proves nothing: a logged-out session, a token that was moved away and one that was made anew look alike.
So a key is missing only if the marker's canary opens in a fresh worker and the id is absent there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from reconciler.errors import HsmError, HsmFault, HsmUnavailable, IncompatibleHsm, InvalidCiphertextException
from reconciler.providers.hsm import KeyVerdict
from reconciler_pkcs11 import blob, canary
from reconciler_pkcs11.connections import Connections
from reconciler_pkcs11.names import holds_key, marker_label
from reconciler_pkcs11.partition import Partition, TokenKey
from reconciler_pkcs11.rows import PartitionRow


@dataclass(frozen=True, slots=True)
class Expected:
    """A key that a partition should have. ``labels``: one of these; ``canary`` None: none was ever made of it."""

    key_id: str
    labels: tuple[str, ...]
    canary: bytes | None


def require_same(partition: Partition, row: PartitionRow) -> list[TokenKey]:
    """Every key of ours in the partition, once its marker has opened. HsmError (REINITIALISED): it is another one."""
    require_marker(partition, row)
    return partition.list_keys()


def require_marker(partition: Partition, row: PartitionRow) -> None:
    """The same, without the list: before anything is made in it."""
    mine = partition.find_keys(row.uid)
    if not mine:
        raise _reinitialised(row, "its marker key is not there")
    if len(mine) > 1 or mine[0].label != marker_label(row.uid):
        raise _reinitialised(row, "its marker key is not the one that was made")
    if row.canary is None or not canary.opens(partition, row.uid, row.canary):
        raise _reinitialised(row, "the key that stands in its marker's place does not open what the marker wrapped")


@contextmanager
def incompatible() -> Iterator[None]:
    """What a partition says of itself, as the reason why it is no root (HS5); that it could not be asked stays so."""
    try:
        yield
    except HsmUnavailable:
        raise
    except HsmError as error:
        if isinstance(error, IncompatibleHsm):
            raise
        raise IncompatibleHsm(
            error.summary, fault=error.fault, detail=error.detail, suggestion=error.suggestion
        ) from error


def judge_keys(partition: Partition, found: Iterable[TokenKey], expected: Iterable[Expected]) -> list[KeyVerdict]:
    """What is wrong with the expected keys, given what a partition has whose marker opened."""
    by_id: dict[str, list[TokenKey]] = {}
    for key in found:
        by_id.setdefault(key.key_id, []).append(key)
    verdicts = []
    for one in expected:
        there = by_id.get(one.key_id, [])
        fault, detail = _verdict(partition, there, one)
        if fault is not None:
            verdicts.append(KeyVerdict(key_id=one.key_id, fault=fault, detail=detail))
    return verdicts


def orphans(found: Iterable[TokenKey], known: Collection[str]) -> tuple[str, ...]:
    """Ids of keys under our labels that nothing is recorded of."""
    return tuple(sorted({key.key_id for key in found if holds_key(key.label) and key.key_id not in known}))


def settle(connections: Connections, row: PartitionRow, key_id: str, error: HsmError) -> NoReturn:
    """What a session that was open before said of a key (it is missing, it opens nothing) is asked of a fresh one: the
    verdict that holds."""
    connections.drop(row.uid)
    with connections.fresh(row) as partition:
        there = [key for key in require_same(partition, row) if key.key_id == key_id]
        if not there:
            raise key_error(row, KeyVerdict(key_id=key_id, fault=HsmFault.KEY_MISSING))
    raise HsmUnavailable(
        f"The partition {row.name} answered that the key {key_id} is not there, and a new session finds it",
        fault=HsmFault.ABSENT_OR_AMBIGUOUS,
        suggestion="The token was away for a moment. Run the command again.",
    ) from error


@contextmanager
def settled(connections: Connections, row: PartitionRow, key_id: str, kept: bytes | None) -> Iterator[None]:
    """Around a use of a key whose canary is ``kept``: what an open session says of it is not the last word."""
    try:
        yield
    except InvalidCiphertextException:
        explain_refusal(connections, row, key_id, kept)
        raise
    except HsmUnavailable:
        raise
    except HsmError as error:
        if error.fault is HsmFault.KEY_MISSING:
            settle(connections, row, key_id, error)
        raise


def explain_refusal(connections: Connections, row: PartitionRow, key_id: str, kept: bytes | None) -> None:
    """A ciphertext did not open. Nothing when the key opens its canary: then the ciphertext is wrong, or its context;
    tokens say the same of both, and of themselves (PKCS11.md 1). Else the error that it truly is."""
    if kept is None:
        return
    with connections.use(row) as partition:
        if canary.opens(partition, key_id, kept):
            return
    connections.drop(row.uid)
    with connections.fresh(row) as partition:
        require_same(partition, row)
        if not canary.opens(partition, key_id, kept):
            raise key_error(row, KeyVerdict(key_id=key_id, fault=HsmFault.KEY_SUBSTITUTED))
    raise HsmUnavailable(
        f"The partition {row.name} opened nothing for a moment, not even what it always opens",
        fault=HsmFault.ABSENT_OR_AMBIGUOUS,
        suggestion="The session was ended; run the command again.",
    )


def require_wrapped_by(wrapped: bytes, key_id: str, suite: str | None) -> None:
    """InvalidCiphertextException unless it says that it was wrapped by that key, in that way: what names another would
    be asked of another key, and its refusal mean something else. ``suite`` None: nobody knows which."""
    try:
        found = blob.read(wrapped)
    except blob.NoBlob:
        found = None
    if found is None or found.key_id != key_id or suite not in (None, found.suite):
        raise InvalidCiphertextException("the ciphertext was not made under that key")


def key_error(row: PartitionRow, verdict: KeyVerdict) -> HsmError:
    """A verdict as the error for whoever needs that key."""
    words: Mapping[HsmFault, str] = {
        HsmFault.KEY_MISSING: "is not in it any more",
        HsmFault.KEY_DUPLICATE: "is there more than once",
        HsmFault.KEY_SUBSTITUTED: "is another key than the one that was made under that id",
        HsmFault.KEY_WEAKENED: "is not as it was made",
    }
    return HsmError(
        f"The key {verdict.key_id} of partition {row.name} {words.get(verdict.fault, verdict.fault)}",
        fault=verdict.fault,
        detail=verdict.detail or None,
        suggestion="Put it back with the HSM's own tools (backup, high availability). No new key can open what it "
        "wrapped, and none is made in its place.",
    )


def _verdict(partition: Partition, there: list[TokenKey], one: Expected) -> tuple[HsmFault | None, str]:
    if not there:
        return HsmFault.KEY_MISSING, "the partition is the right one, and has no key of that id"
    if len(there) > 1:
        labels = Counter(key.label for key in there)
        return HsmFault.KEY_DUPLICATE, f"{len(there)} keys have that id: {', '.join(sorted(labels))}"
    if there[0].label not in one.labels:
        return HsmFault.KEY_SUBSTITUTED, f"its label is {there[0].label}"
    if one.canary is not None and not canary.opens(partition, one.key_id, one.canary):
        return HsmFault.KEY_SUBSTITUTED, "label and id fit, and it does not open what was wrapped under it"
    if there[0].weakened:
        return HsmFault.KEY_WEAKENED, f"changed: {', '.join(there[0].weakened)}"
    return None, ""


def _reinitialised(row: PartitionRow, why: str) -> HsmError:
    return HsmError(
        f"The partition {row.name} ({row.place}) is not the one that was adopted: {why}",
        fault=HsmFault.REINITIALISED,
        detail="The token was made anew, or another one answers in its place. Nothing in it is judged, used or made.",
        suggestion="Put the partition back from the HSM's backup, or point its configuration at the right one.",
    )
