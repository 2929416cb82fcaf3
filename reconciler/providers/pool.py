"""The project's running providers: each built once, when something first needs it, and closed together.

A plan that touches one Provider builds one: an unreachable HSM does not stop a plan over tables.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from reconciler.errors import Diagnostic, InvalidManifests, ProviderUnavailable, ReconcilerError
from reconciler.host.sqlite import explain_os_error
from reconciler.model.nearest import nearest
from reconciler.model.ports import Clock, Fence, Fs, Interruptible, Random
from reconciler.providers.at_home import Place, places
from reconciler.providers.config import validated_config
from reconciler.providers.data import CountsKeyUses, ListsDueWork
from reconciler.providers.discovery import unusable
from reconciler.providers.fenced import Fenced
from reconciler.providers.hsm import HsmProvider
from reconciler.providers.keys import KeyProvider
from reconciler.providers.plugin import (
    HSM,
    KEYS,
    TABLES,
    WAREHOUSE,
    NativeModule,
    NeverInterrupted,
    Plugin,
    ProviderServices,
    Resolve,
    serves,
)

FindPlugin = Callable[[str], type[Plugin]]

_NOUN: Final = {KEYS: "key service", WAREHOUSE: "warehouse", TABLES: "table service", HSM: "HSM"}
_WORD: Final = {KEYS: "a key", HSM: "an HSM"}
_SETTING: Final = {KEYS: "keyService", HSM: "hsm"}  # where a Provider says which it means


class Declaration(Protocol):
    """What a Provider manifest says (its spec satisfies this)."""

    @property
    def plugin(self) -> str:
        """The plugin's name."""

    @property
    def account(self) -> str:
        """12 digits."""

    @property
    def region(self) -> str:
        """Its Region."""

    @property
    def principal(self) -> str:
        """The ARN that the provider acts as."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The plugin's own settings, as written."""


