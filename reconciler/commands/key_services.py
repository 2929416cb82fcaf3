"""The key services of a home: those that manifests declare, and the stores that `serve` made there without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.commands.session import Session
from reconciler.errors import ProviderUnavailable
from reconciler.host.sqlite import explain_os_error
from reconciler.providers.at_home import Place, Undeclared, places
from reconciler.providers.plugin import KEYS, serves

if TYPE_CHECKING:
    from reconciler.providers.pool import Declaration, ProviderPool

_EMBEDDED = "softkms"


def declared_providers(session: Session) -> Mapping[str, Declaration]:
    """The project's Providers; none where there is no project, which a home can do without."""
    from reconciler.project.project import DEFAULT_MANIFESTS

    wanted = session.settings.manifests
    if wanted == (Path(DEFAULT_MANIFESTS),) and not session.fs.exists(session.project / wanted[0]):
        return {}
    return session.manifests.providers


@dataclass(frozen=True, slots=True)
class KeyServices:
    """By name: that of the manifest, or ``softkms/ACCOUNT/REGION`` for a store that none declares."""

    declarations: Mapping[str, Declaration]
    pool: ProviderPool

    @classmethod
    def of(cls, session: Session) -> KeyServices:
        """Everything at home that has keys. InvalidManifests; HostError when the home cannot be read."""
        declared = declared_providers(session)
        there = {(one.plugin, one.account, one.region) for one in declared.values()}
        home = session.settings.home
        try:
            kept = [place for place in places(session.fs, home) if place.plugin == _EMBEDDED and place not in there]
        except OSError as error:
            raise explain_os_error(error, home, "home") from error
        kept = [place for place in kept if session.fs.exists(home.joinpath(*place) / "keys.db")]
        if declared and not kept:
            return cls(declared, session.pool)
        together = {**declared, **{str(place): Undeclared.at(place) for place in kept}}
        pool = session.pool_of(together, home)
        session.closing.callback(pool.close)
        return cls(together, pool)

    def is_one(self, name: str) -> bool:
        """Whether it is a key service. ProviderUnavailable when its plugin cannot be loaded."""
        return serves(self.pool.protocol_of(name), KEYS)

    def provider(self, name: str) -> object:
        """The running one. ProviderUnavailable."""
        if Place.named(name) is not None and name not in self.declarations:
            raise ProviderUnavailable(
                f"There is no key store {name} at home", suggestion="`reconciler keystore list` shows those that are."
            )
        return self.pool.provider(name)
