"""What embedded providers keep below the project's home, declared or not: data under a key do not go away with the
manifest of the Provider that made them (I3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.model.ports import Fs

_ACCOUNT: Final = re.compile(r"\d{12}")


class Place(NamedTuple):
    """``home/<plugin>/<account>/<region>``, where a provider keeps everything (``ProviderServices.home``)."""

    plugin: str
    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.plugin}/{self.account}/{self.region}"

    @classmethod
    def named(cls, provider: str) -> Place | None:
        """The place that goes by such a name; None for the name of a declared Provider, which has no slash."""
        parts = provider.split("/")
        return cls(*parts) if len(parts) == len(cls._fields) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeclared:
    """What a manifest would say of a place that none declares (``pool.Declaration``)."""

    plugin: str
    account: str
    region: str
    principal: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, place: Place, config: Mapping[str, Any] | None = None) -> Undeclared:
        """The place, with the account's root acting there."""
        plugin, account, region = place
        root = f"arn:aws:iam::{account}:root"
        return cls(plugin=plugin, account=account, region=region, principal=root, config=config or {})


def title(name: str) -> str:
    """How people are told of it: a declared Provider by its address, another by its place."""
    return name if Place.named(name) is not None else f"Provider/{name}"


def places(fs: Fs, home: Path) -> Iterator[Place]:
    """Every place below the home, in order; what cannot be listed is no folder of a provider. OSError when a folder
    that is one cannot be read."""
    for plugin in _names(fs, home):
        for account in _names(fs, home / plugin):
            if _ACCOUNT.fullmatch(account):
                yield from (Place(plugin, account, region) for region in _names(fs, home / plugin / account))


def _names(fs: Fs, folder: Path) -> list[str]:
    try:
        return fs.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
