"""The keys that services own: one a service, made at first use, usable by that service alone (KM8)."""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler.access.principals import service_family
from reconciler.errors import AccessDeniedException
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import rows
from reconciler_softkms.door import Door
from reconciler_softkms.operations.keys import insert, new_row


def owned_key(door: Door, caller: Caller, service: str) -> str:
    """See ``OwnsKeys.owned_key``."""
    owner = service_family(service)
    known = _existing(door, caller, owner)
    if known is not None:
        return known
    door.store.seal()
    with door.change(caller, "CreateKey", {"description": f"Owned by {owner}"}) as asked:
        _check_owner(caller, owner)
        row = rows.key_by_owner(asked.connection, owner)
        if row is None:
            fresh = new_row(door, KeyRequest(description=f"Owned by {owner}"), asked.now)
            row = insert(asked, fresh._replace(owner=owner), token=None)
        arn = door.names.key_arn(row.key_id)
        asked.key_arns.append(arn)
        return arn


def _existing(door: Door, caller: Caller, owner: str) -> str | None:
    with door.look(caller, "DescribeKey", {"keyId": f"owned by {owner}"}) as asked:
        _check_owner(caller, owner)
        row = rows.key_by_owner(asked.connection, owner) if asked.connection_if_any else None
        if row is None:
            return None
        arn = door.names.key_arn(row.key_id)
        asked.parameters = {"keyId": arn}
        asked.key_arns.append(arn)
        return arn


def _check_owner(caller: Caller, owner: str) -> None:
    service = caller.principal if caller.is_service else caller.via_service
    if service is None or service_family(service) != owner:
        raise AccessDeniedException(
            f"User: {caller.principal} is not authorized to use the key owned by {owner}: only that service may",
            suggestion="Choose a customer-managed key (Key) where you need to use it yourself.",
        )
