"""Records of what the key service does by itself, on nobody's behalf (AU1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.model.ports import Random
from reconciler_softkms import audit_log
from reconciler_softkms.rows import Names

ITSELF: Final = "kms.amazonaws.com"


def own_record(
    names: Names,
    random: Random,
    *,
    now: int,
    name: str,
    key_arns: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
) -> audit_log.Row:
    """The record, for whoever writes it in the transaction of what it tells of."""
    return audit_log.row(
        now=now,
        name=name,
        caller=Caller(principal=ITSELF, account=names.account),
        key_arns=key_arns,
        parameters=parameters,
        ids=random.bytes(2 * audit_log.ID_BYTES),
        by_service_itself=True,
    )
