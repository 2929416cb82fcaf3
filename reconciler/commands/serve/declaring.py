"""Principals as ``serve --ephemeral`` is told of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from reconciler.commands.serve.tags import read_tags
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.ports import Random
from reconciler.serving.credentials import Credential, DeclaredCredentials, checked_principal, made_credential

_WRITTEN: Final = re.compile(r"(?P<who>.+?)(?:=(?P<id>\w{4,128}):(?P<secret>[!-~]+))?", re.ASCII)
_NAME: Final = re.compile(r"[\w+=,.@-]+", re.ASCII)
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)
DEFAULT: Final = ("admin",)


def declared(
    principals: Sequence[str],
    administrators: Sequence[str],
    account: str,
    random: Random,
    now: datetime,
    *,
    tags: Sequence[str] = (),
) -> tuple[DeclaredCredentials, list[Credential]]:
    """The access keys of ``principals`` (one administrator where none is named), and those of them that were made up
    here, which somebody has to be told. ``tags`` are written WHO:KEY=VALUE. UsageError."""
    if _ACCOUNT.fullmatch(account) is None:
        raise UsageError(f'"{account}" is no account id', suggestion="--account takes 12 digits.")
    administering = {_principal(who, account) for who in administrators}
    all_of_them: list[Credential] = []
    fresh: list[Credential] = []
    for written in principals or DEFAULT:
        match = _WRITTEN.fullmatch(written)
        if match is None:
            raise _unreadable(written)
        made = made_credential(random.bytes, _principal(match["who"], account), now)
        made = replace(made, is_administrator=made.principal in administering)
        if match["id"]:
            made = replace(made, access_key_id=match["id"], secret=match["secret"])
        else:
            fresh.append(made)
        if any(each.access_key_id == made.access_key_id for each in all_of_them):
            raise UsageError(
                f"The access key id {made.access_key_id} is given to two principals",
                suggestion="A signature names its principal by this id: give each another one.",
            )
        all_of_them.append(made)
    tagged = _tags(tags, account, {each.principal for each in all_of_them})
    all_of_them = [replace(each, tags=read_tags(tagged[each.principal])) for each in all_of_them]
    missing = administering - {each.principal for each in all_of_them}
    if missing:
        raise UsageError(
            f"{min(missing)} is to be an administrator, and has no access key",
            suggestion=f"Add --principal {min(missing)}.",
        )
    return DeclaredCredentials(all_of_them), fresh


def _tags(written: Sequence[str], account: str, principals: Collection[str]) -> dict[str, list[str]]:
    """What each principal is tagged with. A name may have colons in it: it is the longest that there is."""
    found: dict[str, list[str]] = {principal: [] for principal in principals}
    for each in written:
        ends = [at for at, character in enumerate(each) if character == ":"]
        for end in reversed(ends):
            with suppress(ReconcilerError):
                principal = _principal(each[:end], account)
                if principal in found:
                    found[principal].append(each[end + 1 :])
                    break
        else:
            raise UsageError(
                f'"{each}" tags nobody who has an access key',
                suggestion="Write WHO:KEY=VALUE, with WHO as --principal has it: --tag admin:team=orders.",
            )
    return found


def _principal(who: str, account: str) -> str:
    if who.startswith("arn:"):
        return checked_principal(who)
    if who == "root":
        return f"arn:aws:iam::{account}:root"
    if who.startswith(("user/", "role/")):
        return checked_principal(f"arn:aws:iam::{account}:{who}")
    if _NAME.fullmatch(who) is None:
        raise _unreadable(who)
    return f"arn:aws:iam::{account}:user/{who}"


def _unreadable(written: str) -> UsageError:
    who = written.partition("=")[0] or written
    return UsageError(
        f'"{who}" does not name a principal',
        suggestion="Write an ARN, a user's name, user/NAME, role/NAME or root; with its access key WHO=ID:SECRET, "
        "where ID has 4 to 128 letters, digits and _.",
    )
