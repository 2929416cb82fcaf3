"""What goes wrong between us and a hardware security module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from reconciler.errors.own import ProviderUnavailable
from reconciler.errors.root import Diagnostic, ReconcilerError


class HsmFault(StrEnum):
    """Why a partition cannot be used. The first six are the link's (HS1, HS4, HS5), the others the token's."""

    CLIENT_CERT_REJECTED = "client-cert-rejected"
    CLIENT_CERT_EXPIRED = "client-cert-expired"
    SERVER_CERT_MISMATCH = "server-cert-mismatch"
    UNREACHABLE = "hsm-unreachable"
    CLOSED = "hsm-closed"
    TIMEOUT = "hsm-timeout"
    MODULE_UNUSABLE = "module-unusable"  # not listed by the operator, not there, or no PKCS#11 module
    MODULE_CRASHED = "module-crashed"
    ABSENT_OR_AMBIGUOUS = "partition-absent-or-ambiguous"
    REINITIALISED = "partition-reinitialised"  # its marker key is gone: nothing below it is judged or created
    PIN_REFUSED = "pin-refused"  # never sent again until it is changed
    PIN_UNAVAILABLE = "pin-unavailable"  # its source does not give it
    BUSY = "hsm-busy"
    NO_MECHANISM = "no-mechanism"  # none of the suites passed its live self-test
    NOT_ENFORCED = "not-enforced"  # it gives out keys that were made non-extractable
    KEY_MISSING = "key-missing"
    KEY_DUPLICATE = "key-duplicate"
    KEY_SUBSTITUTED = "key-substituted"  # label and id fit, the canary does not open
    KEY_WEAKENED = "key-weakened"  # its attributes are not those that it was made with
    REFUSED = "refused"  # any other answer of the token


class HsmError(ReconcilerError):
    """A partition answered that it will not or cannot: asking again changes nothing. ``fault`` says why."""

    code = "hsm"

    def __init__(self, summary: str, *, fault: HsmFault, **kwargs: Any) -> None:
        super().__init__(summary, **kwargs)
        self.fault = fault

    def diagnostics(self) -> Sequence[Diagnostic]:
        """See ``ReconcilerError``. The fault stands at the end of the summary: pipelines and people look for it."""
        return [replace(one, summary=f"{one.summary} ({self.fault})") for one in super().diagnostics()]


class HsmUnavailable(HsmError, ProviderUnavailable):
    """The partition could not be asked now (link, module, token away): nothing is known about what it holds."""

    code = "hsm-unavailable"


class IncompatibleHsm(HsmError):
    """The partition was asked and is not fit to be a root: INCOMPATIBLE_HSM (HS5). Nothing was created."""

    code = "incompatible-hsm"
