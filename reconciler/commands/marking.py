"""The state against its marks in the key services: an older copy that was put back is refused before anything of it is
obeyed (I16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from reconciler.commands.session import Session
from reconciler.errors import DamagedStore, ProviderUnavailable, ReconcilerError, StateRolledBack
from reconciler.providers.marks import KeepsMarks, Mark
from reconciler.providers.plugin import KEYS, serves
from reconciler.state.store import Position, StateReader, StateStore


class Marks:
    """The marks that the declared key services keep for the project's state. One that cannot be reached keeps none."""

    def __init__(self, session: Session) -> None:
        self._keepers = dict(_keepers(session))

    def known(self, lineage: str) -> Mapping[str, Mark]:
        """The mark of each key service that has one, by Provider name. A store whose seal is a key that cannot be used
        now is not to be reached: it must not keep the key that opens it from being enabled."""
        found = {}
        for name, keeper in self._keepers.items():
            with suppress(ProviderUnavailable):
                found[name] = keeper.mark(lineage)
        return {name: mark for name, mark in found.items() if mark is not None}

    def legible(self, lineage: str) -> tuple[Mapping[str, Mark], list[str]]:
        """As ``known``, and what is wrong with those that are not what was written (``state reseal``)."""
        found, doubts = {}, []
        for name, keeper in self._keepers.items():
            try:
                mark = keeper.mark(lineage)
            except DamagedStore as error:
                doubts.append(f"Provider/{name}: {error.summary}")
                continue
            if mark is not None:
                found[name] = mark
        return found, doubts

    def compare(self, position: Position, known: Mapping[str, Mark]) -> None:
        """StateRolledBack when the state is behind the highest of ``known`` marks, or is another than the one that it
        was made of. They must have been read before the state was: whoever applies meanwhile goes only further."""
        if not known:
            return
        name, highest = max(known.items(), key=lambda item: (item[1].token, item[1].serial))
        if position.token < highest.token or position.serial < max(mark.serial for mark in known.values()):
            raise _rolled_back(position, highest, name)
        is_same_moment = (position.token, position.serial) == (highest.token, highest.serial)
        if is_same_moment and highest.head and position.head != highest.head:
            raise _another(position, name)

    def start(self, store: StateStore) -> None:
        """An apply is under way: from here on only token and serial are compared."""
        position = store.position()
        if position.serial:  # a state in which nothing was done yet needs no store made for it
            self._raise(store, position._replace(head=""))

    def finish(self, store: StateStore) -> None:
        """All is written that this run writes. LockHeld when it was overtaken: the next one's state is not ours."""
        store.heartbeat()
        position = store.position()
        if position.serial:
            self._raise(store, position)

    def reset(self, store: StateStore) -> None:
        """Break glass: whatever the marks said, the state is right as it is now."""
        position = store.position()
        for keeper in self._keepers.values():
            keeper.reset_mark(store.lineage, _mark(position))

    def _raise(self, store: StateStore, position: Position) -> None:
        for keeper in self._keepers.values():
            with suppress(ProviderUnavailable):
                keeper.raise_mark(store.lineage, _mark(position))


def compare_read(session: Session, reader: StateReader) -> None:
    """As ``Marks.compare``, for who only reads. The reader's moment may be older than the marks without anybody having
    put anything back, when somebody applied since: then the state as it is now is asked."""
    if not reader.serial:
        return
    from reconciler.state.sqlite_reader import open_reader

    marks = Marks(session)
    known = marks.known(reader.lineage)
    try:
        marks.compare(reader.position(), known)
    except StateRolledBack:
        now = open_reader(session.settings.state_path, session.seal)
        try:
            marks.compare(now.position(), known)
        finally:
            now.close()


def _keepers(session: Session) -> Iterator[tuple[str, KeepsMarks]]:
    for name in sorted(session.manifests.providers):
        with suppress(ProviderUnavailable):
            if serves(session.pool.protocol_of(name), KEYS):
                provider = session.provider(name)
                if isinstance(provider, KeepsMarks):
                    yield name, provider


def _mark(position: Position) -> Mark:
    return Mark(token=position.token, serial=position.serial, head=position.head)


def _rolled_back(position: Position, highest: Mark, name: str) -> ReconcilerError:
    return StateRolledBack(
        f"The state is at serial {position.serial} under fencing token {position.token}, and Provider/{name} remembers "
        f"it at serial {highest.serial} under token {highest.token}: an older copy was put back",
        detail="Nothing of it is obeyed: it may bring back what was revoked, and forget what was made since.",
        suggestion=_WAY_OUT,
        address=f"Provider/{name}",
    )


def _another(position: Position, name: str) -> ReconcilerError:
    return StateRolledBack(
        f"The state is at serial {position.serial}, as Provider/{name} remembers it, and holds something else than it "
        "did then: another copy of the same serial was put in its place",
        detail="Nothing of it is obeyed: it may bring back what was revoked, and forget what was made since.",
        suggestion=_WAY_OUT,
        address=f"Provider/{name}",
    )


_WAY_OUT = (
    "Put the newest copy of the state back. If this is the newest there is: `reconciler state reseal` shows what the "
    "providers confirm of it, takes that over, and resets the marks."
)
