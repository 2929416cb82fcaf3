"""A partition that a worker of this machine reaches, by the module that the operator lists."""

from __future__ import annotations

import json

from reconciler.envelope.data_key import DataKey
from reconciler.model.ports import Clock, Random
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.partition import Examination, Leak, TokenKey
from reconciler_pkcs11.worker.requests import Request
from reconciler_pkcs11.worker.worker import DEADLINES, AsksPin, Deadlines, Target, Worker


class LocalPartition:
    """``Partition`` over a worker process. The PIN is asked for at each login, right before it is sent, and wiped: now,
    and when a worker that was lost is replaced. One that was refused is
    never sent again by this object: HsmError with PIN_REFUSED until another is given."""

    def __init__(
        self, target: Target, pin: AsksPin, *, clock: Clock, random: Random, deadlines: Deadlines = DEADLINES
    ) -> None:
        """Start the worker and log in, by one C_Login at most; by none, and without asking for the PIN, where the token
        says that it is locked or that one try is left. HsmError, HsmUnavailable, what asking for the PIN raises."""
        self._worker = Worker(target, pin, clock=clock, random=random, deadlines=deadlines)

    @property
    def pid(self) -> int | None:
        """The process id of the worker; None while there is none."""
        return self._worker.pid

    def examine(self) -> Examination:
        """See ``Partition``."""
        (said,) = self._worker.ask(Request.EXAMINE)
        found = json.loads(said)
        return Examination(
            label=found["label"],
            serial=found["serial"],
            model=found["model"],
            manufacturer=found["manufacturer"],
            slot=found["slot"],
            suites=tuple(Suite(each) for each in found["suites"]),
            leaks=tuple(Leak[each] for each in found["leaks"]),
        )

    def list_keys(self) -> list[TokenKey]:
        """See ``Partition``."""
        return self._keys(b"")

    def find_keys(self, key_id: str) -> list[TokenKey]:
        """See ``Partition``."""
        return self._keys(bytes.fromhex(key_id))

    def _keys(self, raw_id: bytes) -> list[TokenKey]:
        said, _ = self._worker.ask(Request.LIST, raw_id)
        return [
            TokenKey(key_id=key_id, label=label, weakened=tuple(weakened))
            for key_id, label, weakened in json.loads(said)
        ]

    def generate(self, key_id: str, label: str, suite: Suite, *, relabelled: bool = False) -> None:
        """See ``Partition``."""
        self._worker.ask(
            Request.GENERATE, key_id.encode(), label.encode(), suite.encode(), b"yes" if relabelled else b"no"
        )

    def wrap(self, key_id: str, suite: Suite, key: DataKey, aad: bytes) -> bytes:
        """See ``Partition``."""
        (sealed,) = self._worker.ask(Request.WRAP, key_id.encode(), suite.encode(), key.expose_key_bytes(), aad)
        return bytes(sealed)

    def unwrap(self, blob: bytes, aad: bytes) -> DataKey:
        """See ``Partition``."""
        (said,) = self._worker.ask(Request.UNWRAP, blob, aad)
        opened = DataKey(said)
        said[:] = bytes(len(said))
        return opened

    def relabel(self, key_id: str, label: str) -> None:
        """See ``Partition``."""
        self._worker.ask(Request.RELABEL, key_id.encode(), label.encode())

    def destroy(self, key_id: str, label: str) -> None:
        """See ``Partition``."""
        self._worker.ask(Request.DESTROY, key_id.encode(), label.encode())

    def close(self) -> None:
        """See ``Partition``. May be called again."""
        self._worker.close()
