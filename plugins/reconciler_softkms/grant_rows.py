"""Grants as the store keeps them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from reconciler.access.grants import Grant
from reconciler.access.request import GrantTerms
from reconciler.providers.keys import GrantDescription
from reconciler_softkms.rows import Names, moment

_COLUMNS = "grant_id, key_id, grantee, retiring, operations, name, subset, equals, created_at, source_arn"
_MOST_PAIRS: Final = 5  # of a context whose parts are looked up one by one: 31 of them
Row = tuple[str, str, str, str | None, str, str | None, str | None, str | None, int, str | None]


def for_grantee(
    connection: sqlite3.Connection,
    key_id: str,
    spellings: Sequence[str],
    context: Mapping[str, str] | None,
    *,
    role: str | None = None,
) -> Iterator[Grant]:
    """The key's grants whose grantee is written in one of these ways; nothing is read before the first is drawn.
    ``role``: the caller's, when it is a session of one, whose ARN a grant may write with a path.

    Those whose constraint is ``context`` or a part of it come first, by index, then those without one: a service that
    has a grant for each of its tables, or a grantee with thousands, finds what fits without reading the others.
    """
    marks = ", ".join("?" * len(spellings))
    of_grantee = f"SELECT {_COLUMNS} FROM grants WHERE key_id = ? AND grantee IN ({marks})"  # noqa: S608 - only question marks
    if context and len(context) <= _MOST_PAIRS:
        texts = [pairs_text(dict(part)) for part in _parts(context)]
        fitting = f"{of_grantee} AND coalesce(equals, subset) IN ({', '.join('?' * len(texts))})"
        for row in connection.execute(fitting, (key_id, *spellings, *texts)):
            yield Grant(row[0], terms(row))
    for row in connection.execute(f"{of_grantee} AND coalesce(equals, subset) IS NULL", (key_id, *spellings)):
        yield Grant(row[0], terms(row))
    constrained = f"{of_grantee} AND coalesce(equals, subset) IS NOT NULL"
    for row in connection.execute(constrained, (key_id, *spellings)):  # no part of the context, or more pairs
        yield Grant(row[0], terms(row))
    if role is not None:
        account, roles, name = role.partition(":role/")
        of_path = f"SELECT {_COLUMNS} FROM grants WHERE key_id = ? AND grantee > ? AND grantee < ? AND grantee GLOB ?"  # noqa: S608 - fixed text
        first, last = account + roles, account + roles[:-1] + chr(ord("/") + 1)
        for row in connection.execute(of_path, (key_id, first, last, f"{first}*/{name}")):
            yield Grant(row[0], terms(row))


def _parts(context: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Every selection of pairs but the empty one, the whole first."""
    pairs = tuple(context.items())
    for size in range(len(pairs), 0, -1):
        yield from combinations(pairs, size)


def pairs_text(pairs: Mapping[str, str]) -> str:
    """A constraint as the store keeps it."""
    return json.dumps(dict(pairs), sort_keys=True, ensure_ascii=False)


def of_key(connection: sqlite3.Connection, key_id: str) -> list[Row]:
    """All grants of the key, ordered by id."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE key_id = ? ORDER BY grant_id",  # noqa: S608 - fixed text
        (key_id,),
    )
    return found.fetchall()


def one(connection: sqlite3.Connection, key_id: str, grant_id: str) -> Row | None:
    """That grant of that key."""
    row: Row | None = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE grant_id = ? AND key_id = ?",  # noqa: S608 - fixed text
        (grant_id, key_id),
    ).fetchone()
    return row


def page_of_key(
    connection: sqlite3.Connection, key_id: str, place: str, count: int, grantee: str | None
) -> list[tuple[str, Row]]:
    """At most ``count`` grants of the key past the id ``place``, with their ids; only those of ``grantee`` if given."""
    of_grantee = "" if grantee is None else " AND grantee = ?"
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE key_id = ? AND grant_id > ?{of_grantee} ORDER BY grant_id LIMIT ?",  # noqa: S608 - fixed text
        (key_id, place, *(() if grantee is None else (grantee,)), count),
    )
    return [(row[0], row) for row in found]


def page_of_retiring(connection: sqlite3.Connection, retiring: str, place: str, count: int) -> list[tuple[str, Row]]:
    """The same for the grants of all keys that a principal may retire."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE retiring = ? AND grant_id > ? ORDER BY grant_id LIMIT ?",  # noqa: S608 - fixed text
        (retiring, place, count),
    )
    return [(row[0], row) for row in found]


def by_id(connection: sqlite3.Connection, grant_id: str) -> Row | None:
    """That grant, of whatever key."""
    row: Row | None = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE grant_id = ?",  # noqa: S608 - fixed text
        (grant_id,),
    ).fetchone()
    return row


def terms(row: Row) -> GrantTerms:
    """What the grant allows."""
    return GrantTerms(
        grantee_principal=row[2],
        operations=tuple(row[4].split()),
        retiring_principal=row[3],
        context_subset=_pairs(row[6]),
        context_equals=_pairs(row[7]),
        source_arn=row[9],
    )


def describe(row: Row, names: Names) -> GrantDescription:
    """The grant as the service lists it."""
    held = terms(row)
    return GrantDescription(
        grant_id=row[0],
        key_arn=names.key_arn(row[1]),
        grantee_principal=held.grantee_principal,
        operations=held.operations,
        created_at=moment(row[8]),
        issuing_account=names.account_root,
        retiring_principal=held.retiring_principal,
        name=row[5],
        context_subset=held.context_subset,
        context_equals=held.context_equals,
        source_arn=held.source_arn,
    )


def _pairs(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs: dict[str, str] = json.loads(text)
    return pairs
