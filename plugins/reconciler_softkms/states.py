"""What each key state admits (reference, "Key states")."""

from __future__ import annotations

from reconciler.errors import DisabledException, KMSInvalidStateException
from reconciler.providers.keys import KeyState
from reconciler_softkms.rows import KeyRow


def require_usable(row: KeyRow, arn: str) -> None:
    """For every use of the key, for grants and rotation. DisabledException, KMSInvalidStateException."""
    if row.state == KeyState.ENABLED:
        return
    if row.state == KeyState.DISABLED:
        raise DisabledException(f"{arn} is disabled.", suggestion="Enable the key, then try again.")
    require_not_pending(row, arn)


def require_not_pending(row: KeyRow, arn: str) -> None:
    """For changes that a disabled key admits too. KMSInvalidStateException."""
    if row.state == KeyState.PENDING_DELETION:
        raise KMSInvalidStateException(
            f"{arn} is pending deletion.", suggestion="Cancel the deletion of the key, then try again."
        )


def is_gone(row: KeyRow, now: int) -> bool:
    """Whether the waiting time of a scheduled deletion is over: such a key is no more, even if its row still is."""
    return row.deletion_at is not None and row.deletion_at <= now
