"""Where a provider gets a secret from (a passphrase, a PIN): ``{fd}``, ``{file}`` or ``{command}`` of its config.

The secret itself stands in no manifest, argument or variable. A command is run only when the operator's file lists it,
word for word, so that no pull request chooses what runs (CONTRACT 2).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, model_validator

from reconciler.errors import UsageError
from reconciler.host import secrets

Permitted = Callable[[], Collection[tuple[str, ...]]]


class SecretSource(BaseModel):
    """One of three: a descriptor's number, a private file (absolute, or below ``~``), a command and its arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fd: int | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> SecretSource:
        if sum(each is not None for each in (self.fd, self.file, self.command)) != 1:
            raise ValueError("exactly one of fd, file and command says where the secret is")
        if self.fd is not None and self.fd < 0:
            raise ValueError("a descriptor is a number from 0 on")
        if self.file is not None and not os.path.isabs(os.path.expanduser(self.file)):
            raise ValueError("the file must be an absolute path: a secret does not belong into the project")
        if self.command is not None and not (self.command and os.path.isabs(self.command[0])):
            raise ValueError("the command must begin with the absolute path of what is run")
        return self


def read_secret(source: SecretSource, what: str, permitted: Permitted) -> bytearray:
    """The secret, for the caller to wipe. ``permitted`` answers the commands that the operator lists. HostError, or
    UsageError for a command that is not among them."""
    if source.fd is not None:
        return secrets.from_descriptor(source.fd, what)
    if source.file is not None:
        return secrets.from_file(Path(source.file).expanduser(), what)
    return read_command(source.command or (), what, permitted)


def read_command(command: tuple[str, ...], what: str, permitted: Permitted, *, is_text: bool = True) -> bytearray:
    """What the command answers, for the caller to wipe; unless it ``is_text``, byte for byte. HostError, UsageError as
    of ``read_secret``."""
    if command not in permitted():
        raise UsageError(
            f"The command for the {what}, {command[0]}, is not one that the operator's file lists",
            detail="A manifest must not choose what runs on this machine.",
            suggestion="Let the operator add it, word for word, under commands: in the operator's file "
            "(~/.config/reconciler/operator.yaml).",
        )
    return secrets.from_command(command, what, is_text=is_text)


@runtime_checkable
class PermitsCommands(Protocol):
    """``Services`` that know what the operator lets run."""

    def permitted_commands(self) -> Collection[tuple[str, ...]]:
        """The commands, word for word."""
