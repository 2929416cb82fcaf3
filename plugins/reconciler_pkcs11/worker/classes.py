"""What may be done about a call that failed, by its CKR alone (PKCS11.md 2): never by the name of the token."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from reconciler_pkcs11.cryptoki import codes


class Remedy(StrEnum):
    """``AUTH_REFUSED``: a person has to; the same PIN is never sent again. ``RECONNECT``: a new worker; reads are
    repeated once, the outcome of anything else is unknown. ``REFIND``: once more in a fresh session. ``BUSY``: later.
    ``NONE``: asking again changes nothing."""

    AUTH_REFUSED = "auth-refused"
    RECONNECT = "reconnect"
    REFIND = "refind"
    BUSY = "busy"
    NONE = "none"


_OF: Final = {
    **dict.fromkeys(
        (
            codes.PIN_INCORRECT,
            codes.PIN_INVALID,
            codes.PIN_LEN_RANGE,
            codes.PIN_EXPIRED,
            codes.PIN_LOCKED,
            codes.USER_PIN_NOT_INITIALIZED,
        ),
        Remedy.AUTH_REFUSED,
    ),
    **dict.fromkeys(
        (
            codes.DEVICE_ERROR,
            codes.DEVICE_REMOVED,
            codes.TOKEN_NOT_PRESENT,
            codes.TOKEN_NOT_RECOGNIZED,
            codes.SESSION_HANDLE_INVALID,
            codes.SESSION_CLOSED,
            codes.CRYPTOKI_NOT_INITIALIZED,
            codes.GENERAL_ERROR,
            codes.FUNCTION_FAILED,
            codes.OPERATION_ACTIVE,
            codes.SLOT_ID_INVALID,
            codes.USER_NOT_LOGGED_IN,  # the login is the process's: it comes back with a new one
        ),
        Remedy.RECONNECT,
    ),
    **dict.fromkeys(
        (
            codes.OBJECT_HANDLE_INVALID,
            codes.KEY_HANDLE_INVALID,
            codes.UNWRAPPING_KEY_HANDLE_INVALID,
            codes.WRAPPING_KEY_HANDLE_INVALID,
        ),
        Remedy.REFIND,
    ),
    **dict.fromkeys((codes.SESSION_COUNT, codes.DEVICE_MEMORY, codes.HOST_MEMORY), Remedy.BUSY),
}


def remedy_for(rv: int) -> Remedy:
    """The class of a CKR."""
    return _OF.get(rv, Remedy.NONE)
