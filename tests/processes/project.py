"""The project that all appliers share: every change adds something of its own, and turns over what everybody has."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.world import document, provider

KEYS: Final = ("k0", "k1")
_SCHEMA: Final = "{columns: [{name: id, type: int}, {name: note, type: text}], partitionKey: [id]}"


@dataclass(frozen=True)
class Change:
    """The ``number``-th change of the project, made by ``worker``."""

    number: int
    worker: int

    @property
    def own_key(self) -> str:
        """The name of the key that only this worker declares, a new description with each of its changes."""
        return f"own-{self.worker}"

    @property
    def keyspace(self) -> str | None:
        """What this change alone declares, and nothing ever takes back; now and then."""
        return f"k{self.number}" if self.number % 8 == 0 else None

    def own(self) -> str:
        return document("Key", self.own_key, description=f"'change {self.number} of {self.own_key}'")

    def turned_over(self) -> str:
        """What every change declares anew: of two applies, that of the lower number must never come last."""
        encryption = f"{{type: CUSTOMER_MANAGED_KMS_KEY, key: {KEYS[self.number % 2]}}}"
        return document(
            "Key", "shared", description=f"'change {self.number} of all'", tags=f"{{n: '{self.number}'}}"
        ) + document("Table", "people", provider="tb", keyspace="s", schema=_SCHEMA, encryption=encryption)


@dataclass(frozen=True)
class Project:
    """``folder`` is the project, ``beside`` another folder: what was acknowledged, and what was done to whom."""

    folder: Path
    beside: Path

    def make(self) -> None:
        for path in (self.folder / "manifests", self.beside):
            path.mkdir(parents=True)
        (self.folder / "reconciler.yaml").write_text("home: .reconciler\nstate: {path: .reconciler/state.db}\n")
        base = provider() + provider("tb", plugin="tables") + "".join(document("Key", name) for name in KEYS)
        (self.folder / "manifests" / "base.yaml").write_text(base + document("Keyspace", "s", provider="tb"))
        (self.beside / "number").write_text("0")
        self.change(0)

    @property
    def state_path(self) -> Path:
        return self.folder / ".reconciler" / "state.db"

    def change(self, worker: int) -> Change:
        """The next change, declared as a whole or not at all."""
        with self._alone():
            made = Change(int((self.beside / "number").read_text()) + 1, worker)
            manifests = self.folder / "manifests"
            _replace(manifests / "shared.yaml", made.turned_over())
            _replace(manifests / f"worker-{worker}.yaml", made.own())
            if made.keyspace is not None:
                _replace(manifests / f"{made.keyspace}.yaml", document("Keyspace", made.keyspace, provider="tb"))
            (self.beside / "number").write_text(str(made.number))
            return made

    def note(self, what: str, text: str) -> None:
        """Add a line to the file ``what``: durable as far as this process's death goes."""
        handle = os.open(self.beside / what, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, f"{text}\n".encode())
        finally:
            os.close(handle)

    def noted(self, what: str) -> list[str]:
        path = self.beside / what
        return path.read_text().splitlines() if path.exists() else []

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.beside / "turn").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield


def _replace(path: Path, text: str) -> None:
    making = path.with_suffix(".making")
    making.write_text(text)
    making.rename(path)
