"""Where a case happens: a project, its home and its user, all below one temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(kw_only=True)
class Place:
    """``prefix`` stands before the command of a case that runs as a process (a shell that prepares its world);
    ``limit`` runs in that process before it begins. ``undo`` is closed when the case is over."""

    root: Path
    stdin: bytes = b""
    environ: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    limit: Callable[[], object] | None = None
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def project(self) -> Path:
        """The folder that the command is run in."""
        return self.root / "shop"

    @property
    def home(self) -> Path:
        """Where the embedded providers keep keys."""
        return self.root / "home"

    @property
    def state(self) -> Path:
        """The project's state."""
        return self.project / ".reconciler" / "state.db"

    @property
    def key_store(self) -> Path:
        """The folder of the one key store."""
        return self.home / "softkms" / "111122223333" / "eu-west-1"

    @property
    def kept(self) -> Sequence[Path]:
        """The folders in which nothing may be lost."""
        return self.project, self.home

    def write(self, name: str, content: str | bytes) -> Path:
        """A file of the project."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path
