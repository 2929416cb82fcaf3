"""What an object store and its client refuse, in our words: theirs name keys, requests and sometimes credentials."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from reconciler.errors import HostError, ReconcilerError

_AGAIN: Final = "Run the command again when it answers; nothing that was finished is lost."
_CODES: Final = (
    ("NoSuchBucket", "there is no such bucket", "Make the bucket, or mend `segments.url` of the Provider."),
    ("SlowDown", "it asks for fewer requests", _AGAIN),
    ("RequestTimeTooSkewed", "its clock and this machine's differ", "Set this machine's clock."),
    ("InvalidAccessKeyId", "it does not know the access key", "Mend what `segments.credentialsFrom` answers."),
    ("SignatureDoesNotMatch", "the secret key is not the right one", "Mend what `segments.credentialsFrom` answers."),
    ("ExpiredToken", "the credentials have expired", "Renew what `segments.credentialsFrom` answers."),
    ("NotImplemented", "it cannot do a request that is needed (conditional writes, ranges)", "Choose another service."),
)
_STATUS: Final = re.compile(r"status code: (\d{3})")


@contextmanager
def explained(
    where: str, refused: Callable[[], ReconcilerError | None], *, absent_is_news: bool = False
) -> Iterator[None]:
    """Errors of the client as HostError; with ``absent_is_news`` an object that is not there is FileNotFoundError.
    ``where`` names the store, ``refused`` answers what kept us from having credentials."""
    try:
        yield
    except (BaseError, OSError) as error:
        text = str(error)
        if absent_is_news and isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text:
            raise FileNotFoundError(error.errno, "no such object", where) from None
        own = refused()
        if own is not None:
            raise own from None
        raise _in_words(where, error, text) from None


def _in_words(where: str, error: Exception, text: str) -> HostError:
    for code, reason, suggestion in _CODES:
        if f"<Code>{code}</Code>" in text:
            return HostError(f"The object store {where} cannot be used: {reason}", suggestion=suggestion)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return HostError(
            f"The object store {where} denies access to the warehouse's segments",
            suggestion="Let the credentials read, write, list and delete objects below the prefix of `segments.url`.",
        )
    status = _STATUS.search(text)
    reason = f"it answers with status {status[1]}" if status else "it cannot be reached"
    if not status and "certificate" in text.lower():
        reason = "its certificate is not vouched for by anybody known here (`segments.rootCertificate`)"
    return HostError(f"The object store {where} cannot be used: {reason}", suggestion=_AGAIN)
