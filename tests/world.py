"""A project in a folder of its own, driven in process with a clock that is set by hand and repeatable randomness."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.commands import applying
from reconciler.commands.context import Globals
from reconciler.commands.planning import make_plan
from reconciler.commands.session import Session
from reconciler.commands.stopping import hearing_again
from reconciler.model.plan import Plan
from reconciler.model.ports import Fs
from reconciler.planning.request import PlanRequest
from reconciler.state.store import StateReader
from reconciler.testing.fakes import ManualClock, SeededRandom
from tests.command_line import Ran, run


def provider(name: str = "kms", plugin: str = "softkms", region: str = "eu-west-1") -> str:
    """The manifest of a Provider."""
    return (
        f"---\napiVersion: reconciler/v1alpha1\nkind: Provider\nmetadata: {{name: {name}}}\n"
        f"spec:\n  plugin: {plugin}\n  account: '111122223333'\n  region: {region}\n"
        "  principal: arn:aws:iam::111122223333:role/platform\n"
    )


def document(kind: str, name: str, **spec: Any) -> str:
    """The manifest of a resource, of Provider ``kms`` unless it says otherwise; values are YAML."""
    fields = "".join(f"  {key}: {value}\n" for key, value in {"provider": "kms", **spec}.items())
    return f"---\napiVersion: reconciler/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{fields}"


@dataclass
class World:
    """``folder`` is the project; its home and state lie below it."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    random: SeededRandom = field(default_factory=SeededRandom)
    fs: Fs | None = None

    def declare(self, manifests: Path | str, name: str = "world.yaml") -> None:
        """What is declared from now on: a folder of manifests and data, or the text of one file."""
        target = self.folder / "manifests"
        if target.exists():
            shutil.rmtree(target)
        if isinstance(manifests, Path):
            shutil.copytree(manifests, target)
        else:
            target.mkdir(parents=True)
            (target / name).write_text(manifests)

    def session(self) -> Session:
        """A fresh one, as a new process would open it."""
        self._write_project_file()
        flags = Globals(directory=str(self.folder))
        return Session(flags, fs=self.fs, clock=self.clock, random=self.random)

    def run(self, *arguments: str) -> Ran:
        """A command as it is typed, with the clock of the machine."""
        self._write_project_file()
        return run(self.folder, *arguments)

    def plan(self, *, tell_due: bool = False, **request: Any) -> Plan:
        """What apply would do now; with ``tell_due`` also what it does beside that."""
        with self.session() as session:
            return make_plan(session, PlanRequest(**request), warn=False, tell_due=tell_due).plan

    def apply(self, **request: Any) -> str:
        """Apply everything; what the view printed. Raises what the command would explain."""
        out = io.StringIO()
        with (
            hearing_again(),
            redirect_stdout(out),
            redirect_stderr(out),
            self.session() as session,
            applying.holding_lock(session, "apply", 0, "text"),
        ):
            planned = make_plan(session, PlanRequest(**request), warn=False)
            applying.approve(planned.plan, "text", is_approved=True)
            applying.carry_out(session, planned, "text", parallelism=1)
        return out.getvalue()

    def state(self) -> StateReader:
        """The state, for looking; the caller closes it."""
        return self.session().reader

    def _write_project_file(self) -> None:
        (self.folder / "reconciler.yaml").write_text("home: .reconciler\n")
