"""Fixtures: private tokens for one test, the operator's file that lists their modules, and files with their PINs.

Import ``tokens`` and ``made_tokens`` into a conftest to have them, and ``tmp_path`` of ``quick_folder``: a token waits
for its disk at each key that it makes. The tokens are made once a run and copied for each test: SoftHSM2's partitions
``a`` and ``b``, NSS's ``nss`` (a token that gives out keys), and ``faulty``, which is partition ``a`` behind the fault
shim. Under CI=true nothing is skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.providers.plugin import NativeModule
from reconciler.testing.quick_folder import quick_folder
from reconciler_pkcs11.tests import making


@dataclass(frozen=True, slots=True, kw_only=True)
class TestToken:
    """One partition: the ``module`` that reaches it (a name in the operator's file), its label and its PIN."""

    __test__ = False

    module: str
    label: str
    pin: str
    pin_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """All of them. ``modules`` is what ``ProviderServices.modules`` answers under ``operator_file``."""

    folder: Path
    modules: Mapping[str, NativeModule]
    operator_file: Path

    def __getitem__(self, name: str) -> TestToken:
        """``a``, ``b``, ``nss`` or ``faulty``. Skips where the machine cannot have it, but not under CI."""
        module, label = {
            "a": ("softhsm", making.LABELS["a"]),
            "b": ("softhsm", making.LABELS["b"]),
            "nss": ("nss", making.NSS_LABEL),
            "faulty": ("faulty", making.LABELS["a"]),
        }[name]
        if module not in self.modules:
            missing(module)
        return TestToken(module=module, label=label, pin=making.PINS[label], pin_file=self.folder / "pins" / label)

    def module_of(self, name: str) -> NativeModule:
        """The module that reaches that token."""
        return self.modules[self[name].module]

    def fault(self, *orders: str) -> None:
        """From the next call on, ``faulty`` does as the lines say (tests/shims/fault_shim.c); without any, nothing."""
        control = self.folder / "faults"
        if orders:
            draft = control.with_suffix(".new")
            draft.write_text("".join(f"{order}\n" for order in orders))
            draft.replace(control)
        else:
            control.unlink(missing_ok=True)

    def calls(self) -> list[str]:
        """The functions that were called through ``faulty``, in order."""
        log = self.folder / "calls.log"
        return log.read_text().split() if log.exists() else []


def missing(module: str) -> None:
    """A test cannot have its token."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{module} is missing: make setup brings it, and under CI=true nothing is skipped")
    pytest.skip(f"{module} is not here: make setup brings it where it can")


@pytest.fixture(scope="session")
def made_tokens() -> Iterator[Path]:
    """A folder of new tokens, to be copied."""
    with quick_folder() as folder:
        making.make(folder)
        yield folder


@pytest.fixture
def tokens(made_tokens: Path, tmp_path: Path) -> Tokens:
    """Tokens of the test's own."""
    return copied(made_tokens, tmp_path / "hsm")


def copied(made: Path, folder: Path) -> Tokens:
    """The tokens of ``made`` in a new ``folder``, with an operator's file and PIN files beside them."""
    shutil.copytree(made, folder)
    making.configure(folder)
    folder.chmod(0o700)
    (folder / "pins").mkdir()
    for label, pin in making.PINS.items():
        path = folder / "pins" / label
        path.write_text(f"{pin}\n")
        path.chmod(0o600)
    modules = {
        name: NativeModule(path=each.path, environment=each.environment)
        for name, each in making.modules(folder).items()
    }
    operator = folder / "operator" / "operator.yaml"
    operator.parent.mkdir(mode=0o700)
    operator.write_text(operator_yaml(modules))
    operator.chmod(0o600)
    return Tokens(folder=folder, modules=modules, operator_file=operator)


def operator_yaml(modules: Mapping[str, NativeModule]) -> str:
    """The lines with which an operator lists these modules."""
    lines = ["modules:"]
    for name, module in modules.items():
        lines += [f"  {name}:", f"    path: {module.path}", "    environment:"]
        lines += [f'      {variable}: "{value}"' for variable, value in module.environment.items()]
    return "\n".join(lines) + "\n"
