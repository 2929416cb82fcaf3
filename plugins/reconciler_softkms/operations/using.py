"""What every use of key material begins with: the request is decided, then the key's state, usage and spec admit it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.access.request import Values
from reconciler.errors import InvalidKeyUsageException, ValidationException
from reconciler.providers.keys import Context
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.specs import SYMMETRIC, admits
from reconciler_softkms.states import is_usable, require_usable

MESSAGE_BYTES: Final = 4096
CIPHERTEXT_BYTES: Final = 6144
Attributes = Mapping[str, Values]
UNDER_SYMMETRIC: Final[Attributes] = {"kms:encryptionalgorithm": (SYMMETRIC,)}


def usable_key(
    asked: Request,
    key_id: str,
    action: str,
    *,
    usage: str,
    algorithm: str,
    attributes: Attributes,
    context: Context | None = None,
) -> KeyRow:
    """The key of that id, ARN, alias or alias ARN, if the caller may use it for ``action`` and it can do so.
    NotFoundException, and what ``permit`` and ``require`` raise."""
    row = asked.key(key_id, by_alias=True)
    permit(asked, row, key_id, action, attributes=attributes, context=context)
    require(asked, row, usage, algorithm)
    return row


def permit(
    asked: Request,
    row: KeyRow,
    key_id: str | None,
    action: str,
    *,
    attributes: Attributes,
    context: Context | None = None,
) -> None:
    """Go on only if the caller may: ``key_id`` is how the request names the key. AccessDeniedException.

    ``attributes`` holds all that a condition can ask of the request: the door remembers decisions by it."""
    alias = None if key_id is None else alias_of(key_id)
    asked.authorize(row, action, context=context, attributes=attributes, request_alias=alias)


def require(asked: Request, row: KeyRow, usage: str, algorithm: str) -> None:
    """Go on only if the key can do it now. DisabledException, KMSInvalidStateException, InvalidKeyUsageException."""
    if is_usable(row) and row.key_usage == usage and admits(row.key_spec, usage, algorithm):
        return
    arn = asked.names.key_arn(row.key_id)
    require_usable(row, arn)
    if row.key_usage != usage:
        raise InvalidKeyUsageException(f"{arn} key usage is {row.key_usage} which is not valid for {asked.name}.")
    raise InvalidKeyUsageException(f"Algorithm {algorithm} is incompatible with key spec {row.key_spec}.")


def alias_of(key_id: str) -> str | None:
    """The alias by which a request names its key (``kms:RequestAlias``), None when it names it otherwise."""
    if key_id.startswith("alias/"):
        return key_id
    _, is_alias, name = key_id.partition(":alias/")
    return f"alias/{name}" if is_alias else None


def shown(caller: Caller, context: Context, **more: str | None) -> dict[str, Any]:
    """Parameters for the record, those that are None left out. The encryption context stands there in clear (KM4);
    none at all is left out."""
    parameters: dict[str, Any] = {name: value for name, value in more.items() if value is not None}
    if context:
        parameters["encryptionContext"] = dict(context)
    if caller.dry_run:
        parameters["dryRun"] = True
    return parameters


def check_context(context: Context) -> None:
    """ValidationException for anything but pairs of texts."""
    for pair in context.items():
        name, value = pair
        if type(name) is str and type(value) is str and name.isascii() and value.isascii():
            continue
        for text in pair:
            if not isinstance(text, str) or (
                not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
            ):
                raise ValidationException("An encryption context is made of pairs of texts")


def check_length(content: bytes, most: int, what: str) -> None:
    """ValidationException for an empty or too long one; ``what`` is "A message" and the like."""
    if not 1 <= len(content) <= most:
        raise ValidationException(f"{what} has 1 to {most} bytes; this one has {len(content)}")
