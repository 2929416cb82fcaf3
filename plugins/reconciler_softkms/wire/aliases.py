"""CreateAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations import aliases
from reconciler_softkms.pages import PageOf
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import AliasName, Asked, KeyName, Limit, Marker


class NameKey(Asked):
    """The form of CreateAlias and UpdateAlias."""

    alias_name: AliasName
    target_key_id: KeyName


class DeleteAlias(Asked):
    """Its form."""

    alias_name: AliasName


class ListAliases(Asked):
    """Its form."""

    key_id: KeyName | None = None
    limit: Limit | None = None
    marker: Marker | None = None


def create_alias(door: Door, caller: Caller, asked: NameKey) -> Mapping[str, Any]:
    """Nothing."""
    aliases.create_alias(door, caller, asked.alias_name, asked.target_key_id)
    return {}


def update_alias(door: Door, caller: Caller, asked: NameKey) -> Mapping[str, Any]:
    """Nothing."""
    aliases.update_alias(door, caller, asked.alias_name, asked.target_key_id)
    return {}


def delete_alias(door: Door, caller: Caller, asked: DeleteAlias) -> Mapping[str, Any]:
    """Nothing."""
    aliases.delete_alias(door, caller, asked.alias_name)
    return {}


def list_aliases(door: Door, caller: Caller, asked: ListAliases) -> Mapping[str, Any]:
    """A page of aliases, of one key if it is named."""
    found = aliases.page_of_aliases(door, caller, PageOf(asked.limit, asked.marker), asked.key_id)
    return found.answer(
        "Aliases",
        lambda alias: {
            "AliasName": alias.name,
            "AliasArn": door.names.alias_arn(alias.name),
            "TargetKeyId": alias.key_id,
            "CreationDate": alias.created_at,
            "LastUpdatedDate": alias.updated_at,
        },
    )


OPERATIONS = {
    "CreateAlias": Operation(NameKey, create_alias),
    "UpdateAlias": Operation(NameKey, update_alias),
    "DeleteAlias": Operation(DeleteAlias, delete_alias),
    "ListAliases": Operation(ListAliases, list_aliases),
}
