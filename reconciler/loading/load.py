"""Manifests from files: the whole of "loading" on one page.

    find files ─▶ (unchanged? from the cache) ─▶ compose ─▶ documents ─▶ links ─▶ Manifests

All problems of all files come in one InvalidManifests, in the order of files and lines.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import Diagnostic, InvalidManifests
from reconciler.loading.files import Found, find
from reconciler.loading.manifests import Manifests
from reconciler.loading.specs import Specs
from reconciler.resources.resource import Resource

if TYPE_CHECKING:
    from reconciler.loading.cache import ManifestCache
    from reconciler.loading.heads import Reading

DEFAULT_PLACES = ("manifests/",)
_MANY_OBJECTS = 50_000  # that the collector would have to walk


def load(
    project: Path,
    places: Sequence[str] = DEFAULT_PLACES,
    *,
    read_stdin: Callable[[], bytes] | None = None,
    cache: ManifestCache | None = None,
) -> Manifests:
    """The manifests at ``places`` (folders and files relative to ``project``, ``-`` for standard input).

    InvalidManifests holds every problem. With a ``cache``, what is unchanged is not parsed again; the answer is the
    same as without.
    """
    with _collector_paused():
        found = find(project, places, read_stdin)
        if cache is not None and not found.problems and (manifests := cache.manifests(project, found)) is not None:
            return manifests
        return _load(project, found, cache)


def _load(project: Path, found: Found, cache: ManifestCache | None) -> Manifests:
    from reconciler.loading.links import check
    from reconciler.loading.pointing import SpecNotRead
    from reconciler.loading.reading import read_source

    kept = {} if cache is None else cache.readings(project, found)
    readings = [kept.get(source.name) or read_source(source, project) for source in found.sources]
    try:
        problems = _problems(readings, check(readings))
    except SpecNotRead:  # something is wrong, and can only be pointed at in what is read now
        readings = [read_source(source, project) for source in found.sources]
        problems = _problems(readings, check(readings))
    if problems or found.problems:
        raise InvalidManifests(sorted([*found.problems, *problems], key=_by_place))
    manifests = Manifests([*_resources(readings, Specs(project, cache))], found.warnings)
    if cache is not None:
        cache.keep(project, readings, manifests)
    return manifests


def _problems(readings: Sequence[Reading], between: Sequence[Diagnostic]) -> list[Diagnostic]:
    return [*(problem for reading in readings for problem in reading.problems), *between]


def _by_place(problem: Diagnostic) -> tuple[str, int, int]:
    return problem.file or "", problem.line or 0, problem.column or 0


def _resources(readings: Sequence[Reading], specs: Specs) -> Iterator[Resource]:
    for reading in readings:
        for index, head in enumerate(reading.heads):
            yield Resource(
                address=head.address,
                digest=head.digest,
                provider=head.provider,
                references=head.references,
                external_name=head.external_name,
                file=reading.source.name,
                line=head.line,
                labels=head.labels,
                build_spec=partial(specs.build, head.address, head.digest, reading.source, index),
                _spec=head.spec,
            )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cyclic collector: it would walk all documents made so far, again and again, and free none.

    What a large load made is then set apart (``gc.freeze``), else the next collection would walk it after all: that
    alone costs a seventh of a cold load. An earlier load's leavings go back first, so a process that loads again and
    again keeps nothing.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        if was_enabled and gc.get_freeze_count():
            gc.unfreeze()
            gc.collect()
        before = gc.get_count()[0]
        yield
        if was_enabled and gc.get_count()[0] - before > _MANY_OBJECTS:
            gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
