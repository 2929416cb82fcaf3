"""One session with a token. Its calls raise CkError; after any error the session is to be closed, not used again."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from reconciler_pkcs11.cryptoki import codes, constants
from reconciler_pkcs11.cryptoki.codes import CkError
from reconciler_pkcs11.cryptoki.mechanisms import Prepared
from reconciler_pkcs11.cryptoki.structures import UNAVAILABLE, Attribute, Packed, Template

_AT_ONCE = 64  # objects that one C_FindObjects gives
_ROOM = 256  # what an answer may be longer than what was sent, before it has to be asked twice


class Session:
    """A session's calls. Object handles are valid only as long as it is open."""

    __slots__ = ("_handle", "_rv")

    def __init__(self, rv: Callable[..., int], handle: int) -> None:
        self._rv = rv
        self._handle = handle

    def _call(self, function: str, *arguments: object) -> None:
        if rv := self._rv(function, self._handle, *arguments):
            raise CkError(rv, function)

    def login(self, pin: bytes | bytearray, who: int = constants.USER) -> None:
        """Log the whole process in, by one try."""
        held = (ctypes.c_char * len(pin)).from_buffer(pin) if isinstance(pin, bytearray) and pin else bytes(pin)
        rv = self._rv("C_Login", self._handle, who, held, len(pin))
        if rv not in (codes.OK, codes.USER_ALREADY_LOGGED_IN):
            raise CkError(rv, "C_Login")

    def logout(self) -> None:
        """Log the whole process out."""
        self._call("C_Logout")

    def close(self) -> None:
        """Close it, whatever the token says to that."""
        self._rv("C_CloseSession", self._handle)

    def initialise_pin(self, pin: bytes) -> None:
        """Give the user a first PIN; for the security officer."""
        self._call("C_InitPIN", pin, len(pin))

    def find(self, template: Template, most: int | None = None) -> list[int]:
        """Handles of objects that have these attributes: all, or the first ``most``."""
        packed = Packed(template)
        self._call("C_FindObjectsInit", packed.array, packed.count)
        wanted = most if most is not None else _AT_ONCE
        found: list[int] = []
        batch, count = (ctypes.c_ulong * wanted)(), ctypes.c_ulong()
        try:
            while True:
                self._call("C_FindObjects", batch, wanted, ctypes.byref(count))
                found += batch[: count.value]
                if not count.value or (most is not None and len(found) >= most):
                    return found
        finally:
            self._rv("C_FindObjectsFinal", self._handle)

    def read(self, handle: int, attribute: int) -> bytes | CkError:
        """One attribute, or why it cannot be had: a bad one must not hide the others."""
        room = _ROOM
        while True:
            held = ctypes.create_string_buffer(room)
            asked = Attribute(attribute, ctypes.addressof(held), room)
            rv = self._rv("C_GetAttributeValue", self._handle, handle, ctypes.byref(asked), 1)
            if rv == codes.OK and asked.length != UNAVAILABLE:
                return held.raw[: asked.length]
            if rv != codes.BUFFER_TOO_SMALL:
                return CkError(rv or codes.GENERAL_ERROR, "C_GetAttributeValue")
            asked = Attribute(attribute, None, 0)
            rv = self._rv("C_GetAttributeValue", self._handle, handle, ctypes.byref(asked), 1)
            if rv != codes.OK or asked.length in (UNAVAILABLE, 0) or asked.length <= room:
                return CkError(rv or codes.GENERAL_ERROR, "C_GetAttributeValue")
            room = asked.length

    def set(self, handle: int, template: Template) -> None:
        """Change attributes."""
        packed = Packed(template)
        self._call("C_SetAttributeValue", handle, packed.array, packed.count)

    def create(self, template: Template) -> int:
        """A new object of given attributes."""
        packed, made = Packed(template), ctypes.c_ulong()
        self._call("C_CreateObject", packed.array, packed.count, ctypes.byref(made))
        return made.value

    def copy(self, handle: int, template: Template) -> int:
        """A copy with other attributes."""
        packed, made = Packed(template), ctypes.c_ulong()
        self._call("C_CopyObject", handle, packed.array, packed.count, ctypes.byref(made))
        return made.value

    def destroy(self, handle: int) -> None:
        """Remove an object."""
        self._call("C_DestroyObject", handle)

    def generate(self, mechanism: Prepared, template: Template) -> int:
        """A new secret key, made by the token."""
        packed, made = Packed(template), ctypes.c_ulong()
        self._call("C_GenerateKey", ctypes.byref(mechanism.structure), packed.array, packed.count, ctypes.byref(made))
        return made.value

    def random(self, count: int) -> bytes:
        """Bytes from the token's generator."""
        held = ctypes.create_string_buffer(count)
        self._call("C_GenerateRandom", held, count)
        return held.raw

    def encrypt(self, mechanism: Prepared, key: int, data: bytes | bytearray) -> bytes:
        """All of ``data`` at once."""
        self._call("C_EncryptInit", ctypes.byref(mechanism.structure), key)
        return self._answer("C_Encrypt", data)

    def decrypt(self, mechanism: Prepared, key: int, data: bytes | bytearray) -> bytes:
        """All of ``data`` at once."""
        self._call("C_DecryptInit", ctypes.byref(mechanism.structure), key)
        return self._answer("C_Decrypt", data)

    def sign(self, mechanism: Prepared, key: int, data: bytes | bytearray) -> bytes:
        """All of ``data`` at once."""
        self._call("C_SignInit", ctypes.byref(mechanism.structure), key)
        return self._answer("C_Sign", data)

    def wrap(self, mechanism: Prepared, wrapping: int, key: int) -> bytes:
        """One key under another."""
        structure = ctypes.byref(mechanism.structure)
        return self._given(_ROOM, "C_WrapKey", structure, wrapping, key)

    def unwrap(self, mechanism: Prepared, wrapping: int, wrapped: bytes, template: Template) -> int:
        """The key that ``wrap`` was given, as an object."""
        packed, made = Packed(template), ctypes.c_ulong()
        self._call(
            "C_UnwrapKey",
            ctypes.byref(mechanism.structure),
            wrapping,
            wrapped,
            len(wrapped),
            packed.array,
            packed.count,
            ctypes.byref(made),
        )
        return made.value

    def _answer(self, function: str, data: bytes | bytearray) -> bytes:
        """The one answer of an operation that was begun. The buffer is ample, and asking for a length first is left
        out: some tokens leave the tag out of it. A token that wants more is asked again."""
        sent = bytes(data)
        return self._given(len(sent) + _ROOM, function, sent, len(sent))

    def _given(self, room: int, function: str, *arguments: object) -> bytes:
        """What a call puts into a buffer. Some say that it is too small and not how much they want."""
        length = ctypes.c_ulong(room)
        for _ in range(2):
            held = ctypes.create_string_buffer(length.value)
            rv = self._rv(function, self._handle, *arguments, held, ctypes.byref(length))
            if rv == codes.OK:
                return held.raw[: length.value]
            if rv != codes.BUFFER_TOO_SMALL:
                break
            if not room < length.value < UNAVAILABLE:
                length.value = 16 * room
        raise CkError(rv, function)
