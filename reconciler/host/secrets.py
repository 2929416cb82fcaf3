"""A secret from outside: from a descriptor that was handed over, a private file, or what a command answers.

Never from an argument or a variable, which other processes may see (RELIABILITY 5, "HSM PIN theft"). Nothing that is
read is ever part of a message (I19).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reconciler.errors import HostError
from reconciler.host.private_file import private_file

MOST_BYTES: Final = 4096
COMMAND_SECONDS: Final = 60

# A pipe can be read once, and whoever is built anew in the same process (an apply that reads its manifests again) asks
# again. By number, device and inode: a descriptor that stands for something else by now is another one.
_handed_over: dict[tuple[int, int, int], bytes] = {}


def from_descriptor(number: int, what: str) -> bytearray:
    """All that descriptor ``number`` has to say, the same whenever it is asked. HostError."""
    try:
        found = os.fstat(number)
        known = (number, found.st_dev, found.st_ino)
        if known not in _handed_over:
            _handed_over[known] = bytes(_all_of(number, what, f"descriptor {number}"))
    except OSError as error:
        raise HostError(
            f"The {what} cannot be read from descriptor {number}: {os.strerror(error.errno or 0)}",
            suggestion=f"Open it for the command: reconciler … {number}< FILE",
        ) from error
    return bytearray(_handed_over[known])


def from_file(path: Path, what: str) -> bytearray:
    """What is in the file, which must be private. HostError."""
    with private_file(path, what) as descriptor:
        return _all_of(descriptor, what, f"file {path}")


def from_command(command: Sequence[str], what: str, *, is_text: bool = True) -> bytearray:
    """What the command writes to its output; its errors are shown as they are. Unless it ``is_text``, a line's end at
    its end belongs to it. Whether it may be run was asked before. HostError."""
    import subprocess  # slow to load, and few need it

    try:
        ended = subprocess.run(  # noqa: S603  # the operator lists it, word for word; no shell
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is no command"
        raise HostError(
            f"The command for the {what}, {command[0]}, cannot be run: {reason}",
            suggestion="Name it by its full path, and see that this user may run it.",
        ) from None
    except subprocess.TimeoutExpired:
        raise HostError(
            f"The command for the {what}, {command[0]}, gave no answer in {COMMAND_SECONDS} seconds",
            suggestion="It must answer without being asked anything at a terminal.",
        ) from None
    if ended.returncode:
        raise HostError(
            f"The command for the {what}, {command[0]}, failed with exit code {ended.returncode}",
            suggestion="Run it by hand to see why.",
        )
    return _secret(bytearray(ended.stdout), what, f"command {command[0]}", is_text=is_text)


def _all_of(descriptor: int, what: str, where: str) -> bytearray:
    content = bytearray()
    while chunk := os.read(descriptor, MOST_BYTES + 1):
        content += chunk
        if len(content) > MOST_BYTES:
            break
    return _secret(content, what, where)


def _secret(content: bytearray, what: str, where: str, *, is_text: bool = True) -> bytearray:
    """Text is one line: the line's end does not belong to it."""
    if is_text and content.endswith(b"\n"):
        del content[-1:]
        if content.endswith(b"\r"):
            del content[-1:]
    if content and len(content) <= MOST_BYTES:
        return content
    raise HostError(
        f"The {where} holds no {what}: it is {'longer than any' if content else 'empty'}",
        suggestion=f"It must hold the {what} and nothing else, at most {MOST_BYTES} bytes.",
    )
