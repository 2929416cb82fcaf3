"""AnswersRequests: a key service as its clients on the network speak to it, one public operation at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from reconciler.access.caller import Caller

Json = Mapping[str, Any]
"""A JSON object of the public API: names as there (``KeyId``), blobs as base64 text, times as seconds since 1970."""


@runtime_checkable
class AnswersRequests(Protocol):
    """The public operations of the key service of one account and Region (KM1–KM10). The same door as in process: each
    request is decided and recorded there (KM9)."""

    @property
    def operations(self) -> Collection[str]:
        """Names of the operations that it has (``CreateKey``)."""

    def answer(self, caller: Caller, operation: str, request: Json) -> dict[str, Any]:
        """The public answer, ready for ``json.dumps``; empty where the operation answers nothing.

        ServiceError under the public name of what is wrong: SerializationException and ValidationException for a
        request outside the operation's form, UnknownOperationException, else whatever the operation itself refuses."""


@runtime_checkable
class ChecksItself(Protocol):
    """A provider that can be asked whether it could answer (``/healthz``)."""

    def check_readiness(self) -> None:
        """Open the store as a request would, use nothing of it and leave no record. DamagedStore, NewerFormat,
        OtherShape or HostError when it cannot be."""
