"""C structures of the standard, as a Unix lays them out."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Final

ULONG: Final = ctypes.c_ulong
POINTER: Final = ctypes.c_void_p
UNAVAILABLE: Final = ULONG(-1).value  # CK_UNAVAILABLE_INFORMATION

Template = Mapping[int, bool | int | bytes]


class Attribute(ctypes.Structure):
    """CK_ATTRIBUTE."""

    _fields_ = (("kind", ctypes.c_ulong), ("value", ctypes.c_void_p), ("length", ctypes.c_ulong))


class Mechanism(ctypes.Structure):
    """CK_MECHANISM."""

    _fields_ = (("kind", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("length", ctypes.c_ulong))


class GcmParameters(ctypes.Structure):
    """CK_GCM_PARAMS of 2.40 with errata: some modules read the length in bits, so it is always set."""

    _fields_ = (
        ("iv", ctypes.c_void_p),
        ("iv_length", ctypes.c_ulong),
        ("iv_bits", ctypes.c_ulong),
        ("aad", ctypes.c_void_p),
        ("aad_length", ctypes.c_ulong),
        ("tag_bits", ctypes.c_ulong),
    )


class InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        ("mutex_functions", ctypes.c_void_p * 4),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


class Version(ctypes.Structure):
    """CK_VERSION."""

    _fields_ = (("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte))


class TokenInformation(ctypes.Structure):
    """CK_TOKEN_INFO."""

    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("flags", ctypes.c_ulong),
        ("counts", ctypes.c_ulong * 10),
        ("hardware", Version),
        ("firmware", Version),
        ("time", ctypes.c_char * 16),
    )


class MechanismInformation(ctypes.Structure):
    """CK_MECHANISM_INFO."""

    _fields_ = (("smallest", ctypes.c_ulong), ("largest", ctypes.c_ulong), ("flags", ctypes.c_ulong))


class Packed:
    """A template as C reads it. Holds the values for as long as it lives."""

    __slots__ = ("_held", "array", "count")

    def __init__(self, template: Template) -> None:
        self.count = len(template)
        self.array = (Attribute * self.count)()
        self._held = []
        for place, (kind, value) in zip(self.array, template.items(), strict=True):
            held = packed(value)
            self._held.append(held)
            place.kind, place.value, place.length = kind, ctypes.addressof(held), ctypes.sizeof(held)


def packed(value: bool | int | bytes) -> ctypes.Array[ctypes.c_char] | ctypes.c_ulong | ctypes.c_ubyte:
    """A truth value as CK_BBOOL, a number as CK_ULONG, bytes as they are."""
    if isinstance(value, bool):
        return ctypes.c_ubyte(value)
    if isinstance(value, int):
        return ctypes.c_ulong(value)
    return ctypes.create_string_buffer(value, len(value))
