"""What every request passes: whose it is, and the record that it leaves (KM9).

An HSM has no policies: whoever may open the provider's store and its PIN may use its keys. What is asked of a caller is
that it belongs to the provider's account.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, DamagedStore, HostError, LockHeld, ReconcilerError
from reconciler_pkcs11.site import Site


class Asked:
    """A request that is being answered. ``key_arns`` and ``parameters`` may be added to until it is recorded."""

    def __init__(self, site: Site, caller: Caller, name: str, parameters: Mapping[str, Any] | None) -> None:
        self._site, self._caller, self._name = site, caller, name
        self.parameters = dict(parameters or {})
        self.key_arns: list[str] = []
        self.is_recorded = False

    def record(self, connection: sqlite3.Connection, error: ReconcilerError | None = None) -> None:
        """In the transaction of what it did; otherwise it is done when the request ends."""
        self.is_recorded = True
        self._site.log.append(
            connection,
            self._site.now(),
            self._name,
            caller=self._caller,
            key_arns=self.key_arns,
            parameters=self.parameters,
            error=error,
        )


@contextmanager
def asked(site: Site, caller: Caller, name: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Asked]:
    """One request, recorded with how it ended. AccessDeniedException for a caller of another account; LockHeld for an
    overtaken process, whatever it asked."""
    request = Asked(site, caller, name, parameters)
    try:
        check_account(site, caller, name)
        yield request
    except LockHeld:
        raise
    except ReconcilerError as error:
        with suppress(HostError, LockHeld, DamagedStore), site.write() as connection:
            request.record(connection, error)
        raise
    if not request.is_recorded:
        with site.write() as connection:
            request.record(connection)


def check_account(site: Site, caller: Caller, name: str) -> None:
    """AccessDeniedException for a caller of another account."""
    if caller.account != site.account:
        raise AccessDeniedException(
            f"User: {caller.principal} is not authorized to perform: {name} in account {site.account}: an HSM has no "
            "policies, so its keys are for principals of its own account",
            suggestion="Ask as a principal of that account (--as).",
        )
