"""What ``reconciler hsm-agent`` asks of this plugin: an agent put together from files (``ServesPartitions``)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

from reconciler.errors import HsmFault, HsmUnavailable, UsageError
from reconciler.host import durable
from reconciler.host.ownership import make_private
from reconciler.host.secret_source import read_secret_file
from reconciler.host.sqlite import explain_os_error
from reconciler.providers.hsm_agent import AgentIdentity, AgentRequest, AgentServices
from reconciler.providers.plugin import NativeModule
from reconciler_pkcs11.breaker import Breaker
from reconciler_pkcs11.certificates import (
    Certificate,
    Identity,
    Side,
    belongs,
    make_key_pair,
    private_key_pem,
    read_private_key,
)
from reconciler_pkcs11.link.agent import Agent
from reconciler_pkcs11.link.attempts import Attempts
from reconciler_pkcs11.link.conversation import House
from reconciler_pkcs11.link.limits import AgentLimits
from reconciler_pkcs11.link.opened import OpenedPartition
from reconciler_pkcs11.link.rates import Rates
from reconciler_pkcs11.link.registered import Registered, load_certificate
from reconciler_pkcs11.link.reports import Reports
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.reaching import Way, open_partition

_SOON: Final = timedelta(days=30)


class ServesPartition:
    """Mixed into the plugin's class."""

    @staticmethod
    def opens(way: Way, pin: Callable[[], bytearray]) -> Partition:
        """See ``reaching.Opens``."""
        return open_partition(way, pin)

    @staticmethod
    def make_agent_identity(
        certificate: Path, key: Path, *, name: str, valid_days: int, services: AgentServices
    ) -> AgentIdentity:
        """See ``ServesPartitions.make_agent_identity``."""
        for path in (key, certificate):
            if services.fs.exists(path):
                raise UsageError(
                    f"{path} is there already, and clients may have pinned it",
                    suggestion="Name another folder; or move both files of the old one away, and give every client "
                    "the new certificate.",
                )
        private, made = make_key_pair(
            name, Side.SERVER, valid_days=valid_days, now=services.clock.now(), random=services.random
        )
        pem = private_key_pem(private)
        private.wipe()
        try:
            for path, content in ((key, pem), (certificate, made.pem.encode("ascii"))):
                try:
                    durable.make_folder(services.fs, path.parent)
                    durable.write_new(services.fs, path, [content])
                except OSError as error:
                    raise explain_os_error(error, path, "file of the agent") from error
        finally:
            pem[:] = bytes(len(pem))
        return _shown(made)

    @classmethod
    def serve_partition(
        cls,
        request: AgentRequest,
        bound: socket.socket,
        *,
        services: AgentServices,
        stop: threading.Event,
        on_ready: Callable[[AgentIdentity], None],
    ) -> None:
        """See ``ServesPartitions.serve_partition``."""
        limits = AgentLimits()
        way = Way(
            place=place_of(request),
            token_label=request.token_label,
            slot=request.slot,
            module=listed(services.modules(), request.module),
            address=None,
            server_certificate=None,
            client=None,
            clock=services.clock,
            random=services.random,
        )
        identity = load_identity(request.certificate, request.key, services)
        reports = Reports(services.report, services.clock)
        registered = Registered(
            request.clients, request.clients_folder, fs=services.fs, clock=services.clock, report=reports.say
        )
        registered.check()
        with ExitStack() as closing:
            _make_private(request.folder, services)
            breaker = Breaker(request.folder, services.fs, services.random)
            closing.callback(breaker.close)
            attempts = Attempts(request.folder, limits.refused_pins_each)
            closing.callback(attempts.close)
            opened = OpenedPartition(
                lambda pin: cls.opens(way, pin),
                way.place,
                breaker=breaker,
                attempts=attempts,
                limits=limits,
                random=services.random,
                report=reports.say,
            )
            closing.callback(opened.close)
            house = House(
                opened=opened,
                rates=Rates(request.rate),
                limits=limits,
                is_welcome=lambda fingerprint: registered.admits(fingerprint, older_than=limits.recheck),
                report=reports.say,
            )
            agent = Agent(bound, identity, registered, house, reports)
            _warn(identity.certificate, registered, services, reports)
            on_ready(_shown(identity.certificate))
            agent.run(stop)

    @staticmethod
    def forgive(folder: Path, client: str | None, *, services: AgentServices) -> int:
        """See ``ServesPartitions.forgive``."""
        attempts = Attempts(folder, AgentLimits().refused_pins_each)
        breaker = Breaker(folder, services.fs, services.random)
        try:
            for place in attempts.places():
                breaker.forget(place)
            return attempts.forgive(client or "")
        finally:
            breaker.close()
            attempts.close()


