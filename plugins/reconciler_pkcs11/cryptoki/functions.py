"""The table of functions that a module hands out: their order, and the arguments of those that we call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

# CK_FUNCTION_LIST of 2.x, in its order.
ORDER: Final = (
    *("C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetSlotList", "C_GetSlotInfo"),
    *("C_GetTokenInfo", "C_GetMechanismList", "C_GetMechanismInfo", "C_InitToken", "C_InitPIN", "C_SetPIN"),
    *("C_OpenSession", "C_CloseSession", "C_CloseAllSessions", "C_GetSessionInfo", "C_GetOperationState"),
    *("C_SetOperationState", "C_Login", "C_Logout", "C_CreateObject", "C_CopyObject", "C_DestroyObject"),
    *("C_GetObjectSize", "C_GetAttributeValue", "C_SetAttributeValue", "C_FindObjectsInit", "C_FindObjects"),
    *("C_FindObjectsFinal", "C_EncryptInit", "C_Encrypt", "C_EncryptUpdate", "C_EncryptFinal", "C_DecryptInit"),
    *("C_Decrypt", "C_DecryptUpdate", "C_DecryptFinal", "C_DigestInit", "C_Digest", "C_DigestUpdate", "C_DigestKey"),
    *("C_DigestFinal", "C_SignInit", "C_Sign", "C_SignUpdate", "C_SignFinal", "C_SignRecoverInit", "C_SignRecover"),
    *("C_VerifyInit", "C_Verify", "C_VerifyUpdate", "C_VerifyFinal", "C_VerifyRecoverInit", "C_VerifyRecover"),
    *("C_DigestEncryptUpdate", "C_DecryptDigestUpdate", "C_SignEncryptUpdate", "C_DecryptVerifyUpdate"),
    *("C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey", "C_DeriveKey", "C_SeedRandom"),
    *("C_GenerateRandom", "C_GetFunctionStatus", "C_CancelFunction", "C_WaitForSlotEvent"),
)

# Arguments of each function that is called: n a CK_ULONG (handles, lengths, flags), p a pointer, b a CK_BBOOL.
ARGUMENTS: Final = {
    "C_Initialize": "p",
    "C_Finalize": "p",
    "C_GetSlotList": "bpp",
    "C_GetTokenInfo": "np",
    "C_GetMechanismInfo": "nnp",
    "C_InitToken": "npnp",
    "C_InitPIN": "npn",
    "C_OpenSession": "nnppp",
    "C_CloseSession": "n",
    "C_Login": "nnpn",
    "C_Logout": "n",
    "C_CreateObject": "npnp",
    "C_CopyObject": "nnpnp",
    "C_DestroyObject": "nn",
    "C_GetAttributeValue": "nnpn",
    "C_SetAttributeValue": "nnpn",
    "C_FindObjectsInit": "npn",
    "C_FindObjects": "npnp",
    "C_FindObjectsFinal": "n",
    "C_EncryptInit": "npn",
    "C_Encrypt": "npnpp",
    "C_DecryptInit": "npn",
    "C_Decrypt": "npnpp",
    "C_SignInit": "npn",
    "C_Sign": "npnpp",
    "C_GenerateKey": "nppnp",
    "C_WrapKey": "npnnpp",
    "C_UnwrapKey": "npnpnpnp",
    "C_GenerateRandom": "npn",
}
_TYPES: Final = {"n": ctypes.c_ulong, "p": ctypes.c_void_p, "b": ctypes.c_ubyte}

Function = Callable[..., int]


def bound(table: int) -> dict[str, Function]:
    """The functions of the CK_FUNCTION_LIST at address ``table``, by name; one that the module lacks is left out."""
    first = table + ctypes.sizeof(ctypes.c_void_p)  # after CK_VERSION, which is padded to a pointer's size
    addresses = (ctypes.c_void_p * len(ORDER)).from_address(first)
    found: dict[str, Function] = {}
    for name, address in zip(ORDER, addresses, strict=True):
        if address and name in ARGUMENTS:
            kind = ctypes.CFUNCTYPE(ctypes.c_ulong, *(_TYPES[each] for each in ARGUMENTS[name]))
            found[name] = kind(address)
    return found
