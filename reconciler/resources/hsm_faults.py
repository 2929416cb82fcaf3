"""What a person does about a partition that cannot be used, in commands and fields of this project (HS5, HS9)."""

from __future__ import annotations

from typing import Final, TypeVar

from reconciler.errors import HsmError, HsmFault
from reconciler.model.address import Address
from reconciler.resources.reference import Reference

E = TypeVar("E", bound=HsmError)

_OURS: Final = {
    HsmFault.CLIENT_CERT_REJECTED: (
        "Register our certificate at the HSM's agent for this partition: `reconciler show {certificate} --pem` prints "
        "it."
    ),
    HsmFault.CLIENT_CERT_EXPIRED: (
        "Declare a second HsmClientCertificate, apply, register it (`reconciler show HsmClientCertificate/NAME "
        "--pem`), and let {partition} name it."
    ),
    HsmFault.SERVER_CERT_MISMATCH: (
        "Whoever answers there shows another certificate than spec.serverCertificate of {partition}. Find out whether "
        "it is the HSM's new one before you write it there: it may be somebody in between."
    ),
    HsmFault.PIN_REFUSED: (
        "Correct what spec.pinFrom of {partition} yields. The refused PIN is not sent again, so that nothing is "
        "locked; another one is tried at once."
    ),
    HsmFault.ABSENT_OR_AMBIGUOUS: ("Check spec.tokenLabel or spec.slot of {partition}: exactly one token must fit."),
    HsmFault.REINITIALISED: (
        "The partition was initialised anew, or it is another one: our marker key is not in it. Put it back from the "
        "HSM's own backup, or name the right one; nothing is made in it until then."
    ),
    HsmFault.NOT_ENFORCED: (
        "It gives out keys that were made non-extractable. Choose another HSM; or write `allowUnenforced: true` into "
        "the spec of {partition}, if what it protects may rest on less."
    ),
    HsmFault.NO_MECHANISM: "Have the HSM's operator enable AES-GCM, AES-KWP, or AES-CBC with HMAC for the partition.",
}
_ELSE: Final = {
    HsmFault.UNREACHABLE: (
        "Check spec.address of {partition}, and that the agent runs there (`reconciler hsm-agent`); without an "
        "address, the HSM and what its module on this machine needs."
    ),
    HsmFault.PIN_UNAVAILABLE: (
        "Let spec.pinFrom of {partition} give the PIN: a file of your own (mode 0600), an open descriptor, or a "
        "command that the operator's file lists."
    ),
    HsmFault.CLOSED: "The agent runs, and its HSM does not: have it look after its module.",
    HsmFault.TIMEOUT: "It answers too late or not at all: have the HSM's operator look.",
    HsmFault.MODULE_UNUSABLE: (
        "Let the operator list the module under modules: in the operator's file (~/.config/reconciler/operator.yaml), "
        "by the name that config.module of the Provider says."
    ),
    HsmFault.MODULE_CRASHED: "The vendor's module ended by itself: try again, and report it to the vendor.",
    HsmFault.BUSY: "The HSM has no session left: try again later.",
}


def explained(error: E, partition: Address, certificate: Reference | None = None) -> E:
    """The same error about ``partition``, with what to do about it."""
    words = way_out(error.fault, partition, certificate)
    own = error.fault in _OURS
    error.address = error.address or partition
    error.suggestion = words if own or not error.suggestion else error.suggestion
    return error


def way_out(fault: HsmFault, partition: Address, certificate: Reference | None = None) -> str:
    """What helps against a fault."""
    words = _OURS.get(fault) or _ELSE.get(fault) or "Have the HSM's operator look at what it refused."
    named = str(certificate) if certificate is not None else "HsmClientCertificate/NAME"
    return words.format(partition=partition, certificate=named)
