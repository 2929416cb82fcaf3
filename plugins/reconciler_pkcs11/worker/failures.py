"""What a worker says of a failure, as an error that a person can act on. Nothing of what was asked is in it."""

from __future__ import annotations

from typing import Final

from reconciler.errors import HsmError, HsmFault, HsmUnavailable

_AWAY: Final = {
    HsmFault.UNREACHABLE,
    HsmFault.TIMEOUT,
    HsmFault.MODULE_CRASHED,
    HsmFault.MODULE_UNUSABLE,
    HsmFault.BUSY,
    HsmFault.ABSENT_OR_AMBIGUOUS,
}
_SUMMARY: Final = {
    HsmFault.UNREACHABLE: "The HSM partition {place} does not answer",
    HsmFault.TIMEOUT: "The HSM partition {place} did not answer in time",
    HsmFault.MODULE_CRASHED: "The PKCS#11 module of the HSM partition {place} crashed",
    HsmFault.MODULE_UNUSABLE: "The PKCS#11 module of the HSM partition {place} cannot be used",
    HsmFault.BUSY: "The HSM partition {place} is busy",
    HsmFault.ABSENT_OR_AMBIGUOUS: "The HSM partition {place} cannot be told among the module's tokens",
    HsmFault.PIN_REFUSED: "The PIN of the HSM partition {place} was refused",
    HsmFault.KEY_MISSING: "The HSM partition {place} lacks a key",
    HsmFault.KEY_DUPLICATE: "An id is taken in the HSM partition {place}",
    HsmFault.KEY_WEAKENED: "The HSM partition {place} makes weaker keys than it is asked for",
    HsmFault.NO_MECHANISM: "The HSM partition {place} lacks a mechanism",
}
_NEXT: Final = {
    HsmFault.UNREACHABLE: "Look at the HSM and the way to it, then run the command again.",
    HsmFault.TIMEOUT: "Look at the HSM and the way to it, then run the command again.",
    HsmFault.MODULE_CRASHED: "Run the command again; if it crashes again, its vendor has to be asked.",
    HsmFault.MODULE_UNUSABLE: "Check path and environment of the module in the operator's file.",
    HsmFault.BUSY: "Run the command again in a while.",
    HsmFault.ABSENT_OR_AMBIGUOUS: "Check tokenLabel (or slot) of the partition, and that the module sees that token.",
    HsmFault.PIN_REFUSED: "Let the PIN's source (pinFrom) give the right PIN. If the token is locked, its security "
    "officer has to set a new one.",
}
UNKNOWN: Final = "Whether that took effect is unknown: it is to be looked for by its id."


def failure(fault: HsmFault, place: str, detail: str, *, is_unknown: bool = False) -> HsmError:
    """The one error for a fault: HsmUnavailable where nobody could be asked. ``is_unknown``: something was to be
    changed, and may have been."""
    kind = HsmUnavailable if fault in _AWAY else HsmError
    summary = _SUMMARY.get(fault, "The HSM partition {place} refused").format(place=place)
    return kind(
        summary,
        fault=fault,
        detail=f"{detail}. {UNKNOWN}" if is_unknown else detail,
        suggestion=_NEXT.get(fault, "Nothing that was asked is done; see what the token answered."),
    )
