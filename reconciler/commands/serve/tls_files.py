"""The files of --tls-cert and --tls-key, looked at before anything listens."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from reconciler.commands import output
from reconciler.errors import UsageError
from reconciler.host import durable
from reconciler.model.ports import Fs


def look_at(fs: Fs, certificate: Path, key: Path, now: datetime) -> None:
    """Remark on a certificate that clients will refuse for its time. UsageError for a file that cannot be read."""
    from reconciler.envelope.certificate import validity

    _read(fs, key, "--tls-key")
    found = validity(_read(fs, certificate, "--tls-cert"))
    if found is None:
        return  # whoever loads it says what is wrong
    begins, ends = found
    when = None
    if ends < now:
        when = f"expired on {ends:%Y-%m-%d}"
    elif begins > now:
        when = f"is valid only from {begins:%Y-%m-%d} on"
    if when is not None:
        output.remark(f"The certificate {certificate} {when}: clients that check it will refuse it.")


def _read(fs: Fs, path: Path, flag: str) -> bytes:
    try:
        return durable.read(fs, path.resolve())  # what renews certificates has them behind links
    except OSError as error:
        raise UsageError(
            f"{flag} {path} cannot be used: {error.strerror}", suggestion="Name a PEM file that this user can read."
        ) from None
