"""Client certificates: made here, their private half kept sealed and never shown (HS4, HS9)."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, ConflictException, ValidationException
from reconciler.providers.hsm import ClientCertificateDescription, ClientCertificateRequest
from reconciler_pkcs11 import rows
from reconciler_pkcs11.requests import asked, check_account
from reconciler_pkcs11.rows import CertificateRow
from reconciler_pkcs11.site import Site
from reconciler_pkcs11.times import microseconds

_MOST_DAYS = 3650


def create_client_certificate(
    site: Site, caller: Caller, request: ClientCertificateRequest, token: str
) -> ClientCertificateDescription:
    """See ``HsmProvider.create_client_certificate``."""
    from reconciler_pkcs11.certificates import Side, make_key_pair, seal_private_key

    with asked(site, caller, "CreateHsmClientCertificate", {"hsmClientCertificateIdentifier": request.name}) as asking:
        if not 1 <= request.valid_days <= _MOST_DAYS:
            raise ValidationException(f"A certificate is valid for 1 to {_MOST_DAYS} days, not {request.valid_days}")
        private, made = make_key_pair(
            request.common_name, Side.CLIENT, valid_days=request.valid_days, now=site.clock.now(), random=site.random
        )
        with private, site.write() as connection:
            there = connection.execute(f"{rows.CERTIFICATE} WHERE token = ?", (token,)).fetchone()
            if there is not None:
                return _described(site, CertificateRow._make(there), ())
            if rows.certificate_by_name(connection, request.name) is not None:
                raise AlreadyExistsException(f"There is a client certificate {request.name} already")
            row = CertificateRow(
                name=request.name,
                token=token,
                common_name=made.common_name,
                pem=made.pem,
                fingerprint=made.fingerprint,
                not_before=microseconds(made.not_before),
                not_after=microseconds(made.not_after),
                sealed_key=seal_private_key(site.sealing_key(connection), private, made, site.random),
            )
            connection.execute(f"INSERT INTO client_certificate VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - marks
            asking.record(connection)
        return _described(site, row, ())


def find_client_certificate(site: Site, caller: Caller, token: str) -> ClientCertificateDescription | None:
    """See ``HsmProvider.find_client_certificate``."""
    check_account(site, caller, "redshift:DescribeHsmClientCertificates")
    with site.store.read() as connection:
        found = connection and connection.execute(f"{rows.CERTIFICATE} WHERE token = ?", (token,)).fetchone()
    return _described(site, CertificateRow._make(found)) if found else None


def describe_client_certificates(
    site: Site, caller: Caller, names: Collection[str] | None
) -> list[ClientCertificateDescription]:
    """See ``HsmProvider.describe_client_certificates``."""
    check_account(site, caller, "redshift:DescribeHsmClientCertificates")
    with site.store.read() as connection:
        if connection is None:
            return []
        found = [CertificateRow._make(row) for row in connection.execute(f"{rows.CERTIFICATE} ORDER BY name")]
    return [_described(site, row) for row in found if names is None or row.name in names]


def delete_client_certificate(site: Site, caller: Caller, name: str) -> None:
    """See ``HsmProvider.delete_client_certificate``."""
    with site.store.read() as connection:
        found = rows.certificate_by_name(connection, name)
    if found is None:
        check_account(site, caller, "redshift:DeleteHsmClientCertificate")
        return
    with (
        asked(site, caller, "DeleteHsmClientCertificate", {"hsmClientCertificateIdentifier": name}) as asking,
        site.write() as connection,
    ):
        used = _used_by(site, name)
        if used:
            raise ConflictException(
                f"The client certificate {name} is used by the HSM configuration {used[0]}",
                suggestion="Delete that configuration, or give it another certificate, first.",
            )
        connection.execute("DELETE FROM client_certificate WHERE name = ?", (name,))
        asking.record(connection)


def _described(site: Site, row: CertificateRow, used_by: tuple[str, ...] | None = None) -> ClientCertificateDescription:
    return rows.describe_certificate(row, site.names, _used_by(site, row.name) if used_by is None else used_by)


def _used_by(site: Site, name: str) -> tuple[str, ...]:
    with site.store.read() as connection:
        if connection is None:
            return ()
        found = connection.execute(
            "SELECT name FROM partition WHERE client_certificate = ? ORDER BY name", (name,)
        ).fetchall()
    return tuple(each for (each,) in found)
