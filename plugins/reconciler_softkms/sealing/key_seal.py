"""The seal as a key of another key service (an HSM through its plugin): the wrapping key is wrapped there, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    DamagedStore,
    DisabledException,
    InvalidCiphertextException,
    KeyUnavailableException,
    KMSInvalidStateException,
    MissingCapability,
    NotFoundException,
    ProviderUnavailable,
)
from reconciler.model.ports import Random
from reconciler.providers.key_wrapping import WrapsKeys
from reconciler.providers.plugin import Resolve
from reconciler_softkms.sealing.row import SEAL_ID_BYTES, SealRow, WrappingKey, parameters_of

KIND: Final = "key"
_MOST_WRAPPED: Final = 4096


class KeySeal:
    """``name`` is PROVIDER/KEY. ``caller`` is who asks there, ``place`` the account and Region of the store that is
    sealed: both are bound to what is wrapped.

    The provider is looked up when this is made, so that providers that would seal each other are refused at once and
    nobody looks for one while a store is locked; it is asked for nothing before the seal is opened."""

    kind: Final = KIND

    def __init__(self, name: str, resolve: Resolve, caller: Caller, place: tuple[str, str], random: Random) -> None:
        self.name = name
        provider, _, self._key = name.partition("/")
        found = resolve.provider(provider)
        if not isinstance(found, WrapsKeys):
            raise MissingCapability(
                f"Provider/{provider} cannot seal a key store: it wraps no keys for others",
                suggestion="Name a key of an HSM or key service that does, or seal by a passphrase or file.",
                path="spec.config.seal.key",
            )
        self._wraps = found
        self._caller = caller
        self._place = place
        self._random = random

    def make(self, *, beside: bool) -> WrappingKey:
        """See ``Seal.make``."""
        del beside  # nothing of it is on disk but what the other service wrapped
        key = DataKey.generate(self._random)
        seal_id = self._random.bytes(SEAL_ID_BYTES)
        with self._explained():
            made = self._wraps.wrap_key(self._caller, self._key, key, self._context(seal_id))
        said = {"arn": made.key_arn, "key": self.name, "wrapped": made.wrapped.hex()}
        return WrappingKey(KIND, seal_id, json.dumps(said, separators=(",", ":")), key)

    def wrapping_key(self, row: SealRow) -> DataKey:
        """See ``Seal.wrapping_key``."""
        said = parameters_of(row).get("wrapped")
        try:
            wrapped = bytes.fromhex(said) if isinstance(said, str) else b""
            if not 0 < len(wrapped) <= _MOST_WRAPPED:
                raise ValueError("no wrapped key")
            with self._explained():
                return self._wraps.unwrap_key(self._caller, self._key, wrapped, self._context(row.seal_id))
        except (ValueError, InvalidCiphertextException):
            raise DamagedStore(
                f"The seal of the key store for {' in '.join(self._place)} does not open under {self.name}",
                suggestion="Another key stands under that name by now, or the store was changed outside. Put back what "
                "it was sealed with; nothing was touched.",
            ) from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A key that is not there: whoever wrote the name may have meant its manifest's. One that cannot be used now
        (disabled, pending deletion, away): the store is out of reach as long, and nothing else is."""
        try:
            yield
        except NotFoundException as error:
            provider = self.name.partition("/")[0]
            raise NotFoundException(
                f"Provider/{provider} has no key {self._key}, which is to seal a key store: {error.summary}",
                suggestion="seal.key takes PROVIDER/KEY, where KEY is the key's id at that Provider, or alias/NAME, "
                "and not the name of a manifest: `reconciler state show Key/NAME` prints the id.",
                path="spec.config.seal.key",
            ) from None
        except (DisabledException, KMSInvalidStateException, KeyUnavailableException, ProviderUnavailable) as error:
            raise ProviderUnavailable(
                f"The key store for {' in '.join(self._place)} cannot be opened: the key that seals it, {self.name}, "
                f"cannot be used ({error.summary})",
                detail=error.detail,
                suggestion=error.suggestion or "Bring that key back, then run the command again.",
            ) from error

    def _context(self, seal_id: bytes) -> dict[str, str]:
        account, region = self._place
        return {"reconciler:keyStore": f"softkms/{account}/{region}", "reconciler:seal": seal_id.hex()}


def key_of(row: SealRow) -> str | None:
    """PROVIDER/KEY of a row of this kind."""
    said = parameters_of(row).get("key")
    return said if isinstance(said, str) and "/" in said else None


def arn_of(row: SealRow) -> str | None:
    """The ARN of the key that a row of this kind needs."""
    said = parameters_of(row).get("arn")
    return said if isinstance(said, str) else None
