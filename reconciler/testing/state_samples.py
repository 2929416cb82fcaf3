"""Rows, intents and handles for the contract suites of a ``StateStore``."""
# ruff: noqa: S107  # an idempotency token is no secret

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from reconciler.model.address import Address
from reconciler.model.recorded import Intent, Recorded, Standing
from reconciler.state.store import StateStore

KEY = Address.of("Key", "orders")
ALIAS = Address.of("Alias", "orders")


class OpenStore(Protocol):
    """Opens one more handle on the store under test, as a process of ``host`` that lives as long as the test."""

    def __call__(self, host: str = "here", journal_keeps: int = 10_000) -> StateStore: ...


def recorded(address: Address = KEY, **fields: Any) -> Recorded:
    """A row with something in each field."""
    filled: dict[str, Any] = {
        "uid": f"uid-of-{address}",
        "provider": "keys",
        "attributes": {"id": "k-1", "arn": "arn:aws:kms:eu-west-1:111122223333:key/k-1", "größe": [1, {"a": None}]},
        "spec": '{"description":"für Bestellungen"}',
        "digest": "ab" * 32,
        "observed": '{"state":"Enabled"}',
        "links": "Key/other=k-2\nKey/third=k-3",
        "due_at": 1_790_000_000.25,
        "settled": True,
        "protected": True,
        "standing": Standing.RETAINED,
        "references": (Address.of("Key", "other"), Address.of("Key", "third")),
    }
    return Recorded(address=address, **{**filled, **fields})


def begin(
    store: StateStore,
    address: Address = KEY,
    step: str = "create",
    token: str = "token-1",
    facts: Mapping[str, Any] | None = None,
) -> Intent:
    """An intent with defaults."""
    return store.begin(
        address, provider="keys", step=step, verb="create", facts=facts or {}, uid=f"uid-of-{address}", token=token
    )
