"""What an apply does beside its plan, under the lock: it has data providers remove what is over, clear up after an
interruption, and do what has come due (RE2, RE8, SC1). Who watches or serves will do the same."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from reconciler.commands import output
from reconciler.commands.session import Session
from reconciler.errors import LockHeld, ProviderUnavailable, ReconcilerError, StoreRolledBack
from reconciler.providers.data import Progress
from reconciler.providers.plugin import HSM, KEYS
from reconciler.providers.typed import caller

TELL_EVERY: Final = 10.0
"""Seconds after which long due work is told of, and again."""


def look_for_older_copies(session: Session) -> Collection[StoreRolledBack]:
    """Before anything is done: which recorded clusters are older copies of what was seen of them (I16). From here on
    nothing that is due is done at their providers."""
    clusters = [address for address in session.store.heads() if address.kind == "Cluster"]
    if clusters:
        from reconciler.resources.cluster import older_copy

        rows = (session.store.get(address) for address in clusters)
        session.older_copies = older_copy.among([row for row in rows if row is not None], session)
    return session.older_copies.values()


def clear_up(session: Session) -> None:
    """Have every declared data provider remove what an interrupted apply left there."""
    from reconciler.providers.data import ClearsUp

    for name in _up_to_date(session):
        with suppress(ProviderUnavailable):  # it can be reached by the apply after this one
            if session.pool.protocol_of(name) != KEYS:
                provider = session.pool.provider(name)
                if isinstance(provider, ClearsUp):
                    provider.clear_up()


def expire(session: Session) -> list[str]:
    """Have every declared data provider remove what its retention is over for; what went."""
    from reconciler.providers.data import Expires

    gone: list[str] = []
    for name, provider in _data_providers(session):
        if isinstance(provider, Expires):
            what = "key" if session.pool.protocol_of(name) == HSM else "snapshot"
            with _left_for_later():
                gone += [f"{what} {found} ({name})" for found in provider.expire()]
    return gone


def do_due_work(session: Session, *, before_the_plan: bool = False) -> list[str]:
    """Have every declared data provider do what stored times say is due: automated snapshots, their retention, the
    clock of a lost root key, what an interruption left half-way. A sentence for each thing that was done, and for each
    provider that could not: that keeps nothing else from being done. ``before_the_plan``: interrupted changes
    of what the state records are the plan's, whose steps record what they did."""
    from reconciler.providers.warehouse import DoesDueWork

    told: list[str] = []
    for name, provider in _data_providers(session):
        if isinstance(provider, DoesDueWork):
            try:
                leave = _recorded_clusters(session, name) if before_the_plan else ()
                done = provider.do_due_work(caller(session, name), progress=_now_and_then(name), leave=leave)
                told += [f"{sentence.rstrip('.')} ({name})." for sentence in done]
            except ReconcilerError as error:
                if error.exit_code == LockHeld.exit_code:
                    raise
                told.append(f"What is due at {name} could not be done, and waits for the next apply: {error.summary}")
    return told


def _recorded_clusters(session: Session, provider: str) -> list[str]:
    rows = (row for row in session.reader.all() if row.address.kind == "Cluster" and row.provider == provider)
    return [str(row.attributes["name"]) for row in rows if row.identity is not None]


def _up_to_date(session: Session) -> list[str]:
    """The declared providers but for those at which a cluster is an older copy: what is due there would be done to it,
    and make it look newer than it is (I16)."""
    older = {row.provider for row in map(session.reader.get, session.older_copies) if row is not None}
    return [name for name in session.manifests.providers if name not in older]


def _data_providers(session: Session) -> Iterator[tuple[str, object]]:
    """Those that can be reached: whoever needs another will hear of it."""
    for name in _up_to_date(session):
        provider: object = None
        with _left_for_later():
            provider = None if session.pool.protocol_of(name) == KEYS else session.pool.provider(name)
        if provider is not None:
            yield name, provider


@contextmanager
def _left_for_later() -> Iterator[None]:
    """Whatever a provider answers but that the lock is lost waits for the next apply."""
    try:
        yield
    except ReconcilerError as error:
        if error.exit_code == LockHeld.exit_code:
            raise


def _now_and_then(name: str) -> Progress:
    """Tells of what takes long: an encryption that was interrupted may have hours to go."""
    told = time.monotonic()

    def progress(text: str, done: int | None, total: int | None) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_EVERY:
            told = time.monotonic()
            counts = "" if done is None else f" {done:,}" + ("" if total is None else f" of {total:,}")
            output.remark(f"{name}: {text}{counts}")

    return progress
