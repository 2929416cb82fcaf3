"""What every part of one HSM provider works with: who it is, its store, its seal, its log, its way to the tokens."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore, HostError, LockHeld
from reconciler.model.ports import Clock, Fs, Random
from reconciler.providers.plugin import NativeModule, ProviderServices
from reconciler_pkcs11.breaker import Breaker
from reconciler_pkcs11.events import Log
from reconciler_pkcs11.names import Names
from reconciler_pkcs11.seal import Seal
from reconciler_pkcs11.store import store
from reconciler_pkcs11.times import microseconds

if TYPE_CHECKING:
    from reconciler_pkcs11.connections import Connections
    from reconciler_pkcs11.reaching import Opens


class Site:
    """One provider on disk: ``home/pkcs11/<account>/<region>``. Making one touches nothing."""

    def __init__(self, services: ProviderServices, module: str | None, opens: Opens) -> None:
        self.account, self.region, self.name = services.account, services.region, services.name
        self.names = Names(services.account, services.region)
        self.clock: Clock = services.clock
        self.random: Random = services.random
        self.fs: Fs = services.fs
        self.module = module
        self.opens = opens
        self.commands: Callable[[], Collection[tuple[str, ...]]] = services.commands
        self.modules: Callable[[], Mapping[str, NativeModule]] = services.modules
        self.home = services.home
        self.folder = services.home / "pkcs11" / services.account / services.region
        self.store = store(self.folder, services.fence)
        self.seal = Seal(services.fs, self.folder / "seal.key", services.random)
        self.breaker = Breaker(self.folder, services.fs, services.random)
        self.connections: Connections = _connections(self)
        self.log = Log(self.names, self.seal, services.random)

    def now(self) -> int:
        """Now, as the store keeps times."""
        return microseconds(self.clock.now())

    def uid(self) -> str:
        """A new id that was never used and says nothing: 128 random bits in hex."""
        return self.random.bytes(16).hex()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """As ``Store.write``, of a store that has its seal."""
        with self.store.write() as connection:
            if connection.execute("SELECT 1 FROM seal").fetchone() is None:
                connection.execute("INSERT INTO seal VALUES (1, ?)", (self.seal.make(),))
            yield connection

    def sealing_key(self, connection: sqlite3.Connection) -> DataKey:
        """The key under which private keys are sealed; not to be wiped."""
        (seal_id,) = connection.execute("SELECT seal_id FROM seal").fetchone()
        return self.seal.key(seal_id)

    def note(self, name: str, **parameters: object) -> None:
        """Record something that was noticed, as far as it can be: by whoever may only look, or was overtaken, it is
        noticed all the same (DESIGN 4)."""
        with suppress(HostError, LockHeld, DamagedStore), self.write() as connection:
            self.log.append(connection, self.now(), name, parameters=parameters)

    def close(self) -> None:
        """End the workers, wipe the seal's key, give back the stores."""
        self.connections.close()
        self.store.close()
        self.breaker.close()
        self.seal.close()


def _connections(site: Site) -> Connections:
    from reconciler_pkcs11.connections import Connections  # it works with a site

    return Connections(site)
