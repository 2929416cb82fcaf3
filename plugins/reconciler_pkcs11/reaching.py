"""The way to a partition: a worker of this machine that loads the operator's module, or an agent behind TLS (HS1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.errors import HsmFault, HsmUnavailable
from reconciler.model.ports import Clock, Random
from reconciler.providers.plugin import NativeModule
from reconciler_pkcs11.partition import Partition

if TYPE_CHECKING:
    from reconciler_pkcs11.certificates import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How one partition is reached. ``place`` names it in messages. ``module`` is None where ``address`` is given;
    ``server_certificate`` (PEM) and ``client`` are None where it is not. The client's private key is wiped by whoever
    made this, as soon as the partition is open: who needs it longer keeps a copy."""

    place: str
    token_label: str | None
    slot: int | None
    module: NativeModule | None
    address: str | None
    server_certificate: str | None
    client: Identity | None
    clock: Clock
    random: Random


Opens = Callable[[Way, Callable[[], bytearray]], Partition]
"""Open the partition and log in. The PIN is asked for right before it is sent, and wiped by whoever asked.
HsmUnavailable, or HsmError with its fault: PIN_REFUSED only when the token itself refused it."""


def open_partition(way: Way, pin: Callable[[], bytearray]) -> Partition:
    """See ``Opens``."""
    if way.module is not None:
        from reconciler_pkcs11.local import LocalPartition
        from reconciler_pkcs11.worker.worker import Target

        target = Target(module=way.module, place=way.place, token_label=way.token_label, slot=way.slot)
        return LocalPartition(target, pin, clock=way.clock, random=way.random)
    if way.address is None or way.server_certificate is None or way.client is None:
        raise ValueError("a way without a module has an address and both certificates")
    from reconciler_pkcs11.certificates import read_certificate
    from reconciler_pkcs11.link.dialling import Place
    from reconciler_pkcs11.link.remote import RemotePartition

    server = read_certificate(way.server_certificate, f"server certificate of {way.place}")
    place = Place(address=way.address, server=server, identity=way.client)
    remote = RemotePartition(place, pin, clock=way.clock, random=way.random)
    try:
        remote.log_in()
    except BaseException:
        remote.close()
        raise
    return remote


def unlisted(module: str | None, provider: str) -> HsmUnavailable:
    """No module to load: the manifest names none, or one that the operator's file does not list."""
    if module is None:
        return HsmUnavailable(
            f"Provider/{provider} names no PKCS#11 module, and the partition has no address",
            fault=HsmFault.MODULE_UNUSABLE,
            suggestion="Set spec.config.module to a name that the operator's file lists, or give the partition an "
            "address, a serverCertificate and a clientCertificate.",
            address=f"Provider/{provider}",
            path="spec.config.module",
        )
    return HsmUnavailable(
        f"The operator's file lists no module called {module}",
        fault=HsmFault.MODULE_UNUSABLE,
        detail="A manifest must not choose what code is loaded on this machine.",
        suggestion="Let the operator add these lines to ~/.config/reconciler/operator.yaml (or the file that "
        f"RECONCILER_OPERATOR_FILE names):\nmodules:\n  {module}:\n    path: /absolute/path/of/the/module.so",
        address=f"Provider/{provider}",
        path="spec.config.module",
    )
