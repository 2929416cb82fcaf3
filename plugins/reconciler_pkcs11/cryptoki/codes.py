"""What a PKCS#11 call answers, by number and by name."""

from __future__ import annotations

from typing import Final

OK: Final = 0x0
HOST_MEMORY: Final = 0x2
SLOT_ID_INVALID: Final = 0x3
GENERAL_ERROR: Final = 0x5
FUNCTION_FAILED: Final = 0x6
ARGUMENTS_BAD: Final = 0x7
CANT_LOCK: Final = 0xA
DATA_INVALID: Final = 0x20
DATA_LEN_RANGE: Final = 0x21
DEVICE_ERROR: Final = 0x30
DEVICE_MEMORY: Final = 0x31
DEVICE_REMOVED: Final = 0x32
ENCRYPTED_DATA_INVALID: Final = 0x40
ENCRYPTED_DATA_LEN_RANGE: Final = 0x41
KEY_HANDLE_INVALID: Final = 0x60
OBJECT_HANDLE_INVALID: Final = 0x82
OPERATION_ACTIVE: Final = 0x90
PIN_INCORRECT: Final = 0xA0
PIN_INVALID: Final = 0xA1
PIN_LEN_RANGE: Final = 0xA2
PIN_EXPIRED: Final = 0xA3
PIN_LOCKED: Final = 0xA4
SESSION_CLOSED: Final = 0xB0
SESSION_COUNT: Final = 0xB1
SESSION_HANDLE_INVALID: Final = 0xB3
SIGNATURE_INVALID: Final = 0xC0
SIGNATURE_LEN_RANGE: Final = 0xC1
TOKEN_NOT_PRESENT: Final = 0xE0
TOKEN_NOT_RECOGNIZED: Final = 0xE1
UNWRAPPING_KEY_HANDLE_INVALID: Final = 0xF0
USER_ALREADY_LOGGED_IN: Final = 0x100
USER_NOT_LOGGED_IN: Final = 0x101
USER_PIN_NOT_INITIALIZED: Final = 0x102
WRAPPED_KEY_INVALID: Final = 0x110
WRAPPED_KEY_LEN_RANGE: Final = 0x112
WRAPPING_KEY_HANDLE_INVALID: Final = 0x113
BUFFER_TOO_SMALL: Final = 0x150
CRYPTOKI_NOT_INITIALIZED: Final = 0x190
CRYPTOKI_ALREADY_INITIALIZED: Final = 0x191

_NAMES: Final = {
    **{number: name for name, number in list(globals().items()) if name.isupper() and isinstance(number, int)},
    0x1: "CANCEL",
    0x8: "NO_EVENT",
    0x9: "NEED_TO_CREATE_THREADS",
    0x10: "ATTRIBUTE_READ_ONLY",
    0x11: "ATTRIBUTE_SENSITIVE",
    0x12: "ATTRIBUTE_TYPE_INVALID",
    0x13: "ATTRIBUTE_VALUE_INVALID",
    0x1B: "ACTION_PROHIBITED",
    0x50: "FUNCTION_CANCELED",
    0x51: "FUNCTION_NOT_PARALLEL",
    0x54: "FUNCTION_NOT_SUPPORTED",
    0x62: "KEY_SIZE_RANGE",
    0x63: "KEY_TYPE_INCONSISTENT",
    0x64: "KEY_NOT_NEEDED",
    0x65: "KEY_CHANGED",
    0x66: "KEY_NEEDED",
    0x67: "KEY_INDIGESTIBLE",
    0x68: "KEY_FUNCTION_NOT_PERMITTED",
    0x69: "KEY_NOT_WRAPPABLE",
    0x6A: "KEY_UNEXTRACTABLE",
    0x70: "MECHANISM_INVALID",
    0x71: "MECHANISM_PARAM_INVALID",
    0x91: "OPERATION_NOT_INITIALIZED",
    0xB4: "SESSION_PARALLEL_NOT_SUPPORTED",
    0xB5: "SESSION_READ_ONLY",
    0xB6: "SESSION_EXISTS",
    0xB7: "SESSION_READ_ONLY_EXISTS",
    0xB8: "SESSION_READ_WRITE_SO_EXISTS",
    0xD0: "TEMPLATE_INCOMPLETE",
    0xD1: "TEMPLATE_INCONSISTENT",
    0xE2: "TOKEN_WRITE_PROTECTED",
    0xF1: "UNWRAPPING_KEY_SIZE_RANGE",
    0xF2: "UNWRAPPING_KEY_TYPE_INCONSISTENT",
    0x103: "USER_TYPE_INVALID",
    0x104: "USER_ANOTHER_ALREADY_LOGGED_IN",
    0x105: "USER_TOO_MANY_TYPES",
    0x114: "WRAPPING_KEY_SIZE_RANGE",
    0x115: "WRAPPING_KEY_TYPE_INCONSISTENT",
    0x120: "RANDOM_SEED_NOT_SUPPORTED",
    0x121: "RANDOM_NO_RNG",
    0x130: "DOMAIN_PARAMS_INVALID",
    0x140: "CURVE_NOT_SUPPORTED",
    0x160: "SAVED_STATE_INVALID",
    0x170: "INFORMATION_SENSITIVE",
    0x180: "STATE_UNSAVEABLE",
    0x1A0: "MUTEX_BAD",
    0x1A1: "MUTEX_NOT_LOCKED",
    0x1B0: "NEW_PIN_MODE",
    0x1B1: "NEXT_OTP",
    0x1B5: "EXCEEDED_MAX_ITERATIONS",
    0x1B6: "FIPS_SELF_TEST_FAILED",
    0x1B7: "LIBRARY_LOAD_FAILED",
    0x1B8: "PIN_TOO_WEAK",
    0x1B9: "PUBLIC_KEY_INVALID",
    0x200: "FUNCTION_REJECTED",
    0x201: "TOKEN_RESOURCE_EXCEEDED",
    0x202: "OPERATION_CANCEL_FAILED",
}


def name_of(rv: int) -> str:
    """``CKR_…`` as the standard names it; a vendor's own as its number."""
    return f"CKR_{_NAMES[rv]}" if rv in _NAMES else f"CKR 0x{rv:x}"


class CkError(Exception):
    """A call that answered something else than CKR_OK: which ``function``, and the number ``rv``."""

    def __init__(self, rv: int, function: str) -> None:
        super().__init__(f"{function}: {name_of(rv)}")
        self.rv = rv
        self.function = function


class ModuleUnusable(Exception):
    """A file that cannot be loaded, or is no PKCS#11 module."""
