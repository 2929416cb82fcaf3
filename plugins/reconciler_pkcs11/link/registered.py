"""Which clients an agent lets in: certificates in files that its operator put there, as they are now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from reconciler.errors import HostError, UsageError
from reconciler.errors.root import ReconcilerError
from reconciler.host import durable
from reconciler.host.ownership import changeable_by_others
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Clock, Fs
from reconciler_pkcs11.certificates import MOST_PEM_BYTES, Certificate, read_certificate

SUFFIX: Final = ".pem"


class Registered:
    """Certificates by fingerprint, read again when what is known is old. A file that cannot be used, or that others
    could change, lets nobody in and is reported once; it never ends the agent."""

    def __init__(
        self,
        files: Sequence[Path],
        folder: Path | None,
        *,
        fs: Fs,
        clock: Clock,
        report: Callable[[str], None],
    ) -> None:
        self._files, self._folder = tuple(files), folder
        self._fs, self._clock, self._report = fs, clock, report
        self._lock = threading.Lock()
        self._known: Mapping[str, Certificate] = {}
        self._read_at: float | None = None
        self._told: set[str] = set()

    def check(self) -> None:
        """Refuse to begin with files that are named and cannot be used. UsageError, HostError."""
        for path in self._files:
            load_certificate(self._fs, path)
        if self._folder is not None:
            _refuse_if_others_may_write(self._folder)

    def now(self, *, older_than: float) -> Mapping[str, Certificate]:
        """All of them, as they were at most that many seconds ago; expired ones, too, so that TLS says so."""
        with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at > older_than:
                self._known = {each.fingerprint: each for path in self._paths() for each in self._usable(path)}
                self._read_at = time.monotonic()
            return self._known

    def admits(self, fingerprint: str, *, older_than: float) -> bool:
        """Whether that one is registered and between its dates."""
        found = self.now(older_than=older_than).get(fingerprint)
        return found is not None and found.is_good(self._clock.now())

    def _paths(self) -> list[Path]:
        paths = list(self._files)
        if self._folder is not None:
            try:
                _refuse_if_others_may_write(self._folder)
                paths += [
                    self._folder / name
                    for name in self._fs.listdir(self._folder)
                    if name.endswith(SUFFIX) and not name.startswith(".")
                ]
            except (OSError, ReconcilerError) as error:
                self._tell(f"no client of {self._folder} is let in: {error}")
        return paths

    def _usable(self, path: Path) -> list[Certificate]:
        try:
            return [load_certificate(self._fs, path)]
        except ReconcilerError as error:
            self._tell(f"nobody is let in by {path}: {error.summary}")
            return []

    def _tell(self, line: str) -> None:
        if line not in self._told and len(self._told) < 1_000:
            self._told.add(line)
            self._report(line)


def load_certificate(fs: Fs, path: Path) -> Certificate:
    """The one certificate in a file that nobody else can change. UsageError, HostError."""
    _refuse_if_others_may_write(path)
    try:
        if fs.size(path) > MOST_PEM_BYTES:
            raise UsageError(f"{path} is too large for a certificate", suggestion="Name a PEM file.", file=str(path))
        text = durable.read(fs, path).decode("ascii", "replace")
    except OSError as error:
        raise explain_os_error(error, path, "certificate") from error
    return read_certificate(text, f"file {path}")


def _refuse_if_others_may_write(path: Path) -> None:
    how = changeable_by_others(path)
    if how is not None:
        raise HostError(
            f"{path} is not used, since others can change it: {how}",
            detail="Whoever can write it chooses who may use the HSM.",
            suggestion=f"Own it and let nobody else write it: chmod go-w {path}",
        )
