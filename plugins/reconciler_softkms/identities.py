"""What accounts let principals do: identity policies that are kept, and administrators that a Provider names.

A principal's policies are those of its own account, whichever account's key it asks for (KM7): one ``Identities``
serves all doors below one home.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.principals import account_of, means
from reconciler.host.fencing import WhoWrites
from reconciler.model.ports import Fs
from reconciler_softkms.identity_store import IdentityStore

_ADMINISTRATORS: Final[Mapping[str, Any]] = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "administrator of the account", "Effect": "Allow", "Action": "*", "Resource": "*"}],
}
_ADMINISTRATOR: Final = (parse_policy(_ADMINISTRATORS, identity=True),)


class Identities:
    """``folder`` holds a folder an account. ``administrators`` (ARNs) hold a policy that allows everything, which no
    store keeps."""

    def __init__(self, folder: Path, fs: Fs, administrators: Sequence[str], who_writes: WhoWrites) -> None:
        self._folder = folder
        self._fs = fs
        self._administrators = tuple(administrators)
        self._who_writes = who_writes
        self._turn = threading.Lock()
        self._stores: dict[str, IdentityStore] = {}
        self._is_administrator: dict[str, bool] = {}
        self._combined: dict[str, tuple[tuple[Policy, ...], tuple[Policy, ...]]] = {}

    def policies(self, principal: str) -> tuple[Policy, ...]:
        """The identity policies of a principal: the same object for as long as they are the same. A service has
        none."""
        account = account_of(principal)
        if account is None:
            return ()
        kept = self.store(account).policies(principal)
        if not self._administers(principal):
            return kept
        if not kept:
            return _ADMINISTRATOR
        known = self._combined.get(principal)
        if known is None or known[0] is not kept:
            known = self._combined[principal] = (kept, (*_ADMINISTRATOR, *kept))
        return known[1]

    def documents(self, principal: str) -> tuple[Mapping[str, Any], ...]:
        """The same policies as documents."""
        account = account_of(principal)
        if account is None:
            return ()
        kept = tuple(json.loads(text) for _, text in self.store(account).documents(principal))
        return (_ADMINISTRATORS, *kept) if self._administers(principal) else kept

    def store(self, account: str) -> IdentityStore:
        """The store of an account's policies."""
        found = self._stores.get(account)
        if found is None:
            with self._turn:
                made = IdentityStore(self._folder / account, self._fs, self._who_writes)
                found = self._stores.setdefault(account, made)
        return found

    def close(self) -> None:
        """Give back what is open."""
        with self._turn:
            for store in self._stores.values():
                store.close()

    def _administers(self, principal: str) -> bool:
        known = self._is_administrator.get(principal)
        if known is None:
            known = any(means(name, principal) for name in self._administrators)
            if len(self._is_administrator) < 4096:  # callers come from outside
                self._is_administrator[principal] = known
        return known
