"""Where the chain begins: a log that lost its head is told from a store that has none yet (AU4)."""

from __future__ import annotations

import pytest

from reconciler.access.caller import Caller
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms, audit_log
from reconciler_softkms.audit_chain import BROKEN


def put(provider: SoftKms, caller: Caller, times: list[int]) -> list[str]:
    """A key made at 100, a log that was never begun, and records of those times put into it in that order; the names
    that it has then."""
    provider.create_key(caller, KeyRequest(), token="k")
    door = provider._door
    door.store.seal()
    rows = [
        audit_log.row(
            now=now, name="Record", caller=caller, key_arns=[], parameters=None, ids=bytes(32)[:-1] + bytes([n])
        )
        for n, now in enumerate(times)
    ]
    with door.store.transaction() as connection:
        for table in ("audit", "audit_said", "audit_head", "audit_coming"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - the names above
        connection.execute("UPDATE keys SET created_at = 100")
        door.trail.chain.append(connection, rows)
        names = connection.execute("SELECT name FROM audit JOIN audit_said USING (said) ORDER BY serial").fetchall()
    return [name for (name,) in names]


@pytest.mark.parametrize("times", [[100], [200, 100], [300, 100, 200], [100, 50]])
def test_what_made_the_first_key_may_stand_anywhere_among_the_first_records(
    provider: SoftKms, caller: Caller, times: list[int]
) -> None:
    assert put(provider, caller, times) == ["Record"] * len(times)


@pytest.mark.parametrize("times", [[101], [300, 200], [200, 101]])
def test_a_key_that_is_older_than_the_first_record_tells_that_records_are_lost(
    provider: SoftKms, caller: Caller, times: list[int]
) -> None:
    assert put(provider, caller, times) == [BROKEN, *["Record"] * len(times)]
