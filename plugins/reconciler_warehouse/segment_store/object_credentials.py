"""Credentials of an object store: read where the config says, each time that the ones before have run out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from reconciler.errors import HostError, ReconcilerError
from reconciler.model.ports import Clock
from reconciler.providers.secret_source import Permitted, SecretSource, read_secret

if TYPE_CHECKING:
    from obstore.store import S3Credential

WHAT: Final = "credentials of the object store"
_SHAPE: Final = (
    'It must be JSON, {"AccessKeyId": …, "SecretAccessKey": …}, with "SessionToken" and "Expiration" if any.'
)
# Credentials that do not say how long they hold may be renewed in their place.
LOOK_AGAIN: Final = timedelta(minutes=15)


class Credentials:
    """What the client of the object store asks for credentials, from threads of its own: an error is remembered, since
    the client would only tell of it in its own words."""

    def __init__(self, source: SecretSource, permitted: Permitted, clock: Clock) -> None:
        self._source = source
        self._permitted = permitted
        self._clock = clock
        self.failure: ReconcilerError | None = None

    def __call__(self) -> S3Credential:
        """Key, secret, token and until when they hold."""
        try:
            found = self._read()
        except ReconcilerError as error:
            self.failure = error
            raise
        self.failure = None  # only now: another thread's failure is being told meanwhile
        return found

    def _read(self) -> S3Credential:
        secret = read_secret(self._source, WHAT, self._permitted)
        try:
            return _understood(json.loads(secret), self._clock.now())
        except (ValueError, TypeError, KeyError, AttributeError):
            raise HostError(f"The {WHAT} are not in a form that is known", suggestion=_SHAPE) from None
        finally:
            secret[:] = bytes(len(secret))


def _understood(found: Mapping[str, Any], now: datetime) -> S3Credential:
    texts = [found["AccessKeyId"], found["SecretAccessKey"], found.get("SessionToken")]
    if not all(isinstance(one, str) and one for one in texts[:2]) or not isinstance(texts[2], str | None):
        raise ValueError
    until = found.get("Expiration")
    expires = now + LOOK_AGAIN if until is None else datetime.fromisoformat(until)
    if expires.tzinfo is None:
        raise ValueError
    return {"access_key_id": texts[0], "secret_access_key": texts[1], "token": texts[2], "expires_at": expires}
