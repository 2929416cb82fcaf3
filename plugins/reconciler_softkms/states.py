"""What each key state admits (reference, "Key states").

A key is usable while it is Enabled, or Updating: the table's rows differ in what else they let through.
"""

from __future__ import annotations

from typing import Final

from reconciler.errors import DisabledException, KMSInvalidStateException
from reconciler.providers.keys import KeyState
from reconciler_softkms.rows import KeyRow

_PENDING_DELETION: Final = (KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION)
_USABLE: Final = (KeyState.ENABLED.value, KeyState.UPDATING.value)
_WORDS: Final[dict[str, tuple[str, str]]] = {
    KeyState.PENDING_DELETION: ("is pending deletion.", "Cancel the deletion of the key, then try again."),
    KeyState.PENDING_REPLICA_DELETION: ("is pending replica deletion.", "Cancel the deletion of the key, then retry."),
    KeyState.PENDING_IMPORT: ("is pending import.", "Import key material into the key, then try again."),
    KeyState.CREATING: ("is being created.", "Try again in a moment."),
    KeyState.UPDATING: ("is being updated.", "Try again in a moment."),
    KeyState.UNAVAILABLE: ("is unavailable.", "Try again in a moment."),
}


def is_usable(row: KeyRow) -> bool:
    """Whether the key can be used, given grants and rotated."""
    return row.state in _USABLE


def require_usable(row: KeyRow, arn: str) -> None:
    """For every use of the key, for grants and rotation. DisabledException, KMSInvalidStateException."""
    if is_usable(row):
        return
    if row.state == KeyState.DISABLED:
        raise DisabledException(f"{arn} is disabled.", suggestion="Enable the key, then try again.")
    raise _refused(row.state, arn)


def require_replicable(row: KeyRow, arn: str) -> None:
    """For ReplicateKey: usable, and not being updated."""
    require_usable(row, arn)
    _refuse(row, arn, KeyState.UPDATING)


def require_switchable(row: KeyRow, arn: str) -> None:
    """For EnableKey and DisableKey."""
    _refuse(row, arn, *_PENDING_DELETION, KeyState.PENDING_IMPORT, KeyState.CREATING, KeyState.UPDATING)


def require_not_pending(row: KeyRow, arn: str) -> None:
    """For changes that a disabled key admits too: aliases, tags, the description. KMSInvalidStateException."""
    _refuse(row, arn, *_PENDING_DELETION)


def require_deletable(row: KeyRow, arn: str) -> None:
    """For ScheduleKeyDeletion."""
    _refuse(row, arn, *_PENDING_DELETION, KeyState.UPDATING)


def require_pending_deletion(row: KeyRow, arn: str) -> None:
    """For CancelKeyDeletion."""
    if not is_pending_deletion(row):
        raise KMSInvalidStateException(f"{arn} is not pending deletion.")


def require_importable(row: KeyRow, arn: str, *, parameters: bool) -> None:
    """For ImportKeyMaterial, and for GetParametersForImport (``parameters``)."""
    _refuse(row, arn, *_PENDING_DELETION, KeyState.CREATING, *([KeyState.UPDATING] if parameters else []))


def require_removable(row: KeyRow, arn: str) -> None:
    """For DeleteImportedKeyMaterial."""
    _refuse(row, arn, KeyState.CREATING, KeyState.UPDATING)


def is_pending_deletion(row: KeyRow) -> bool:
    """Whether the key's deletion is scheduled."""
    return row.state in _PENDING_DELETION


def is_gone(row: KeyRow, now: int) -> bool:
    """Whether the waiting time of a scheduled deletion is over: such a key is no more, even if its row still is."""
    return row.deletion_at is not None and row.deletion_at <= now


def _refuse(row: KeyRow, arn: str, *states: KeyState) -> None:
    if row.state in states:
        raise _refused(row.state, arn)


def _refused(state: str, arn: str) -> KMSInvalidStateException:
    words, suggestion = _WORDS[state]
    return KMSInvalidStateException(f"{arn} {words}", suggestion=suggestion)
