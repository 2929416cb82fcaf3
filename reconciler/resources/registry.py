"""Finds the kinds: the folders beside this file are the registry, so adding a kind is adding a folder.

``key_policy/`` is the kind ``KeyPolicy``; its ``spec.py`` holds ``KeyPolicySpec``, its ``kind.py`` ``KIND``. Both are
imported only when somebody asks: loading needs only the specs, a plan from the cache neither.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.resources.kind import ResourceKind
    from reconciler.resources.spec import Spec

NOT_YET = frozenset({"Workgroup"})
"""Kinds of CONTRACT 1 whose folder does not exist yet. They are refused by name; adding the folder ends that."""

PROVIDER = "Provider"


@cache
def kind_names() -> tuple[str, ...]:
    """Every kind that can be declared, in alphabetical order."""
    here = os.path.dirname(__file__)
    folders = [name for name in os.listdir(here) if os.path.isfile(os.path.join(here, name, "spec.py"))]
    return tuple(sorted(folder.title().replace("_", "") for folder in folders))


@cache
def folder(kind: str) -> str:
    """The folder of a kind: ``key_policy`` for ``KeyPolicy``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind).lstrip("_")


@cache
def spec_class(kind: str) -> type[Spec]:
    """What may be written in manifests of that kind. KeyError when there is no such kind."""
    if kind not in kind_names():
        raise KeyError(kind)
    module = import_module(f"reconciler.resources.{folder(kind)}.spec")
    found: type[Spec] = getattr(module, f"{kind}Spec")
    return found


@cache
def kind(name: str) -> ResourceKind[Any, Any]:
    """The kind of that name. KeyError when there is none (Provider is none: nothing of it is observed or changed)."""
    if name == PROVIDER or name not in kind_names():
        raise KeyError(name)
    found: ResourceKind[Any, Any] = import_module(f"reconciler.resources.{folder(name)}.kind").KIND
    return found


def completes(name: str) -> int | None:
    """How the kind of that name completes what it refers to (``ResourceKind.completes``)."""
    found: int | None = kind(name).completes
    return found


def spelled(word: str) -> str | None:
    """The kind that a person means who writes it in any case (``key``, ``KEYPOLICY``); None when there is none."""
    return next((name for name in kind_names() if name.lower() == word.lower()), None)
