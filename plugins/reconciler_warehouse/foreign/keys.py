"""Keys of encrypted Parquet files that are loaded: unwrapped by the warehouse's key service for whoever loads them.

What a file says of its key is nobody's word: the id is looked up at our own key service, under the caller's own
permissions (KM6), and no address in a file is ever asked (I8).
"""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler.errors import ServiceError, ValidationException
from reconciler_warehouse.exports.modular_encryption import WrappedKey
from reconciler_warehouse.foreign.process import Unwrap
from reconciler_warehouse.names import SERVICE
from reconciler_warehouse.site import Site

_LONGEST = 2048


def unwrapping(site: Site, caller: Caller) -> Unwrap:
    """For files that ``caller`` loads."""

    def unwrap(wrapped: str, master_key: str) -> bytes:
        try:
            one = WrappedKey.parse(wrapped)
            if not 0 < len(master_key) <= _LONGEST or not master_key.isprintable():
                raise ValueError("not a key id")
        except ValueError:
            raise ValidationException(
                "The file's key is not wrapped as a key of the key service is",
                suggestion="Only a key of this Region's key service opens a file here: let its writer use one.",
            ) from None
        try:
            answer = site.keys.decrypt(caller.via(SERVICE), one.ciphertext, one.context, key_id=master_key)
        except ServiceError as error:
            raise type(error)(
                f"The file's key is not opened: {error.summary}",
                detail=error.detail,
                suggestion=error.suggestion or "Whoever loads the file needs kms:Decrypt on the key that it names.",
            ) from error
        with answer.plaintext as key:
            return bytes(key.expose_key_bytes())

    return unwrap
