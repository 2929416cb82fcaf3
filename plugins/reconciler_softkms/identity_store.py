"""The identity policies of one account: a store beside the key stores of its Regions, which all of them read.

Read at every request, so what a principal holds is kept parsed in memory; ``PRAGMA data_version`` tells, in about a
microsecond, whether another process or Region has written since. Written seldom: each change opens the store, commits
durably (I2) under the fence (I13), and closes it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.principals import session_of, without_role_path
from reconciler.errors import DamagedStore, NewerFormat, OtherShape
from reconciler.host import sqlite
from reconciler.host.fencing import WhoWrites, check_fence, with_fence
from reconciler.model.ports import Fs
from reconciler.providers.identities import IdentityPolicyDescription

WHAT: Final = "store of identity policies"
FORMAT: Final = 1
APPLICATION_ID: Final = 0x524B4944  # "RKID"
FILE: Final = "identities.db"
SCHEMA: Final = with_fence("""
CREATE TABLE identity_policies (
    principal TEXT NOT NULL,
    name TEXT NOT NULL,
    in_session TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (principal, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_policies_in_session ON identity_policies (in_session)
""")
Held = tuple[str, str]  # a policy's name and its document, as JSON


class IdentityStore:
    """``identities.db`` in the account's ``folder``. One that does not exist is not made by reading. Threads may share
    it."""

    def __init__(self, folder: Path, fs: Fs, who_writes: WhoWrites) -> None:
        self.path = folder / FILE
        self._fs = fs
        self._who_writes = who_writes
        self._turn = threading.RLock()
        self._reading: sqlite3.Connection | None = None
        self._version = -1
        self._policies: dict[str, tuple[Policy, ...]] = {}

    def policies(self, principal: str) -> tuple[Policy, ...]:
        """What the principal holds, ready to decide with; a role session holds what its role does."""
        with self._turn, sqlite.translated(self.path, WHAT):
            connection = self._read()
            if connection is None:
                return ()
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._policies.clear()
                self._version = version
            known = self._policies.get(principal)
            if known is None:
                known = tuple(
                    parse_policy(json.loads(text), identity=True, name=name)
                    for name, text in _held(connection, principal)
                )
                self._policies[principal] = known
            return known

    def documents(self, principal: str) -> list[Held]:
        """The same as they are kept."""
        with self._turn, sqlite.translated(self.path, WHAT):
            connection = self._read()
            return [] if connection is None else _held(connection, principal)

    def listed(self, principals: Collection[str] | None) -> list[IdentityPolicyDescription]:
        """All, or those of these principals, ordered by principal and name."""
        chosen = "" if principals is None else "WHERE principal IN (SELECT value FROM json_each(?)) "
        with self._turn, sqlite.translated(self.path, WHAT):
            connection = self._read()
            if connection is None:
                return []
            found = connection.execute(
                f"SELECT principal, name, document FROM identity_policies {chosen}ORDER BY principal, name",  # noqa: S608 - fixed text
                () if principals is None else (json.dumps(list(principals)),),
            )
            return [
                IdentityPolicyDescription(principal=principal, name=name, document=json.loads(text))
                for principal, name, text in found
            ]

    def put(self, principal: str, name: str, text: str) -> None:
        """Keep a policy (JSON), durably, in place of the one of that name."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO identity_policies VALUES (?, ?, ?, ?)"
                " ON CONFLICT (principal, name) DO UPDATE SET document = excluded.document",
                (principal, name, without_role_path(principal), text),
            )

    def replace_all(self, text: bytes) -> None:
        """Keep those policies and no others, durably (``identities_text``)."""
        rows = [
            (principal, name, without_role_path(principal), json.dumps(document))
            for principal, name, document in json.loads(text)
        ]
        with self._transaction() as connection:
            connection.execute("DELETE FROM identity_policies")
            connection.executemany("INSERT INTO identity_policies VALUES (?, ?, ?, ?)", rows)

    def delete(self, principal: str, name: str) -> None:
        """Forget a policy."""
        if not self._fs.exists(self.path):
            return
        with self._transaction() as connection:
            connection.execute("DELETE FROM identity_policies WHERE principal = ? AND name = ?", (principal, name))

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        if self._who_writes() is None or not self._fs.exists(self.path):
            return
        with suppress(DamagedStore, NewerFormat, OtherShape), self._transaction():
            pass

    def close(self) -> None:
        """Give back the connection."""
        with self._turn:
            if self._reading is not None:
                self._reading.close()
                self._reading = None
            self._policies.clear()
            self._version = -1

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._turn, sqlite.translated(self.path, WHAT):
            connection = sqlite.connect(
                self.path, what=WHAT, schema=SCHEMA, format_number=FORMAT, application_id=APPLICATION_ID
            )
            try:
                with sqlite.transaction(connection):
                    check_fence(connection, self._who_writes(), self.path, WHAT)
                    yield connection
            finally:
                connection.close()

    def _read(self) -> sqlite3.Connection | None:
        if self._reading is None and self._fs.exists(self.path):
            self._reading = sqlite.connect_read_only(
                self.path, what=WHAT, schema=SCHEMA, format_number=FORMAT, application_id=APPLICATION_ID
            )
        return self._reading


def identities_text(held: Sequence[IdentityPolicyDescription]) -> bytes:
    """Policies as a backup has them."""
    return json.dumps([[each.principal, each.name, each.document] for each in held]).encode() if held else b""


def _held(connection: sqlite3.Connection, principal: str) -> list[Held]:
    session = session_of(principal)
    column, name = ("principal", principal) if session is None else ("in_session", session[0])
    found = connection.execute(
        f"SELECT name, document FROM identity_policies WHERE {column} = ? ORDER BY name",  # noqa: S608 - fixed words
        (name,),
    )
    return found.fetchall()
