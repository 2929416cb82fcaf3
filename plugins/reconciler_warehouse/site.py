"""What every part of one warehouse works with: who it is, its two stores, its files, its key service and HSM."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from reconciler.access.caller import Caller
from reconciler.errors import MissingCapability
from reconciler.model.ports import Clock, Fs, Random
from reconciler.providers.hsm import KeepsClusterKeys
from reconciler.providers.keys import KeyProvider
from reconciler.providers.plugin import ProviderServices, Resolve
from reconciler_warehouse.catalogue import catalogue
from reconciler_warehouse.config import MigrationConfig
from reconciler_warehouse.keyring import keyring
from reconciler_warehouse.names import SERVICE
from reconciler_warehouse.segment_store.former_stores import FormerStores
from reconciler_warehouse.segment_store.local_files import LocalFiles
from reconciler_warehouse.segment_store.object_config import ObjectStoreConfig
from reconciler_warehouse.segment_store.object_store import ObjectStore
from reconciler_warehouse.segment_store.segments import Segments


class Site:
    """One warehouse on disk: ``home/warehouse/<account>/<region>``. Making one touches nothing."""

    def __init__(
        self,
        services: ProviderServices,
        resolve: Resolve,
        key_service: str | None,
        hsm: str | None = None,
        segments: ObjectStoreConfig | None = None,
    ) -> None:
        self.account = services.account
        self.region = services.region
        self.provider_name = services.name
        self.clock: Clock = services.clock
        self.random: Random = services.random
        self.fs: Fs = services.fs
        self.siblings = services.home / "warehouse" / services.account
        self.folder = self.siblings / services.region
        self.data = self.folder / "data"
        self.internal_root = self.folder / "internal-root" / "key"
        self.catalogue = catalogue(self.folder, services.fence)
        self.keyring = keyring(self.folder, services.fence)
        self.segments = _segments(self, services, segments)
        self.checkpoint = services.checkpoint
        self.interruptible = services.interruptible
        self._resolve = resolve
        self._key_service = key_service
        self._hsm = hsm
        self.pace = MigrationConfig()
        # Partitions that did not answer when keys were to be retired there, and when: not asked for that again at once.
        self.unanswering: dict[str, datetime] = {}
        # What was found sealed with keys that are lost; None: not looked yet.
        self.keyless: frozenset[str] | None = None
        self._locks: dict[str, threading.RLock] = {}
        self._locks_lock = threading.Lock()

    @property
    def keys(self) -> KeyProvider:
        """The key service; asked for when first needed, so that describing needs none."""
        return self._resolve.key_provider(self._key_service)

    @property
    def hsm(self) -> KeepsClusterKeys:
        """The HSM provider; asked for when a cluster is under a partition, or is to be. ProviderUnavailable,
        MissingCapability."""
        found = self._resolve.hsm_provider(self._hsm)
        if not isinstance(found, KeepsClusterKeys):
            raise MissingCapability(
                f'The HSM provider of Provider "{self.provider_name}" keeps no cluster keys',
                suggestion="Name another in its config (`hsm: PROVIDER`), or root the cluster in a key.",
            )
        return found

    def sibling(self, name: str) -> object:
        """Another provider of the project, by name. ProviderUnavailable."""
        return self._resolve.provider(name)

    @property
    def service_caller(self) -> Caller:
        """The warehouse itself, on nobody's behalf (KS5's rule, for clusters too: it works from its grant)."""
        return Caller(principal=SERVICE, account=self.account)

    def uid(self) -> str:
        """A new name that was never used and says nothing: 128 random bits in hex."""
        return self.random.bytes(16).hex()

    def now(self) -> datetime:
        """Now, in UTC."""
        return self.clock.now()

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """One thread of this process at a time changes ``what``; other processes are kept off by the versions that
        each commit compares."""
        with self._locks_lock:
            lock = self._locks.setdefault(what, threading.RLock())
        with lock:
            yield

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        self.catalogue.raise_fence()
        self.keyring.raise_fence()

    def close(self) -> None:
        """Give files and connections back."""
        self.segments.close()
        self.catalogue.close()
        self.keyring.close()


def _segments(site: Site, services: ProviderServices, config: ObjectStoreConfig | None) -> Segments:
    files = LocalFiles(site.fs, site.data, site.catalogue.path)
    former = FormerStores(site.fs, site.folder, site.random, None if config is None else config.place)
    if config is None:
        return Segments(site.catalogue, files, former=former)
    objects = ObjectStore(
        config, site.account, site.region, site.clock, services.commands, site.catalogue.path, site.fs
    )
    return Segments(site.catalogue, files, objects, former)
