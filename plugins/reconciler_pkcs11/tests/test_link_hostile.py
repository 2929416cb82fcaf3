"""Whoever comes to an agent with anything but a request: refused, cheaply, and nobody else is disturbed."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler.testing.fakes import SeededRandom
from reconciler_pkcs11.certificates import Identity, Side
from reconciler_pkcs11.link import messages
from reconciler_pkcs11.link.frames import Connection, Frame, Gone, NoFrame
from reconciler_pkcs11.link.limits import MOST_ANSWER_BYTES, MOST_REQUEST_BYTES, AgentLimits
from reconciler_pkcs11.link.tls import client_context
from reconciler_pkcs11.tests.link_world import PIN, MemoryToken, Running, identity

KEY = "ab" * 16
LABEL = f"reconciler/cluster/{KEY}"
QUICK = AgentLimits(handshake=0.4, login=0.4, frame=0.4, recheck=0.0)


@pytest.fixture(scope="module")
def server() -> Identity:
    return identity("hsm1", Side.SERVER)


@pytest.fixture(scope="module")
def client() -> Identity:
    return identity("orders")


@pytest.fixture
def agent(tmp_path: Path, server: Identity, client: Identity) -> Iterator[Running]:
    with Running(tmp_path / "agent", server, limits=QUICK).served() as running:
        running.register(client)
        yield running
        found = running.remote(client)
        found.list_keys()  # whatever happened, it serves who is welcome
        found.close()
        assert not any("unforeseen" in line for line in running.lines)


def plain(agent: Running) -> socket.socket:
    host, port = agent.address.split(":")
    return socket.create_connection((host, int(port)), 5)


def tls(agent: Running, client: Identity, *, alpn: tuple[str, ...] = (messages.PROTOCOL,)) -> ssl.SSLSocket:
    context = client_context(client, agent.server.certificate)
    context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(plain(agent))


def greeted(agent: Running, client: Identity) -> Connection:
    connection = Connection(tls(agent, client))
    greeting = messages.read_greeting(connection.receive(MOST_ANSWER_BYTES, first=5, rest=5))
    assert greeting.versions == (1,)
    return connection


def logged_in(agent: Running, client: Identity) -> Connection:
    connection = greeted(agent, client)
    answer = asked(connection, messages.as_frame(messages.LogIn(number=1), [PIN.encode()]))
    assert answer.failure is None
    return connection


def asked(connection: Connection, frame: Frame) -> messages.Answer:
    connection.send(frame, 5)
    return messages.read_answer(connection.receive(MOST_ANSWER_BYTES, first=5, rest=5))


def is_over(connection: socket.socket) -> bool:
    """Whether the other side ends the connection within a few seconds."""
    connection.settimeout(5)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


PLAIN = {
    "nothing, for ever": b"",
    "garbage": SeededRandom(7).bytes(4096),
    "HTTP": b"GET / HTTP/1.1\r\nHost: hsm1\r\n\r\n",
    "a frame without TLS": struct.pack(">II", 20, 16) + b'{"op":"list"}   ',
    "half a ClientHello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
}


@pytest.mark.parametrize("what", PLAIN)
def test_whoever_speaks_no_tls_is_sent_away(what: str, agent: Running) -> None:
    with plain(agent) as connection:
        connection.sendall(PLAIN[what])
        assert is_over(connection)
    agent.says("refused 127.0.0.1")


def test_a_client_of_tls_1_2_is_refused(agent: Running, client: Identity) -> None:
    context = client_context(client, agent.server.certificate)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with plain(agent) as connection, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        context.wrap_socket(connection)


def test_a_client_without_a_certificate_is_refused(agent: Running) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=agent.server.certificate.pem)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with plain(agent) as connection:
        found = context.wrap_socket(connection)
        with found, pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            found.recv(1)


@pytest.mark.parametrize("alpn", [("h2",), ("reconciler-hsm/2", "http/1.1")])
def test_another_protocol_inside_tls_is_refused(alpn: tuple[str, ...], agent: Running, client: Identity) -> None:
    with tls(agent, client, alpn=alpn) as found:
        greeting = messages.read_greeting(Connection(found).receive(MOST_ANSWER_BYTES, first=5, rest=5))
        assert greeting.failure is not None
        assert greeting.failure.fault is HsmFault.REFUSED
        assert is_over(found)


def frame(head: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">II", 4 + len(head) + len(body), len(head)) + head + body


BAD_FRAMES = {
    "no JSON": frame(b"{"),
    "no object": frame(b"[]"),
    "an unknown operation": frame(b'{"op":"export","key_id":"' + KEY.encode() + b'","number":1}'),
    "an unknown field": frame(b'{"op":"list","number":1,"all":true}'),
    "a missing field": frame(b'{"op":"destroy","number":1,"key_id":"' + KEY.encode() + b'"}'),
    "a field of another type": frame(b'{"op":"list","number":"1"}'),
    "a key id that is none": frame(b'{"op":"destroy","number":1,"key_id":"../x","label":"reconciler/cluster/x"}'),
    "a label that is not ours": frame(
        b'{"op":"destroy","number":1,"key_id":"' + KEY.encode() + b'","label":"bank/root"}'
    ),
    "a label with a newline": frame(
        b'{"op":"destroy","number":1,"key_id":"' + KEY.encode() + b'","label":"reconciler/x\\n"}'
    ),
    "parts that the body does not have": frame(b'{"op":"unwrap","number":1,"parts":[10,10]}', b"x"),
    "parts below zero": frame(b'{"op":"unwrap","number":1,"parts":[-1,2]}', b"x"),
    "too few parts": frame(b'{"op":"unwrap","number":1,"parts":[1]}', b"x"),
    "a body that nobody asked for": frame(b'{"op":"list","number":1}', b"x"),
    "a head longer than the frame": struct.pack(">II", 8, 100) + b"{}",
    "a frame shorter than its lengths": struct.pack(">II", 3, 0),
    "an empty frame": struct.pack(">II", 4, 0),
    "larger than allowed": struct.pack(">II", MOST_REQUEST_BYTES + 5, 2) + b"{}",
    "as large as a number goes": struct.pack(">II", 0xFFFFFFFF, 0xFFFFFFFF),
    "a second login": frame(b'{"op":"log-in","number":2,"version":1,"parts":[1]}', b"x"),
    "very deep": frame(b'{"op":"list","number":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "no UTF-8": frame(b'{"op":"\xff"}'),
}


@pytest.mark.parametrize("is_logged_in", [False, True], ids=["before the login", "logged in"])
@pytest.mark.parametrize("what", BAD_FRAMES)
def test_what_is_no_request_ends_the_connection(
    what: str, is_logged_in: bool, agent: Running, client: Identity
) -> None:
    if what == "a second login" and not is_logged_in:
        return  # the first one, with a wrong PIN
    connection = logged_in(agent, client) if is_logged_in else greeted(agent, client)
    connection._tls.sendall(BAD_FRAMES[what])
    with pytest.raises((Gone, OSError)):
        connection.receive(MOST_ANSWER_BYTES, first=3, rest=3)
    connection.close()
    agent.says("what it sent is no request")


def test_nothing_is_answered_before_the_login(agent: Running, client: Identity) -> None:
    for request in (messages.ListKeys(number=1), messages.Examine(number=1), messages.FindKeys(number=1, key_id=KEY)):
        connection = greeted(agent, client)
        with pytest.raises((Gone, OSError)):
            asked(connection, messages.as_frame(request))
        connection.close()
    assert agent.token.logins == []


def test_another_version_is_refused_in_words(agent: Running, client: Identity) -> None:
    connection = greeted(agent, client)
    answer = asked(connection, messages.as_frame(messages.LogIn(number=1, version=9), [PIN.encode()]))
    assert answer.failure is not None
    assert "version 9" in answer.failure.summary
    connection.close()
    assert agent.token.logins == []


@pytest.mark.parametrize("pin", [b"", b"9" * 256])
def test_a_pin_that_can_be_none_never_reaches_the_token(pin: bytes, agent: Running, client: Identity) -> None:
    connection = greeted(agent, client)
    with pytest.raises((Gone, OSError)):
        asked(connection, messages.as_frame(messages.LogIn(number=1), [pin]))
    connection.close()
    assert agent.token.logins == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=300))
def test_no_bytes_disturb_the_agent(data: bytes, agent: Running, client: Identity) -> None:
    connection = logged_in(agent, client)
    with suppress(OSError):
        connection._tls.sendall(data)
    connection.close()


@pytest.mark.parametrize("most", [1, 7, 20])
def test_a_frame_that_is_cut_off_changes_nothing(most: int, agent: Running, client: Identity) -> None:
    connection = logged_in(agent, client)
    whole = frame(
        b'{"op":"generate","number":2,"key_id":"' + KEY.encode() + b'","label":"' + LABEL.encode() + b'",'
        b'"suite":"gcm","relabelled":false}'
    )
    connection._tls.sendall(whole[:-most])
    connection.close()
    agent.says("in the middle of a request")
    assert agent.token.keys == {}


@pytest.mark.parametrize("is_logged_in", [False, True], ids=["login", "request"])
def test_whoever_sends_slowly_is_sent_away(is_logged_in: bool, agent: Running, client: Identity) -> None:
    connection = logged_in(agent, client) if is_logged_in else greeted(agent, client)
    begun = time.monotonic()
    with pytest.raises(OSError):
        for byte in BAD_FRAMES["very deep"][:60]:
            connection._tls.sendall(bytes([byte]))
            time.sleep(0.05)
    assert time.monotonic() - begun < 3
    connection.close()
    agent.says("too slowly")


def test_strangers_who_hold_connections_open_keep_nobody_out_who_is_in(
    tmp_path: Path, server: Identity, client: Identity
) -> None:
    limits = AgentLimits(handshake=1.0, half_open=6, half_open_each=4)
    with Running(tmp_path / "agent", server, limits=limits).served() as running:
        running.register(client)
        inside = running.remote(client)
        inside.generate(KEY, LABEL, Suite.GCM)
        held = [plain(running) for _ in range(12)]
        running.says("too many connections are being opened")
        begun = time.monotonic()
        assert inside.list_keys()
        assert time.monotonic() - begun < 0.5
        time.sleep(1.2)  # their deadline is over
        other = running.remote(client)
        assert other.list_keys()
        for each in held:
            each.close()
        inside.close()
        other.close()


def test_one_client_cannot_take_every_connection(tmp_path: Path, server: Identity, client: Identity) -> None:
    second = identity("billing")
    with Running(tmp_path / "agent", server, limits=AgentLimits(connections_each=2)).served() as running:
        running.register(client, second)
        mine = [running.remote(client) for _ in range(3)]
        mine[0].list_keys()
        mine[1].list_keys()
        with pytest.raises(HsmUnavailable) as raised:
            mine[2].list_keys()
        assert raised.value.fault is HsmFault.BUSY
        other = running.remote(second)
        assert other.list_keys() == []
        for each in (*mine, other):
            each.close()


def test_a_client_that_asks_too_often_is_refused_in_words_and_others_are_not(
    tmp_path: Path, server: Identity, client: Identity
) -> None:
    second = identity("billing")
    with Running(tmp_path / "agent", server, rate=5).served() as running:
        running.register(client, second)
        connection = logged_in(running, client)
        answers = [asked(connection, messages.as_frame(messages.ListKeys(number=number))) for number in range(15)]
        refused = [each.failure for each in answers if each.failure is not None]
        assert refused
        assert refused[-1].fault is HsmFault.BUSY
        assert "more often than it may" in refused[-1].summary
        assert (refused[-1].again_after or 0) > 0
        connection.close()
        other = running.remote(second)
        assert other.list_keys() == []
        begun = time.monotonic()
        for _ in range(12):
            other.list_keys()  # our own client is slower then, and not refused
        assert time.monotonic() - begun > 0.4
        other.close()


def test_a_certificate_that_is_taken_out_is_refused_at_the_next_request(agent: Running, client: Identity) -> None:
    leaving = identity("leaving")
    agent.register(leaving)
    found = agent.remote(leaving)
    found.list_keys()
    (agent.clients / "leaving.pem").unlink()
    with pytest.raises(HsmUnavailable) as raised:
        found.list_keys()
    assert raised.value.fault is HsmFault.CLIENT_CERT_REJECTED
    with pytest.raises(HsmUnavailable) as raised:
        found.list_keys()
    assert raised.value.fault is HsmFault.CLIENT_CERT_REJECTED
    found.close()


def test_files_that_are_no_certificates_let_nobody_in_and_others_still(agent: Running, client: Identity) -> None:
    (agent.clients / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    open_to_all = identity("open")
    agent.register(open_to_all)
    (agent.clients / "open.pem").chmod(0o666)
    found = agent.remote(open_to_all)
    with pytest.raises(HsmUnavailable) as raised:
        found.list_keys()
    assert raised.value.fault is HsmFault.CLIENT_CERT_REJECTED
    found.close()
    agent.says("nobody is let in by")
    agent.says("others can change it")


def test_two_clients_at_once_get_each_their_own_answers(agent: Running, client: Identity) -> None:
    second = identity("billing")
    agent.register(second)
    failures: list[BaseException] = []

    def work(who: Identity, number: int) -> None:
        try:
            found = agent.remote(who)
            key_id = f"{number:032x}"
            found.generate(key_id, f"reconciler/cluster/{key_id}", Suite.GCM)
            for each in range(20):
                key = DataKey(bytes([number, each]) * 16)
                blob = found.wrap(key_id, Suite.GCM, key, b"context")
                assert found.unwrap(blob, b"context") == key
            found.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(who, number)) for number, who in enumerate([client, second] * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(agent.token.keys) == 4


def test_whoever_waits_too_long_for_a_turn_hears_that_others_use_it(
    tmp_path: Path, server: Identity, client: Identity
) -> None:
    holding, held = threading.Event(), threading.Event()

    def before(operation: str) -> None:
        if operation == "generate":
            held.set()
            holding.wait(10)

    token = MemoryToken(before=before)
    limits = AgentLimits(turn_reading=0.1, turn_changing=0.1)
    with Running(tmp_path / "agent", server, limits=limits, token=token).served() as running:
        running.register(client)
        first, second = running.remote(client), running.remote(client)
        second.list_keys()
        thread = threading.Thread(target=first.generate, args=(KEY, LABEL, Suite.GCM))
        thread.start()
        assert held.wait(5)
        for operation in (second.list_keys, lambda: second.destroy(KEY, LABEL)):
            with pytest.raises(HsmUnavailable, match="Nothing was done") as raised:
                operation()
            assert raised.value.fault is HsmFault.BUSY
        holding.set()
        thread.join(5)
        assert second.list_keys()
        first.close()
        second.close()


LYING: dict[str, Callable[[int], bytes]] = {
    "no JSON": lambda number: frame(b"{"),
    "another number": lambda number: frame(b'{"number":%d,"keys":[]}' % (number + 1)),
    "nothing that was asked for": lambda number: frame(b'{"number":%d}' % number),
    "an unknown field": lambda number: frame(b'{"number":%d,"keys":[],"more":1}' % number),
    "a body that nobody announced": lambda number: frame(b'{"number":%d,"keys":[]}' % number, b"x"),
    "too large": lambda number: struct.pack(">II", MOST_ANSWER_BYTES + 5, 2),
}


@pytest.mark.parametrize("lie", LYING)
def test_an_agent_that_does_not_keep_to_the_protocol_is_not_believed(
    lie: str, server: Identity, client: Identity
) -> None:
    from reconciler_pkcs11.link.dialling import Place
    from reconciler_pkcs11.link.tls import server_context
    from reconciler_pkcs11.tests.link_world import remote
    from reconciler_pkcs11.tests.test_link_faults import answering

    context = server_context(server, [client.certificate])

    def behaves(raw: socket.socket) -> None:
        with context.wrap_socket(raw, server_side=True) as found:
            connection = Connection(found)
            connection.send(messages.as_frame(messages.Greeting(versions=(1,), agent="liar\x1b[2J")), 2)
            with suppress(NoFrame):
                said = messages.read_request(connection.receive(MOST_REQUEST_BYTES, first=2, rest=2))
                connection.send(messages.as_frame(messages.Answer(number=said.number)), 2)
                said = messages.read_request(connection.receive(MOST_REQUEST_BYTES, first=2, rest=2))
                found.sendall(LYING[lie](said.number))

    with answering(behaves) as address:
        victim = remote(Place(address=address, server=server.certificate, identity=client))
        with pytest.raises(HsmError, match="not of the protocol"):
            victim.list_keys()
        victim.close()


def test_words_of_the_agent_cannot_move_a_cursor() -> None:
    from reconciler_pkcs11.link.failures import as_error

    error = as_error(messages.Failure(kind="hsm", fault=HsmFault.REFUSED, summary="x\x1b[2Jy", detail="a\u202eb"))
    assert error.summary == "x?[2Jy"
    assert error.detail == "a?b"
