"""Keys and values that must stand in no file, and how a file is searched for them (I19, T13).

A key is looked for as it is, in hex, and in base64 whichever of three ways its bits fall there; a value as it is. The
texts are found by their alphabet first, so that a search costs one pass however many keys there are; the raw bytes cost
a pass each. Everything stays in memory and is overwritten at the end, as far as Python lets us (``DataKey``).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs

CHUNK: Final = 1 << 20
OVERLAP: Final = 256  # longer than any needle
MOST_CANARIES: Final = 256
_HEX_LETTERS: Final = 64
_BASE64_LETTERS: Final = 42  # of a key's 43: those that its own bits decide, wherever they begin
_RUN: Final = re.compile(rb"[A-Za-z0-9+/_-]{42,}")
_PLAIN_BASE64: Final = bytes.maketrans(b"-_", b"+/")


@dataclass(slots=True)
class Needles:
    """What is looked for."""

    keys: list[DataKey] = field(default_factory=list)
    canaries: set[bytes] = field(default_factory=set)
    _texts: set[bytes] = field(default_factory=set)

    def add_key(self, key: DataKey) -> None:
        """A copy of a key that was opened, once."""
        if key in self.keys:
            return
        raw = key.expose_key_bytes()
        self.keys.append(DataKey(raw))
        self._texts.add(raw.hex().encode())
        for shift in range(3):
            start, end = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
            self._texts.add(base64.b64encode(bytes(shift) + raw)[start:end][:_BASE64_LETTERS])

    def add_canary(self, value: bytes) -> None:
        """A value, as long as there are not too many: what shows one shows all."""
        if len(self.canaries) < MOST_CANARIES:
            self.canaries.add(value[: OVERLAP // 2])

    def wipe(self) -> None:
        """Forget all."""
        for key in self.keys:
            key.wipe()
        self.keys.clear()
        self.canaries.clear()
        self._texts.clear()

    def found_in(self, chunk: bytes, *, with_canaries: bool) -> Iterator[tuple[int, str]]:
        """Offset and form of what stands in the bytes, once for each form."""
        for key in self.keys:
            if (at := chunk.find(key.expose_key_bytes())) >= 0:
                yield at, "a key that opens data"
        if self._texts:
            for run in _RUN.finditer(chunk):
                if form := self._form_in(run[0]):
                    yield run.start(), f"a key that opens data, in {form}"
        if with_canaries:
            for value in self.canaries:
                if (at := chunk.find(value)) >= 0:
                    yield at, "a value that is stored sealed"

    def _form_in(self, run: bytes) -> str | None:
        lower, letters = run.lower(), run.translate(_PLAIN_BASE64)
        if any(lower[at : at + _HEX_LETTERS] in self._texts for at in range(len(run) - _HEX_LETTERS + 1)):
            return "hex"
        if any(letters[at : at + _BASE64_LETTERS] in self._texts for at in range(len(run) - _BASE64_LETTERS + 1)):
            return "base64"
        return None


def search(fs: Fs, path: Path, needles: Needles, *, with_canaries: bool) -> Iterator[tuple[int, str]]:
    """Where in the file what stands: a mebibyte in memory at a time. FileNotFoundError, HostError."""
    try:
        handle = fs.open(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise explain_os_error(error, path, "file") from error
    try:
        buffer = bytearray(CHUNK + OVERLAP)
        offset, told = 0, set[str]()
        while True:
            try:
                count = fs.read_into(handle, memoryview(buffer), offset)
            except OSError as error:
                raise explain_os_error(error, path, "file") from error
            for at, form in needles.found_in(bytes(buffer[:count]), with_canaries=with_canaries):
                if form not in told:
                    told.add(form)
                    yield offset + at, form
            if count < len(buffer):
                return
            offset += CHUNK
    finally:
        fs.close(handle)
