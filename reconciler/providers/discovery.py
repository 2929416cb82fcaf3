"""Plugins by name: found under the entry-point group ``reconciler.providers``, ours like a stranger's (DESIGN 2).

Installing a package is not consent: a plugin that is not one of the built-ins takes effect only when the operator's
file lists it (CONTRACT 2). ``importlib.metadata`` is imported only here, when a provider is really needed: it costs
more than a whole plan without changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from reconciler.errors import ProviderUnavailable
from reconciler.model.nearest import nearest
from reconciler.providers.plugin import Plugin

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

    from reconciler.providers.operator import Operator

GROUP: Final = "reconciler.providers"
DISTRIBUTION: Final = "atrest-reconciler"


class InstalledPlugins:
    """``find`` answers a plugin's class by its name. ``operator`` is asked only about plugins that are not built in.

    ``built_ins`` and ``others`` list entry points; the default ones ask what is installed.
    """

    def __init__(
        self,
        operator: Callable[[], Operator],
        *,
        built_ins: Callable[[], Sequence[EntryPoint]] | None = None,
        others: Callable[[], Sequence[EntryPoint]] | None = None,
    ) -> None:
        self._operator = operator
        self._built_ins = built_ins or _installed_built_ins
        self._others = others or _installed_others

    def find(self, name: str) -> type[Plugin]:
        """The class behind ``name``. ProviderUnavailable: unknown, not listed, ambiguous, or not importable."""
        for entry in self._built_ins():
            if entry.name == name:
                return load(entry)
        found = [entry for entry in self._others() if entry.name == name]
        if not found:
            raise self._unknown(name)
        operator = self._operator()
        if name not in operator.plugins:
            raise ProviderUnavailable(
                f'The plugin "{name}" is installed (by {_sources(found)}) but not permitted',
                detail="Code that is not built in runs only if a file outside the repository says so (CONTRACT 2).",
                suggestion=f"If you trust it, add it to plugins in {operator.path}.",
            )
        if len(found) > 1:
            raise ProviderUnavailable(
                f'The plugin "{name}" is offered by several packages: {_sources(found)}',
                suggestion="Uninstall all but one of them.",
            )
        return load(found[0])

    def names(self) -> list[str]:
        """All that ``find`` would try to load, sorted."""
        known = {entry.name for entry in self._built_ins()}
        listed = {entry.name for entry in self._others()} - known
        if listed:
            known |= listed & self._operator().plugins
        return sorted(known)

    def _unknown(self, name: str) -> ProviderUnavailable:
        known = self.names()
        near = nearest(name, known)
        return ProviderUnavailable(
            f'There is no plugin called "{name}"',
            suggestion=(f"Did you mean {near}? " if near else "")
            + (f"Installed: {', '.join(known)}." if known else f"None is installed: is {DISTRIBUTION} itself?"),
        )


def load(entry: EntryPoint) -> type[Plugin]:
    """The entry point's class. ProviderUnavailable carries the words of what failed, and the package to mend."""
    try:
        return cast("type[Plugin]", entry.load())
    except Exception as error:  # importing runs the plugin's own code, and that may raise anything
        raise unusable(entry.name, entry.value, error, entry.dist) from error


def unusable(
    plugin: str, where: str, error: Exception, distribution: Distribution | None = None
) -> ProviderUnavailable:
    """A plugin that could not be imported or built, in one message. ``where`` is its module."""
    by = f", by {distribution.name} {distribution.version}" if distribution is not None else ""
    missing = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    reason = f"the Python module {missing} is not installed" if missing else f"{type(error).__name__}: {error}"
    summary = f'The plugin "{plugin}" ({where}{by}) cannot be used: {reason}'
    if not missing:
        return ProviderUnavailable(
            summary, suggestion="Install a version of it that fits this one, or report this to its authors."
        )
    package = distribution.name if distribution is not None else DISTRIBUTION
    extra = _extra_with(missing.partition(".")[0], distribution, package)
    wanted = f"pip install '{package}[{extra}]'" if extra else f"the package that has {missing}, or {package} again"
    return ProviderUnavailable(summary, suggestion=f"Install what it needs: {wanted}.")


def _extra_with(module: str, distribution: Distribution | None, package: str) -> str | None:
    """The extra of the package that brings ``module``, if its metadata names one."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = distribution.requires if distribution is not None else requires(package)
    except PackageNotFoundError:
        lines = None
    for line in lines or ():
        project = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", line)
        if project and extra and _normal(project[0]) == _normal(module) and extra[1] != "dev":
            return extra[1]
    return None


def _installed_built_ins() -> Sequence[EntryPoint]:
    """From our own package's metadata alone, so that no other package can shadow a built-in, and quickly."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return [entry for entry in distribution(DISTRIBUTION).entry_points if entry.group == GROUP]
    except PackageNotFoundError:
        return []


def _installed_others() -> Sequence[EntryPoint]:
    from importlib.metadata import entry_points

    return [entry for entry in entry_points(group=GROUP) if _distribution(entry) != _normal(DISTRIBUTION)]


def _sources(entries: Sequence[EntryPoint]) -> str:
    return ", ".join(sorted(_distribution(entry) or entry.value for entry in entries))


def _distribution(entry: EntryPoint) -> str:
    return _normal(entry.dist.name) if entry.dist is not None else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
