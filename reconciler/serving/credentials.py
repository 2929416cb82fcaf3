"""Access keys: who a signature speaks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from reconciler.access.principals import account_of
from reconciler.errors import UsageError
from reconciler.serving.signature import Scope, signing_key

_SHAPE: Final = re.compile(r"\w{4,128}", re.ASCII)
_PRINCIPAL: Final = re.compile(
    r"arn:aws[a-z-]*:(?:iam::\d{12}:(?:root|(?:user|role)/[\w+=,.@/-]+)|sts::\d{12}:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An access key. ``token`` is what a request must carry beside it, for one that ends at ``expires``.
    ``is_administrator``: the principal's account gives it every permission in the stores that no manifest declares.

    The secret is neither shown nor compared by the dataclass: it must not reach a log (I19).
    """

    access_key_id: str
    secret: str = field(repr=False, compare=False)
    principal: str
    tags: Mapping[str, str] = field(default_factory=dict)
    is_administrator: bool = False
    created: datetime
    expires: datetime | None = None
    token: str | None = field(default=None, repr=False, compare=False)
    _keys: dict[Scope, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def account(self) -> str:
        """The principal's account, 12 digits."""
        return account_of(self.principal) or ""

    def signing_key(self, scope: Scope) -> bytes:
        """The key that signs for ``scope``; the last ones are kept, since a client uses one for a day."""
        key = self._keys.get(scope)
        if key is None:
            if len(self._keys) >= 64:
                self._keys.clear()
            key = self._keys[scope] = signing_key(self.secret, scope)
        return key


class Credentials(Protocol):
    """All that may sign."""

    def find(self, access_key_id: str) -> Credential | None:
        """That access key as it is now; None for one that is unknown or revoked."""

    def administrators(self, account: str) -> frozenset[str]:
        """Principals of ``account`` that were made its administrators."""


class DeclaredCredentials:
    """Access keys of the command line (``serve --ephemeral``): they live as long as the process.

    The first principal of each account administers it, unless one of that account is said to."""

    def __init__(self, credentials: Iterable[Credential]) -> None:
        listed = list(credentials)
        named = {each.account for each in listed if each.is_administrator}
        self.all: list[Credential] = []
        for each in listed:
            is_first = each.account not in named
            named.add(each.account)
            self.all.append(replace(each, is_administrator=True) if is_first else each)
        self._by_id = {each.access_key_id: each for each in self.all}

    def find(self, access_key_id: str) -> Credential | None:
        """See ``Credentials``."""
        return self._by_id.get(access_key_id)

    def administrators(self, account: str) -> frozenset[str]:
        """See ``Credentials``."""
        return frozenset(each.principal for each in self.all if each.is_administrator and each.account == account)


def is_access_key_id(text: str) -> bool:
    """Whether ``text`` has the form of one: letters, digits and _, so that it is also the name of a file."""
    return _SHAPE.fullmatch(text) is not None


def checked_principal(arn: str) -> str:
    """``arn`` if it names who can sign: an account's root, a user, a role, a role's session. UsageError."""
    if _PRINCIPAL.fullmatch(arn) is None:
        raise UsageError(
            f'"{arn}" is not the ARN of a principal that can sign requests',
            suggestion="One reads arn:aws:iam::111122223333:user/name, …:role/name, …:root, or "
            "arn:aws:sts::111122223333:assumed-role/name/session.",
        )
    return arn


def made_credential(
    draw: Callable[[int], bytes],
    principal: str,
    now: datetime,
    *,
    tags: Mapping[str, str] | None = None,
    is_administrator: bool = False,
    expires: datetime | None = None,
) -> Credential:
    """A fresh access key. ``draw`` answers that many random bytes. One that ``expires`` has a token, and an id that
    says so (``ASIA…``), as temporary ones of the public service have."""
    from base64 import b32encode, b64encode

    name = b32encode(draw(10)).decode()
    return Credential(
        access_key_id=("ASIA" if expires else "AKIA") + name,
        secret=b64encode(draw(30)).decode(),
        principal=checked_principal(principal),
        tags=dict(tags or {}),
        is_administrator=is_administrator,
        created=now,
        expires=expires,
        token=b64encode(draw(48)).decode() if expires else None,
    )
