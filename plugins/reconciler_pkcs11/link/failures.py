"""Errors as they cross the link: the same class, fault and words on the other side."""

from __future__ import annotations

from typing import Final

from reconciler.errors import HsmError, HsmFault, HsmUnavailable, IncompatibleHsm, InvalidCiphertextException
from reconciler.errors.root import ReconcilerError
from reconciler_pkcs11.link.messages import Failure

_INVALID: Final = "invalid-ciphertext"
LOG_IN_AGAIN: Final = "log-in-again"  # the partition was closed meanwhile: nothing was done
_KINDS: Final[dict[str, type[HsmError]]] = {
    LOG_IN_AGAIN: HsmUnavailable,
    **{each.code: each for each in (HsmError, HsmUnavailable, IncompatibleHsm)},
}
_ITS_MODULE: Final = (HsmFault.MODULE_CRASHED, HsmFault.MODULE_UNUSABLE)  # the agent's: no module of ours is
_MOST: Final = 2_000


def as_failure(error: ReconcilerError, *, again_after: float | None = None) -> Failure:
    """``error`` as it is said. ``again_after`` in seconds."""
    if isinstance(error, InvalidCiphertextException):
        kind, fault = _INVALID, None
    else:
        kind = error.code if error.code in _KINDS else HsmError.code
        fault = error.fault if isinstance(error, HsmError) else HsmFault.REFUSED
    return Failure(
        kind=kind,
        fault=fault,
        summary=error.summary[:_MOST],
        detail=_cut(error.detail),
        suggestion=_cut(error.suggestion),
        again_after=None if again_after is None else min(max(int(again_after * 1000), 1), 60_000),
    )


def as_error(failure: Failure) -> ReconcilerError:
    """What was said, as an error; an agent whose module is down is CLOSED. Text from the other side is shown, so it is
    kept to what can be."""
    summary, fault = shown(failure.summary), failure.fault or HsmFault.REFUSED
    if failure.kind == _INVALID:
        return InvalidCiphertextException(summary)
    if fault in _ITS_MODULE:
        summary, fault = f"The HSM agent answers, and its token does not: {summary}", HsmFault.CLOSED
    return _KINDS.get(failure.kind, HsmError)(
        summary,
        fault=fault,
        detail=shown(failure.detail) if failure.detail else None,
        suggestion=shown(failure.suggestion) if failure.suggestion else None,
    )


def shown(text: str) -> str:
    """``text`` without what would move a terminal's cursor or hide what stands there."""
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in text)


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:_MOST]
