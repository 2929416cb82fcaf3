"""A project of one key and its alias, for tests of commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.typed import caller, key_provider
from tests.command_line import Ran
from tests.world import document, provider

KEY = document("Key", "k", description="ours")
ALIAS = document("Alias", "a", key="k")
MANIFESTS = provider() + KEY + ALIAS
UNPROTECTED = "{preventDestroy: false}"


Run = Callable[..., Ran]


def declare(folder: Path, text: str) -> None:
    (folder / "manifests" / "world.yaml").write_text(text)


def session(folder: Path) -> Session:
    return Session(Globals(directory=str(folder), home=str(folder / ".reconciler")))


def behind_our_back(folder: Path, change: Callable[[Any, Any, str], object]) -> None:
    """Call ``change(service, caller, key id)``."""
    with session(folder) as opened:
        key = str(opened.attributes(Address("Key/k"))["id"])
        change(key_provider(opened, "kms"), caller(opened, "kms"), key)
