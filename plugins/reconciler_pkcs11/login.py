"""Opening a partition with its PIN: read at its source, checked against the breaker, sent, wiped (HS5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from reconciler.errors import HostError, HsmError, HsmFault, HsmUnavailable, ResourceNotFoundException, UsageError
from reconciler.providers.secret_source import SecretSource, read_secret
from reconciler_pkcs11 import rows
from reconciler_pkcs11.breaker import Digest
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.reaching import Way, unlisted
from reconciler_pkcs11.rows import PartitionRow
from reconciler_pkcs11.site import Site

if TYPE_CHECKING:
    from reconciler_pkcs11.certificates import Identity

WHAT: Final = "PIN of the HSM partition"


class Pin:
    """The PIN of one partition, as often as a login asks for it. What it gives is the asker's to wipe."""

    def __init__(self, site: Site, place: str, source: SecretSource) -> None:
        self._site, self._place, self._source = site, place, source
        self._sent: Digest | None = None

    def __call__(self) -> bytearray:
        """The PIN. HsmError (PIN_REFUSED) for one that was refused before, HsmUnavailable (PIN_UNAVAILABLE)."""
        pin = _read(self._source, self._site)
        try:
            self._sent = self._site.breaker.check(self._place, pin)
        except BaseException:
            pin[:] = bytes(len(pin))
            raise
        return pin

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Around whatever may log in: a PIN that the token refuses is remembered before anybody hears of it."""
        try:
            yield
        except HsmError as error:
            if error.fault is HsmFault.PIN_REFUSED and self._sent is not None:
                self._site.breaker.remember(self._place, self._sent)
                self._site.note("HsmPinRefused", partition=self._place)
            raise

    def was_accepted(self) -> None:
        """The token took it. Should it refuse it at a later login, that is still to be remembered."""
        self._site.breaker.forget(self._place)


def open_with_pin(site: Site, row: PartitionRow) -> tuple[Partition, Pin]:
    """The partition, logged in: one process at a time at one place, so that a wrong PIN is sent once. The PIN's
    ``heard`` goes around whatever is asked of it later, since a lost link logs in again. HsmUnavailable, HsmError;
    whatever reading the certificate may raise."""
    client = _client(site, row)
    try:
        way = Way(
            place=row.place,
            token_label=row.token_label,
            slot=row.slot,
            module=None if row.address else site.modules().get(row.module or ""),
            address=row.address,
            server_certificate=row.server_certificate,
            client=client,
            clock=site.clock,
            random=site.random,
        )
        if way.address is None and way.module is None:
            raise unlisted(row.module, site.name)
        pin = Pin(site, row.place, row.source)
        with site.breaker.alone_at(row.place), pin.heard():
            opened = site.opens(way, pin)
        pin.was_accepted()
        return opened, pin
    finally:
        if client is not None:
            client.private.wipe()


def _read(source: SecretSource, site: Site) -> bytearray:
    """Whoever cannot log in knows as little of a partition as whoever cannot reach it. HsmUnavailable."""
    try:
        return read_secret(source, WHAT, site.commands)
    except (HostError, UsageError) as error:
        is_absent = isinstance(error.__cause__, FileNotFoundError)
        raise HsmUnavailable(
            error.summary,
            fault=HsmFault.PIN_UNAVAILABLE,
            detail=error.detail,
            suggestion="Put the PIN there, in a file of your own (mode 0600), or correct pinFrom of the HsmPartition."
            if is_absent
            else error.suggestion,
        ) from error


def _client(site: Site, row: PartitionRow) -> Identity | None:
    """Our side of the link, its private key opened. ResourceNotFoundException."""
    if row.client_certificate is None:
        return None
    from reconciler_pkcs11.certificates import Identity, open_private_key, read_certificate

    with site.store.read() as connection:
        found = rows.certificate_by_name(connection, row.client_certificate)
        if connection is None or found is None:
            raise ResourceNotFoundException(f"There is no client certificate {row.client_certificate}")
        key = site.sealing_key(connection)
    certificate = read_certificate(found.pem, f"client certificate {found.name}")
    return Identity(
        name=found.name, certificate=certificate, private=open_private_key(key, found.sealed_key, certificate)
    )
