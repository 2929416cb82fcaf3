"""Which key service answers: that of the signature's Region and of the principal's account.

A declared Provider where a manifest has one for that place, so that in process and here is one door; else a store of
the embedded key service below the same home, opened when somebody first asks for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.access.principals import means
from reconciler.errors import ProviderUnavailable, ReconcilerError
from reconciler.model.ports import Fs
from reconciler.providers.at_home import Place, Undeclared, places
from reconciler.providers.plugin import KEYS
from reconciler.providers.pool import Declaration, ProviderPool
from reconciler.providers.requests import AnswersRequests, ChecksItself
from reconciler.serving.credentials import Credential, Credentials
from reconciler.serving.sigv4 import is_region

EMBEDDED: Final = "softkms"
_PROBE: Final = ".health"
_ROOM_BYTES: Final = 1 << 16

MakePool = Callable[[Mapping[str, Declaration]], ProviderPool]


class _Open(NamedTuple):
    service: AnswersRequests
    administrators: frozenset[str] | None  # None: what its manifest says


class KeyServices:
    """The key services of a home. ``make_pool`` is given the Providers' declarations, to which places are added as they
    are asked for. Threads may share it."""

    def __init__(
        self,
        declared: Mapping[str, Declaration],
        make_pool: MakePool,
        credentials: Credentials,
        *,
        fs: Fs,
        home: Path,
    ) -> None:
        self._declared = dict(declared)
        self._all: dict[str, Declaration] = dict(declared)
        self._pool = make_pool(self._all)
        self._credentials = credentials
        self._fs, self._home = fs, home
        self._turn = threading.RLock()
        self._open: dict[tuple[str, str], _Open] = {}

    def at(self, credential: Credential, region: str) -> AnswersRequests:
        """The key service that answers the credential's principal in ``region``. ProviderUnavailable, or what building
        it raises."""
        place = (credential.account, region)
        found = self._open.get(place)
        if found is not None and not self._has_changed(credential, found):
            return found.service
        with self._turn:
            found = self._open.get(place)
            if found is None or self._has_changed(credential, found):
                found = self._open[place] = self._opened(*place)
            return found.service

    def problems(self) -> list[str]:
        """What keeps requests from being answered: a home that takes no more writing (a full or read-only disk), and
        the key services whose store cannot be opened; each with the reason (the error's code)."""
        bad = self._unwritable()
        there = {(one.plugin, one.account, one.region) for one in self._declared.values()}
        try:
            found = [place for place in places(self._fs, self._home) if place.plugin == EMBEDDED]
        except OSError:
            return bad or ["home: cannot be read"]
        kept = [place for place in found if is_region(place.region) and place not in there]
        for name in self._declared:
            bad += self._problem(name, partial(self._provider, name))
        for place in kept:
            bad += self._problem(str(place), partial(self._kept, place))
        return bad

    def close(self) -> None:
        """Give back every store. The next request opens what it needs again."""
        with self._turn:
            self._open.clear()
            self._pool.close()

    def _unwritable(self) -> list[str]:
        """Tried by writing, since every request leaves a record. Of a probe that died, the file goes with the next."""
        path = self._home / _PROBE
        try:
            with suppress(FileNotFoundError):
                self._fs.unlink(path)
            handle = self._fs.create(path)
            try:
                self._fs.write(handle, bytes(_ROOM_BYTES))
                self._fs.fsync(handle)
            finally:
                self._fs.close(handle)
                with suppress(FileNotFoundError):
                    self._fs.unlink(path)
        except FileExistsError:  # another process asks itself the same now
            return []
        except OSError as error:
            return [f"home: {os.strerror(error.errno or 0)}"]
        return []

    def _opened(self, account: str, region: str) -> _Open:
        for name, one in sorted(self._declared.items()):
            if (one.account, one.region) == (account, region) and self._pool.protocol_of(name) == KEYS:
                return _Open(self._answering(name), None)
        administrators = self._administrators(account)
        name = str(Place(EMBEDDED, account, region))
        while name in self._all:
            name += "'"  # another administrator came: a door of its own to the same store
        declaration = Undeclared.at(Place(EMBEDDED, account, region), {"administrators": sorted(administrators)})
        self._all[name] = declaration
        try:
            return _Open(self._answering(name), administrators)
        except BaseException:
            del self._all[name]
            raise

    def _has_changed(self, credential: Credential, found: _Open) -> bool:
        """Whether the principal became an administrator since its store was opened, or is none any more: an access key
        that does not say so itself may have one beside it that does, or did."""
        if found.administrators is None:
            return False
        if credential.is_administrator:
            return credential.principal not in found.administrators
        by_keys = found.administrators - self._lasting_administrators(credential.account)
        own = {name for name in by_keys if means(name, credential.principal)}
        return bool(own) and not own <= self._credentials.administrators(credential.account)

    def _administrators(self, account: str) -> frozenset[str]:
        """Whom credentials were made administrators for, and those who always are."""
        return self._credentials.administrators(account) | self._lasting_administrators(account)

    def _lasting_administrators(self, account: str) -> frozenset[str]:
        """The account's root, and who its declared Providers act as."""
        declared = {one.principal for one in self._declared.values() if one.account == account}
        return frozenset({f"arn:aws:iam::{account}:root", *declared})

    def _answering(self, name: str) -> AnswersRequests:
        service = self._pool.provider(name)
        if not isinstance(service, AnswersRequests):
            raise ProviderUnavailable(
                f"Provider/{name} does not answer requests of the public key-service API",
                suggestion="Serve the account and Region of a Provider whose plugin does (softkms).",
                address=f"Provider/{name}",
            )
        return service

    def _provider(self, name: str) -> object | None:
        return self._pool.provider(name) if self._pool.protocol_of(name) == KEYS else None

    def _kept(self, place: Place) -> object:
        with self._turn:
            found = self._open.get((place.account, place.region))
            if found is None:
                found = self._open[place.account, place.region] = self._opened(place.account, place.region)
            return found.service

    def _problem(self, name: str, provider: Callable[[], object | None]) -> list[str]:
        try:
            found = provider()
            if isinstance(found, ChecksItself):
                found.check_readiness()
        except ReconcilerError as error:
            return [f"{name}: {error.code}"]
        return []
