"""Which saved plans were given to an apply (I12). Inside the caller's transaction."""

from __future__ import annotations

import sqlite3

from reconciler.state.doubt import not_authentic
from reconciler.state.ledger import Ledger
from reconciler.state.proofs import Proofs, fits, tag


def read(connection: sqlite3.Connection, proofs: Proofs) -> dict[str, bytes]:
    """The ids of used plans with their proofs. NotAuthentic; whether it is all of them is for the caller to prove."""
    used = {}
    for plan_id, at, kept in connection.execute("SELECT plan_id, at, tag FROM used_plan"):
        proof = proofs.plan((plan_id, at))
        if not fits(proof, kept):
            raise not_authentic(f"what it says of the use of plan {plan_id} was changed")
        used[plan_id] = proof
    return used


def add(connection: sqlite3.Connection, ledger: Ledger, plan_id: str, now: float) -> bool:
    """Remember that ``plan_id`` was used at ``now``; False when it was before."""
    if plan_id in ledger.plans:
        return False
    proof = ledger.proofs.plan((plan_id, now))
    connection.execute("INSERT INTO used_plan VALUES (?, ?, ?)", (plan_id, now, tag(proof)))
    ledger.put_plan(plan_id, proof)
    return True
