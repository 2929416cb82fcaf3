"""Mechanisms with their parameters, each holding the memory that its structure points to."""

from __future__ import annotations

import ctypes

from reconciler_pkcs11.cryptoki import constants, structures

GCM_TAG_BYTES = 16


class Prepared:
    """A mechanism that is ready to be handed to a call. Must outlive the call."""

    __slots__ = ("_held", "structure")

    def __init__(self, kind: int, parameter: ctypes.Structure | ctypes.Array[ctypes.c_char] | None = None) -> None:
        self._held = parameter
        if parameter is None:
            self.structure = structures.Mechanism(kind, None, 0)
        else:
            self.structure = structures.Mechanism(kind, ctypes.addressof(parameter), ctypes.sizeof(parameter))


class Gcm(Prepared):
    """AES-GCM with 128-bit tags. ``iv`` is read back after encrypting: some tokens write one of their own into it."""

    __slots__ = ("_aad", "_iv", "_parameters")

    def __init__(self, iv: bytes, aad: bytes) -> None:
        self._iv = ctypes.create_string_buffer(iv, len(iv))
        self._aad = ctypes.create_string_buffer(aad, len(aad))
        self._parameters = structures.GcmParameters(
            ctypes.addressof(self._iv),
            len(iv),
            8 * len(iv),
            ctypes.addressof(self._aad),
            len(aad),
            8 * GCM_TAG_BYTES,
        )
        super().__init__(constants.Mechanism.AES_GCM, self._parameters)

    @property
    def iv(self) -> bytes:
        """What stands in the buffer now; its length is the token's word, too."""
        return self._iv.raw[: self._parameters.iv_length]


def cbc_pad(iv: bytes) -> Prepared:
    """AES-CBC with PKCS#7 padding; ``iv`` has 16 bytes."""
    return Prepared(constants.Mechanism.AES_CBC_PAD, ctypes.create_string_buffer(iv, len(iv)))