class ProviderPool:
    """Providers by manifest name. Threads may share it; building takes turns, so each is built once."""

    def __init__(
        self,
        declarations: Mapping[str, Declaration],
        find_plugin: FindPlugin,
        *,
        home: Path,
        fs: Fs,
        clock: Clock,
        random: Random,
        fence: Callable[[], Fence | None] = lambda: None,
        checkpoint: Callable[[], None] = lambda: None,
        interruptible: Interruptible | None = None,
        commands: Callable[[], Collection[tuple[str, ...]]] = frozenset,
        modules: Callable[[], Mapping[str, NativeModule]] = dict,
    ) -> None:
        self._declarations = declarations
        self._find_plugin = find_plugin
        self._home, self._fs, self._clock, self._random = home, fs, clock, random
        self._interruptible = interruptible or NeverInterrupted()
        self._fence, self._checkpoint, self._commands, self._modules = fence, checkpoint, commands, modules
        self._turn = threading.RLock()
        self._classes: dict[str, type[Plugin]] = {}
        self._built: dict[str, Plugin] = {}
        self._building: list[str] = []
        self._told: dict[str, Fence] = {}
        self._undeclared: dict[Place, Plugin | None] = {}

    def provider(self, name: str) -> object:
        """The running provider of that manifest name. ProviderUnavailable, InvalidManifests for its config, or what
        the plugin itself raises.

        While a lock is held, a provider is told of it before anything is asked of it: whoever was overtaken can change
        nothing behind what is observed from then on (I13). LockHeld when that is this process."""
        found = self._built.get(name)
        fence = self._fence()
        if found is not None and (fence is None or self._told.get(name) == fence):
            return found
        with self._turn:
            if name not in self._built:
                self._built[name] = self._build(name)
            built = self._built[name]
            if fence is not None and self._told.get(name) != fence:
                if isinstance(built, Fenced):
                    built.raise_fence()
                self._told[name] = fence
            return built

    def protocol_of(self, name: str) -> str:
        """The protocol that the provider serves (KEYS, HSM …), without building it. ProviderUnavailable."""
        return self._plugin_class(name).protocol

    def lists_due_work(self, name: str) -> bool:
        """Whether the provider has ``ListsDueWork``, without building it. ProviderUnavailable."""
        return issubclass(self._plugin_class(name), ListsDueWork)

    def undeclared(self) -> Mapping[str, object | None]:
        """Data providers that keep something at home and that no manifest declares (any more), by place, for asking
        alone; None: it cannot be built, so nobody knows what it holds (I3). HostError: the home cannot be read."""
        try:
            found = list(places(self._fs, self._home))
        except OSError as error:
            raise explain_os_error(error, self._home, "home") from error
        declared = {Place(one.plugin, one.account, one.region) for one in self._declarations.values()}
        with self._turn:
            for place in found:
                if place not in declared and place not in self._undeclared and self._keeps_data(place.plugin):
                    self._undeclared[place] = self._rebuilt(place)
            return {str(place): built for place, built in self._undeclared.items()}

    def check(self, name: str, protocol: str, asker: str) -> None:
        """InvalidManifests unless Provider ``name`` serves ``protocol``; ``asker`` is who needs it (``Key/orders``)."""
        found = self.protocol_of(name)
        if not serves(found, protocol):
            fitting = [other for other in sorted(self._declarations) if serves(self.protocol_of(other), protocol)]
            raise InvalidManifests(
                [
                    Diagnostic(
                        code="wrong-provider",
                        summary=f"Provider/{name} is {_a(found)}; {asker} needs {_a(protocol)}",
                        address=asker if "/" in asker else None,
                        path="spec.provider",
                        suggestion=f"Name one of these: {', '.join(fitting)}."
                        if fitting
                        else f"Declare a Provider whose plugin is {_a(protocol)}, and name that.",
                    )
                ]
            )

    def problems(self, names: Collection[str] | None = None) -> Sequence[Diagnostic]:
        """What keeps the declared providers (or those of ``names``) from being built, as far as it shows without
        building them: unknown or broken plugins, wrong config. All of it in one go (CONTRACT 1)."""
        found: list[Diagnostic] = []
        for name in sorted(self._declarations if names is None else names):
            try:
                self._config(name, self._plugin_class(name))
            except ReconcilerError as error:
                found.extend(error.diagnostics())
        return found

    def close(self) -> None:
        """Close what was built, those that use others first. All are closed, then the first failure is raised."""
        with self._turn:
            failures: list[BaseException] = []
            self._told.clear()
            opened = [*(each for each in self._undeclared.values() if each is not None), *self._built.values()]
            self._undeclared.clear()
            self._built.clear()
            while opened:
                try:
                    opened.pop().close()
                except Exception as error:  # whatever a plugin raises must not keep the others open
                    failures.append(error)
        if failures:
            raise failures[0]

    def key_provider_for(self, asker: str, name: str | None) -> KeyProvider:
        """See ``Resolve.key_provider``, asked by Provider ``asker``."""
        if name is None:
            name = self._only(asker, KEYS)
        elif self.protocol_of(name) != KEYS:
            raise ProviderUnavailable(
                f"Provider/{asker} names {name} as its key service, which is {_a(self.protocol_of(name))}",
                suggestion=self._providers_say(KEYS),
                address=f"Provider/{asker}",
                path="spec.config.keyService",
            )
        return cast(KeyProvider, self.provider(name))

    def hsm_provider_for(self, asker: str, name: str | None) -> HsmProvider:
        """See ``Resolve.hsm_provider``, asked by Provider ``asker``."""
        return cast(HsmProvider, self.provider(self.hsm_of(asker, name)))

    def hsm_of(self, asker: str, name: str | None) -> str:
        """The name of the HSM Provider that ``asker`` means, without building it. ProviderUnavailable."""
        if name is None:
            name = self._only(asker, HSM)
        elif self.protocol_of(name) != HSM:
            raise ProviderUnavailable(
                f"Provider/{asker} names {name} as its HSM, which is {_a(self.protocol_of(name))}",
                suggestion=self._providers_say(HSM),
                address=f"Provider/{asker}",
                path="spec.config.hsm",
            )
        return name

    def _only(self, asker: str, protocol: str) -> str:
        """The one other Provider of that protocol in the asker's account and Region."""
        noun, path = _noun(protocol), f"spec.config.{_SETTING[protocol]}"
        mine = self._declaration(asker)
        place = (mine.account, mine.region)
        beside = [
            name
            for name, other in sorted(self._declarations.items())
            if name != asker and (other.account, other.region) == place
        ]
        # A plugin that cannot be imported raises here: it may be a key service, and which one is used is not guessed.
        candidates = [name for name in beside if self._serves(name, protocol)]
        if len(candidates) == 1:
            return candidates[0]
        there = f"several {noun}s" if candidates else f"no {noun}"
        raise ProviderUnavailable(
            f"Provider/{asker} has {there} in account {mine.account}, Region {mine.region}"
            + (f": {', '.join(candidates)}" if candidates else ""),
            suggestion=f"Say which with {path}."
            if candidates
            else f"Declare {_WORD[protocol]} Provider there. {self._providers_say(protocol)}",
            address=f"Provider/{asker}",
            path=path,
        )

    def _providers_say(self, protocol: str) -> str:
        word = _WORD[protocol].partition(" ")[2]
        known = [
            f"{name} ({declared.account}, {declared.region})"
            for name, declared in sorted(self._declarations.items())
            if self._serves(name, protocol)
        ]
        if not known:
            return f"This project has no {word} Provider."
        return f"{word[0].upper()}{word[1:]} Providers of this project: {', '.join(known)}."

    def _serves(self, name: str, protocol: str) -> bool:
        return self.protocol_of(name) == protocol

    def _declaration(self, name: str) -> Declaration:
        try:
            return self._declarations[name]
        except KeyError:
            near = nearest(name, self._declarations)
            raise ProviderUnavailable(
                f'No manifest declares a Provider called "{name}"',
                suggestion=(f"Did you mean {near}? " if near else "")
                + (f"Declared: {', '.join(sorted(self._declarations)) or 'none'}."),
                address=f"Provider/{name}",
            ) from None

    def _plugin_class(self, name: str) -> type[Plugin]:
        plugin = self._declaration(name).plugin
        with self._turn:
            if plugin not in self._classes:
                try:
                    self._classes[plugin] = self._find_plugin(plugin)
                except ReconcilerError as error:
                    raise _about(error, name, "spec.plugin") from error.__cause__
            return self._classes[plugin]

    def _keeps_data(self, plugin: str) -> bool:
        """Whether what that plugin keeps may be under somebody's key: data, or a key store that another's key seals."""
        try:
            if plugin not in self._classes:
                self._classes[plugin] = self._find_plugin(plugin)
        except ReconcilerError:
            return True
        found = self._classes[plugin]
        return found.protocol not in (KEYS, HSM) or issubclass(found, CountsKeyUses)

    def _rebuilt(self, place: Place) -> Plugin | None:
        """The provider of that place as it is without settings of its own, acting as nobody."""
        plugin = self._classes.get(place.plugin)
        if plugin is None:
            return None
        services = self._services(str(place), place.account, place.region, principal="")
        try:
            return plugin(plugin.config_model.model_validate({}), services, _ResolveFor(self, str(place)))
        except Exception:  # whatever a plugin raises: it is not to be asked, and counts as using every key
            return None

    def _config(self, name: str, plugin: type[Plugin]) -> Any:
        return validated_config(plugin.config_model, self._declaration(name).config, address=f"Provider/{name}")

    def _build(self, name: str) -> Plugin:
        if name in self._building:
            circle = [*self._building[self._building.index(name) :], name]
            raise ProviderUnavailable(
                f"Providers need each other in a circle: {' → '.join(f'Provider/{each}' for each in circle)}",
                suggestion="Let one of them name another service in its spec.config.",
                address=f"Provider/{name}",
            )
        declared = self._declaration(name)
        plugin = self._plugin_class(name)
        config = self._config(name, plugin)
        services = self._services(name, declared.account, declared.region, principal=declared.principal)
        self._building.append(name)
        try:
            return plugin(config, services, _ResolveFor(self, name))
        except ReconcilerError as error:
            raise _about(error, name, None) from error.__cause__
        except Exception as error:  # a plugin's own bug is one message, not a traceback
            raise _about(unusable(declared.plugin, plugin.__module__, error), name, None) from error
        finally:
            self._building.pop()

    def _services(self, name: str, account: str, region: str, *, principal: str) -> ProviderServices:
        return ProviderServices(
            name=name,
            account=account,
            region=region,
            principal=principal,
            home=self._home,
            fs=self._fs,
            clock=self._clock,
            random=self._random,
            fence=self._fence,
            checkpoint=self._checkpoint,
            interruptible=self._interruptible,
            commands=self._commands,
            modules=self._modules,
        )


class _ResolveFor(Resolve):
    """``Resolve`` for one provider of the pool."""

    def __init__(self, pool: ProviderPool, asker: str) -> None:
        self._pool = pool
        self._asker = asker

    def key_provider(self, name: str | None) -> KeyProvider:
        return self._pool.key_provider_for(self._asker, name)

    def hsm_provider(self, name: str | None) -> HsmProvider:
        return self._pool.hsm_provider_for(self._asker, name)

    def provider(self, name: str) -> object:
        return self._pool.provider(name)


def _noun(protocol: str) -> str:
    return _NOUN.get(protocol, protocol)


def _a(protocol: str) -> str:
    """The noun with its article."""
    return f"{'an' if protocol == HSM else 'a'} {_noun(protocol)}"


def _about(error: ReconcilerError, name: str, path: str | None) -> ReconcilerError:
    """The same error, saying which Provider it is about unless it knows better."""
    error.address = error.address or f"Provider/{name}"
    error.path = error.path or path
    return error
