"""CreateAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import (
    AlreadyExistsException,
    InvalidAliasNameException,
    LimitExceededException,
    NotAuthorizedException,
    NotFoundException,
    ValidationException,
)
from reconciler.model.article import a
from reconciler.providers.keys import AliasDescription
from reconciler_softkms import rows
from reconciler_softkms.door import Door
from reconciler_softkms.pages import Page, PageOf, page
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.states import is_gone, require_not_pending

MOST_OF_A_KEY: Final = 50
_NAME = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}")
_RESERVED: Final = "alias/aws/"
_ALIASES_A_PAGE: Final = 50
_NOT_GONE: Final = (
    "SELECT name, key_id, aliases.created_at, updated_at FROM aliases JOIN keys USING (key_id)"
    " WHERE (deletion_at IS NULL OR deletion_at > ?)"
)
_AMONG: Final = "AND name IN (SELECT value FROM json_each(?))"
_OWNED: Final = (
    f"SELECT '{rows.OWNED_ALIASES}' || replace(owner, '.amazonaws.com', '') AS name, key_id, created_at,"  # noqa: S608 - fixed text
    " created_at AS updated_at FROM keys WHERE owner IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class AliasEntry:
    """An alias as it is listed."""

    name: str
    key_id: str
    created_at: datetime
    updated_at: datetime


def create_alias(door: Door, caller: Caller, name: str, key_id: str, *, repeatable: bool = False) -> AliasDescription:
    """See ``NamesKeys.create_alias``. Unless ``repeatable``, an alias that names that key already is
    AlreadyExistsException too."""
    with door.change(caller, "CreateAlias", {"aliasName": name, "targetKeyId": key_id}) as asked:
        _check_name(name)
        target = _target(asked, key_id)
        asked.authorize(target, "kms:CreateAlias", request_alias=name)
        require_not_pending(target, door.names.key_arn(target.key_id))
        named = rows.key_by_alias(asked.connection, name)
        if named is None:
            _require_room(asked, target)
            asked.connection.execute(
                "INSERT INTO aliases VALUES (?, ?, ?, ?)", (name, target.key_id, asked.now, asked.now)
            )
        elif not repeatable or named.key_id != target.key_id:
            raise AlreadyExistsException(f"An alias with the name {door.names.alias_arn(name)} already exists")
    return AliasDescription(name=name, arn=door.names.alias_arn(name), target_key_id=target.key_id)


def update_alias(door: Door, caller: Caller, name: str, key_id: str) -> None:
    """See ``NamesKeys.update_alias``. Both keys must allow it, and be of one kind."""
    with door.change(caller, "UpdateAlias", {"aliasName": name, "targetKeyId": key_id}) as asked:
        _check_name(name)
        before = _named(asked, name)
        if before is None:
            raise NotFoundException(f"Alias {door.names.alias_arn(name)} is not found.")
        target = _target(asked, key_id)
        asked.authorize(before, "kms:UpdateAlias", request_alias=name)
        asked.authorize(target, "kms:UpdateAlias", request_alias=name)
        require_not_pending(target, door.names.key_arn(target.key_id))
        if (before.key_spec, before.key_usage) != (target.key_spec, target.key_usage):
            raise ValidationException(
                f"{name} names {a(f'{before.key_spec} key')} for {before.key_usage}; it can only be given to "
                "another such key"
            )
        if before.key_id != target.key_id:
            _require_room(asked, target)
        asked.connection.execute(
            "UPDATE aliases SET key_id = ?, updated_at = ? WHERE name = ?", (target.key_id, asked.now, name)
        )


def delete_alias(door: Door, caller: Caller, name: str, *, repeatable: bool = False) -> None:
    """See ``NamesKeys.delete_alias``. Unless ``repeatable``, NotFoundException when there is none."""
    with door.change(caller, "DeleteAlias", {"aliasName": name}) as asked:
        _check_name(name)
        named = _named(asked, name)
        if named is None and not repeatable:
            raise NotFoundException(f"Alias {door.names.alias_arn(name)} is not found.")
        if named is not None:
            asked.authorize(named, "kms:DeleteAlias", request_alias=name)
            asked.connection.execute("DELETE FROM aliases WHERE name = ?", (name,))


def list_aliases(door: Door, caller: Caller, names: Collection[str] | None) -> list[AliasDescription]:
    """See ``NamesKeys.list_aliases``."""
    with door.look(caller, "ListAliases", None) as asked:
        asked.authorize_account("kms:ListAliases")
        if asked.connection_if_any is None:
            return []
        if names is None:
            found = asked.connection.execute(f"{_NOT_GONE} ORDER BY name", (asked.now,))
        else:
            found = asked.connection.execute(f"{_NOT_GONE} {_AMONG} ORDER BY name", (asked.now, json.dumps([*names])))
        return [
            AliasDescription(name=name, arn=door.names.alias_arn(name), target_key_id=key) for name, key, _, _ in found
        ]


def page_of_aliases(door: Door, caller: Caller, which: PageOf, key_id: str | None) -> Page[AliasEntry]:
    """Aliases ordered by name, those of owned keys among them; with ``key_id``, the ones of that key."""
    with door.look(caller, "ListAliases", None if key_id is None else {"keyId": key_id}) as asked:
        asked.authorize_account("kms:ListAliases")
        only = "" if key_id is None else asked.key(key_id).key_id

        def of(after: str, count: int) -> list[tuple[str, AliasEntry]]:
            if asked.connection_if_any is None:
                return []
            found = asked.connection.execute(
                f"SELECT * FROM ({_NOT_GONE} UNION ALL {_OWNED})"  # noqa: S608 - fixed text
                " WHERE name > ? AND (? = '' OR key_id = ?) ORDER BY name LIMIT ?",
                (asked.now, after, only, only, count),
            )
            return [
                (name, AliasEntry(name, key, rows.moment(created), rows.moment(updated)))
                for name, key, created, updated in found
            ]

        return page(asked, which, _ALIASES_A_PAGE, only, of)


def _named(asked: Request, name: str) -> KeyRow | None:
    row = rows.key_by_alias(asked.connection, name)
    if row is None or is_gone(row, asked.now):
        return None
    asked.key_arns.append(asked.names.key_arn(row.key_id))
    return row


def _check_name(name: str) -> None:
    """In the public service's words; it has other names for these than InvalidAliasNameException."""
    if not name.startswith("alias/"):
        raise ValidationException(
            'Alias must start with the prefix "alias/". Please see'
            " https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
        )
    if ":" in name:
        raise ValidationException(f"{name} contains invalid characters for an alias")
    if name.startswith(_RESERVED):
        raise NotAuthorizedException(f'"{name}" begins with "{_RESERVED}", which is reserved for owned keys')
    if not _NAME.fullmatch(name):
        raise InvalidAliasNameException(
            f'"{name}" is no alias name: it is "alias/" and up to 250 letters, digits, slashes, underscores and hyphens'
        )


def _target(asked: Request, key_id: str) -> KeyRow:
    if "alias/" in key_id:
        raise ValidationException("Aliases must refer to keys. Not aliases")
    return asked.key(key_id)


def _require_room(asked: Request, target: KeyRow) -> None:
    if len(rows.aliases_of(asked.connection, target.key_id)) >= MOST_OF_A_KEY:
        raise LimitExceededException(f"A key takes at most {MOST_OF_A_KEY} aliases")