def listed(modules: Mapping[str, NativeModule], name: str) -> NativeModule:
    """The module of that name. HsmUnavailable when the operator's file does not list it."""
    found = modules.get(name)
    if found is not None:
        return found
    raise HsmUnavailable(
        f"The operator's file lists no module called {name}"
        + (f", but {', '.join(sorted(modules))}" if modules else ""),
        fault=HsmFault.MODULE_UNUSABLE,
        detail="Only that file says what code is loaded on this machine.",
        suggestion="Add these lines to ~/.config/reconciler/operator.yaml (or the file that RECONCILER_OPERATOR_FILE "
        f"names):\nmodules:\n  {name}:\n    path: /absolute/path/of/the/module.so",
    )


def load_identity(certificate: Path, key: Path, services: AgentServices) -> Identity:
    """The agent's own certificate and private key. HostError for a key that others can read; UsageError for one that
    is not the certificate's, or a certificate that is not valid now."""
    shown = load_certificate(services.fs, certificate)
    now = services.clock.now()
    if not shown.is_good(now):
        when = f"expired on {shown.not_after:%Y-%m-%d}" if shown.is_over(now) else "is not valid yet"
        raise UsageError(
            f"The agent's certificate {certificate} {when}",
            detail="Every client would refuse it.",
            suggestion="Make another (reconciler hsm-agent init), and give it to every client.",
            file=str(certificate),
        )
    pem = read_secret_file(key)
    try:
        private = read_private_key(pem, f"file {key}")
    finally:
        pem[:] = bytes(len(pem))
    if not belongs(private, shown):
        private.wipe()
        raise UsageError(
            f"The private key {key} is not that of the certificate {certificate}",
            suggestion="Name the two files that reconciler hsm-agent init made together.",
            file=str(key),
        )
    return Identity(name=str(certificate), certificate=shown, private=private)


def place_of(request: AgentRequest) -> str:
    """The partition in words; what its refused PINs are kept under."""
    return f"{request.module}:" + (f"slot {request.slot}" if request.token_label is None else request.token_label)


def _shown(certificate: Certificate) -> AgentIdentity:
    return AgentIdentity(pem=certificate.pem, fingerprint=certificate.fingerprint, not_after=certificate.not_after)


def _make_private(folder: Path, services: AgentServices) -> None:
    try:
        durable.make_folder(services.fs, folder)
    except OSError as error:
        raise explain_os_error(error, folder, "folder of the agent") from error
    make_private(folder)


def _warn(certificate: Certificate, registered: Registered, services: AgentServices, reports: Reports) -> None:
    """What an operator should know of before somebody else notices."""
    soon = services.clock.now() + _SOON
    if certificate.is_over(soon):
        reports.say(f"this agent's certificate expires on {certificate.not_after:%Y-%m-%d}")
    clients = registered.now(older_than=0.0).values()
    if not clients:
        reports.say("no client is registered yet, so everybody is refused")
    for each in clients:
        if each.is_over(soon):
            reports.say(f'the certificate of client "{each.common_name}" expires on {each.not_after:%Y-%m-%d}')
