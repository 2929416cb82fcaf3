"""A loaded module: slots, tokens, mechanisms, sessions."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Final

from reconciler_pkcs11.cryptoki import codes, constants, structures
from reconciler_pkcs11.cryptoki.codes import CkError, ModuleUnusable
from reconciler_pkcs11.cryptoki.functions import Function, bound
from reconciler_pkcs11.cryptoki.session import Session

_TRIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a token says of itself. Only the flags are relied on."""

    label: str
    manufacturer: str
    model: str
    serial: str
    flags: int


class Module:
    """A module, initialised for this process. Its calls raise CkError."""

    def __init__(self, functions: dict[str, Function]) -> None:
        self._functions = functions

    @classmethod
    def load(cls, path: str) -> Module:
        """Load the shared library and initialise it. ModuleUnusable when it is none or no PKCS#11 module; CkError when
        it will not be initialised."""
        try:
            get_list = ctypes.CDLL(path).C_GetFunctionList
        except (OSError, AttributeError) as error:
            raise ModuleUnusable(str(error)) from None
        get_list.restype, get_list.argtypes = ctypes.c_ulong, (ctypes.c_void_p,)
        table = ctypes.c_void_p()
        if rv := get_list(ctypes.byref(table)):
            raise ModuleUnusable(f"C_GetFunctionList: {codes.name_of(rv)}")
        if not table.value:
            raise ModuleUnusable("C_GetFunctionList gave no table")
        module = cls(bound(table.value))
        module._initialise()
        return module

    def _initialise(self) -> None:
        arguments = structures.InitializeArguments(flags=constants.OS_LOCKING_OK)
        rv = self.rv("C_Initialize", ctypes.byref(arguments))
        if rv == codes.CANT_LOCK:  # there is one thread here, so a module without locks serves as well
            rv = self.rv("C_Initialize", None)
        if rv not in (codes.OK, codes.CRYPTOKI_ALREADY_INITIALIZED):
            raise CkError(rv, "C_Initialize")

    def rv(self, function: str, *arguments: object) -> int:
        """What the call answers, as a number."""
        try:
            return self._functions[function](*arguments)
        except KeyError:
            raise ModuleUnusable(f"it has no {function}") from None

    def call(self, function: str, *arguments: object) -> None:
        """The call, which must answer CKR_OK."""
        if rv := self.rv(function, *arguments):
            raise CkError(rv, function)

    def finalise(self) -> None:
        """Give the module back; nothing of it can be used afterwards."""
        self.call("C_Finalize", None)

    def slots(self) -> list[int]:
        """Slots in which a token is."""
        count = ctypes.c_ulong()
        for _ in range(5):  # a token may come between asking how many and asking which
            self.call("C_GetSlotList", 1, None, ctypes.byref(count))
            found = (ctypes.c_ulong * max(count.value, 1))()
            rv = self.rv("C_GetSlotList", 1, found, ctypes.byref(count))
            if rv == codes.OK:
                return list(found[: count.value])
            if rv != codes.BUFFER_TOO_SMALL:
                break
        raise CkError(rv, "C_GetSlotList")

    def token(self, slot: int) -> Token:
        """The token in a slot."""
        held = structures.TokenInformation()
        for _ in range(_TRIES):
            rv = self.rv("C_GetTokenInfo", slot, ctypes.byref(held))
            if rv != codes.GENERAL_ERROR:  # SoftHSM says that for as long as another process writes to the token
                break
        if rv != codes.OK:
            raise CkError(rv, "C_GetTokenInfo")
        return Token(
            label=_text(held, "label"),
            manufacturer=_text(held, "manufacturer"),
            model=_text(held, "model"),
            serial=_text(held, "serial"),
            flags=held.flags,
        )

    def mechanism_flags(self, slot: int, mechanism: int) -> int:
        """What the token says that a mechanism does (CKF); 0 for one that it does not have."""
        held = structures.MechanismInformation()
        return 0 if self.rv("C_GetMechanismInfo", slot, mechanism, ctypes.byref(held)) else int(held.flags)

    def open(self, slot: int, *, read_write: bool) -> Session:
        """A new session. It is logged in if any other session of this process at that token is."""
        handle = ctypes.c_ulong()
        flags = constants.SessionFlag.SERIAL | (constants.SessionFlag.READ_WRITE if read_write else 0)
        self.call("C_OpenSession", slot, flags, None, None, ctypes.byref(handle))
        return Session(self.rv, handle.value)


def _text(held: structures.TokenInformation, field: str) -> str:
    """A field, padded with blanks, and by some tokens ended with a zero byte. Strangers' text may be anything."""
    return bytes(getattr(held, field)).decode("utf-8", "replace").rstrip(" \0")
