"""What every command is given before its own flags."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Globals:
    """The flags that stand before the command (CONTRACT 2)."""

    directory: str = "."
    environment: str | None = None
    manifests: tuple[str, ...] = ()
    selector: str | None = None
    principal: str | None = None
    home: str | None = None
