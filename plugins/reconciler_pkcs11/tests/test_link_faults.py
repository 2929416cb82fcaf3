"""Each fault of the trusted link has its name (PKCS11.md 5; HS1, HS4, HS5), with real processes and sockets."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler.testing.fakes import ManualClock
from reconciler_pkcs11.certificates import Certificate, Identity, Side, read_certificate
from reconciler_pkcs11.link.dialling import Place
from reconciler_pkcs11.link.limits import AgentLimits
from reconciler_pkcs11.link.remote import RemotePartition
from reconciler_pkcs11.link.tls import server_context
from reconciler_pkcs11.tests.link_world import (
    CLOCK,
    PIN,
    RANDOM,
    SHORT,
    MemoryToken,
    Process,
    Running,
    identity,
    process,
    remote,
)

KEY = "ab" * 16
LABEL = f"reconciler/cluster/{KEY}"


@pytest.fixture(scope="module")
def server() -> Identity:
    return identity("hsm1", Side.SERVER)


@pytest.fixture(scope="module")
def client() -> Identity:
    return identity("orders")


@pytest.fixture
def agent(tmp_path: Path, server: Identity, client: Identity) -> Iterator[Running]:
    with Running(tmp_path / "agent", server).served() as running:
        running.register(client)
        yield running


def fault_of(found: RemotePartition) -> tuple[HsmFault, HsmError]:
    try:
        with pytest.raises(HsmError) as raised:
            found.list_keys()
        return raised.value.fault, raised.value
    finally:
        found.close()


def place(address: str, server: Identity, client: Identity) -> Place:
    return Place(address=address, server=server.certificate, identity=client)


def test_everything_in_order_is_no_fault(agent: Running, client: Identity) -> None:
    found = agent.remote(client)
    found.list_keys()
    found.close()


def test_a_certificate_that_is_not_registered_is_rejected_and_the_message_says_how_to_register(agent: Running) -> None:
    stranger = identity("stranger")
    fault, error = fault_of(agent.remote(stranger))
    assert fault is HsmFault.CLIENT_CERT_REJECTED
    assert "reconciler show HsmClientCertificate/stranger --pem" in (error.suggestion or "")
    assert stranger.certificate.fingerprint in (error.detail or "")
    assert agent.token.logins == []
    agent.says("not registered")


def test_an_expired_client_certificate_is_seen_before_anything_is_sent(server: Identity) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address = "{}:{}".format(*listening.getsockname())
        fault, error = fault_of(remote(place(address, server, identity("old", from_days=-40, days=30))))
        assert fault is HsmFault.CLIENT_CERT_EXPIRED
        assert "expired on" in error.summary
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_client_certificate_of_tomorrow_is_rejected_before_anything_is_sent(server: Identity) -> None:
    fault, error = fault_of(remote(place("127.0.0.1:1", server, identity("early", from_days=2))))
    assert fault is HsmFault.CLIENT_CERT_REJECTED
    assert "clock" in (error.suggestion or "")


def test_the_agent_looks_at_dates_itself(agent: Running) -> None:
    old = identity("old", from_days=-40, days=30)
    agent.register(old)
    clock = ManualClock(CLOCK.now() - timedelta(days=20))  # a client whose clock is late
    found = RemotePartition(
        agent.place(old), lambda: bytearray(PIN.encode()), clock=clock, random=RANDOM, deadlines=SHORT
    )
    fault, _ = fault_of(found)
    assert fault is HsmFault.CLIENT_CERT_EXPIRED
    agent.says("expired")


def test_another_server_certificate_is_a_mismatch_and_nothing_is_said_to_it(agent: Running, client: Identity) -> None:
    pinned = identity("hsm1", Side.SERVER)
    fault, error = fault_of(remote(agent.place(client, server=pinned)))
    assert fault is HsmFault.SERVER_CERT_MISMATCH
    assert pinned.certificate.fingerprint in (error.detail or "")
    assert agent.token.logins == []


def test_a_pinned_certificate_that_is_over_is_a_mismatch(agent: Running, client: Identity) -> None:
    over = identity("hsm1", Side.SERVER, from_days=-40, days=30)
    fault, error = fault_of(remote(agent.place(client, server=over)))
    assert fault is HsmFault.SERVER_CERT_MISMATCH
    assert "expired on" in error.summary


def test_an_agent_whose_certificate_is_not_what_was_pinned_by_its_issuer_is_a_mismatch(
    tmp_path: Path, client: Identity
) -> None:
    authority, leaf = issued("hsm1")
    running = Running(tmp_path / "agent", leaf)
    with running.served():
        running.register(client)
        fault, _ = fault_of(remote(replace(running.place(client), server=authority)))
    assert fault is HsmFault.SERVER_CERT_MISMATCH
    assert running.token.logins == []


def test_a_client_that_a_registered_certificate_issued_is_none(agent: Running) -> None:
    authority, leaf = issued("orders")
    (agent.clients / "authority.pem").write_text(authority.pem)
    fault, _ = fault_of(agent.remote(leaf))
    assert fault is HsmFault.CLIENT_CERT_REJECTED
    assert agent.token.logins == []


def test_nothing_that_listens_is_unreachable(server: Identity, client: Identity) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "{}:{}".format(*free.getsockname())
    for each in (address, "no-such-host.invalid:8711"):
        fault, error = fault_of(remote(place(each, server, client)))
        assert fault is HsmFault.UNREACHABLE
        assert each in error.summary


def hangs_up(connection: socket.socket) -> None:
    connection.recv(10_000)


def talks_http(connection: socket.socket) -> None:
    connection.recv(10_000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("behaviour", [hangs_up, talks_http])
def test_whoever_speaks_no_tls_is_unreachable(
    behaviour: Callable[[socket.socket], None], server: Identity, client: Identity
) -> None:
    with answering(behaviour) as address:
        assert fault_of(remote(place(address, server, client)))[0] is HsmFault.UNREACHABLE


def test_a_server_of_tls_1_2_is_unreachable(server: Identity, client: Identity) -> None:
    context = server_context(server, [client.certificate])
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2

    def behaves(connection: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    with answering(behaves) as address:
        assert fault_of(remote(place(address, server, client)))[0] is HsmFault.UNREACHABLE


def test_tls_that_is_up_and_nobody_behind_it_is_closed(server: Identity, client: Identity) -> None:
    context = server_context(server, [client.certificate])

    def behaves(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    with answering(behaves) as address:
        assert fault_of(remote(place(address, server, client)))[0] is HsmFault.CLOSED


def test_a_worker_that_is_down_is_closed_from_afar(agent: Running, client: Identity) -> None:
    def crash(operation: str) -> None:
        raise HsmUnavailable("the module ended by SIGSEGV", fault=HsmFault.MODULE_CRASHED)

    agent.token.before = crash
    fault, error = fault_of(agent.remote(client))
    assert fault is HsmFault.CLOSED
    assert "the module ended by SIGSEGV" in error.summary


@contextmanager
def in_a_process(
    tmp_path: Path, server: Identity, client: Identity, *fault: str
) -> Iterator[tuple[Process, RemotePartition]]:
    Running(tmp_path / "agent", server).register(client)
    with process(tmp_path / "agent", server, *fault) as running:
        found = remote(place(running.address, server, client))
        try:
            yield running, found
        finally:
            found.close()


def test_a_frozen_agent_times_out_before_and_in_a_call(tmp_path: Path, server: Identity, client: Identity) -> None:
    with in_a_process(tmp_path, server, client) as (running, found):
        found.list_keys()
        running.freeze()
        for operation in (found.list_keys, found.list_keys):
            begun = time.monotonic()
            with pytest.raises(HsmUnavailable) as raised:
                operation()
            assert raised.value.fault is HsmFault.TIMEOUT
            assert time.monotonic() - begun < 3
        running.signal(signal.SIGCONT)
        found.list_keys()


def test_what_changes_something_is_unknown_after_a_timeout(tmp_path: Path, server: Identity, client: Identity) -> None:
    with in_a_process(tmp_path, server, client, "hang-generate") as (_, found):
        found.list_keys()
        with pytest.raises(HsmUnavailable, match="whether it did what was asked is unknown") as raised:
            found.generate(KEY, LABEL, Suite.GCM)
        assert raised.value.fault is HsmFault.TIMEOUT


@pytest.mark.parametrize("moment", ["generate", "generated"])
def test_an_agent_that_is_killed_in_a_call_leaves_its_outcome_unknown(
    moment: str, tmp_path: Path, server: Identity, client: Identity
) -> None:
    with in_a_process(tmp_path, server, client, f"die-{moment}") as (running, found):
        found.list_keys()
        with pytest.raises(HsmUnavailable, match="whether it did what was asked is unknown") as raised:
            found.generate(KEY, LABEL, Suite.GCM)
        assert raised.value.fault is HsmFault.CLOSED
        assert running.process.wait(10) == -signal.SIGKILL
        with pytest.raises(HsmUnavailable) as raised:
            found.list_keys()
        assert raised.value.fault is HsmFault.UNREACHABLE


def test_an_agent_that_is_stopped_finishes_what_it_answers(tmp_path: Path, server: Identity, client: Identity) -> None:
    with in_a_process(tmp_path, server, client, "slow-generate") as (running, found):
        found.list_keys()
        idle = remote(place(running.address, server, client))
        idle.list_keys()
        threading.Timer(0.2, running.signal, (signal.SIGTERM,)).start()
        found.generate(KEY, LABEL, Suite.GCM)
        assert running.process.wait(10) == 0
        for each in (found, idle):
            with pytest.raises(HsmUnavailable) as raised:
                each.list_keys()
            assert raised.value.fault is HsmFault.UNREACHABLE
            each.close()
        assert "Traceback" not in running.errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_agent_stops_at_once_with_0(number: int, tmp_path: Path, server: Identity, client: Identity) -> None:
    with in_a_process(tmp_path, server, client) as (running, found):
        found.list_keys()
        running.signal(number)
        assert running.process.wait(5) == 0
        assert "Traceback" not in running.errors


def test_a_lost_connection_is_made_anew_and_a_read_asked_again(
    tmp_path: Path, server: Identity, client: Identity
) -> None:
    token = MemoryToken()
    first = Running(tmp_path / "agent", server, token=token, limits=AgentLimits(idle=0.2))
    with first.served():
        first.register(client)
        found = first.remote(client)
        found.generate(KEY, LABEL, Suite.GCM)
        time.sleep(0.5)  # sent away: it was idle
        found.generate("cd" * 16, "reconciler/marker/x", Suite.GCM)
        time.sleep(0.5)
        blob = found.wrap(KEY, Suite.GCM, DataKey(b"k" * 32), b"context")
        assert found.unwrap(blob, b"context") == DataKey(b"k" * 32)
        assert token.logins == [PIN], "the token was asked once for all of these connections"
        assert [each.key_id for each in found.list_keys()] == [KEY, "cd" * 16]
        found.close()


def test_an_agent_that_is_down_is_not_called_more_and_more_often(server: Identity, client: Identity) -> None:
    clock = ManualClock(CLOCK.now())
    found = RemotePartition(
        place("127.0.0.1:1", server, client),
        lambda: bytearray(PIN.encode()),
        clock=clock,
        random=RANDOM,
        deadlines=replace(SHORT, waiting_most=2.0),
    )
    begun = clock.now()
    for _ in range(8):
        with pytest.raises(HsmUnavailable):
            found.list_keys()
    waited = (clock.now() - begun).total_seconds()
    assert 4 < waited <= 10


@contextmanager
def answering(behaviour: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that behaves so to each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    try:
                        behaviour(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*listening.getsockname())
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def issued(name: str) -> tuple[Certificate, Identity]:
    """A certificate that may issue others, and one that it issued."""
    now = CLOCK.now()

    def signed(subject: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *, ca: bool) -> str:
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(by, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM).decode()

    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    private = own.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    leaf = read_certificate(signed(name, own, root, ca=False), "leaf")
    return (
        read_certificate(signed("authority", root, root, ca=True), "authority"),
        Identity(name=name, certificate=leaf, private=DataKey(private)),
    )
