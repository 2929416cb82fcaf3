"""A client can neither hold the server up nor feed it without end; and what runs when it is stopped is finished."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.serving.impatient_server import LIMITS
from tests.serving.processes import Served, serving
from tests.serving.signing import call, send, signed_headers, target

SCRIPT = ("-m", "tests.serving.impatient_server")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), script=SCRIPT) as found:
        yield found


def raw(host: str, *parts: bytes, pause: float = 0.0, seconds: float = 5) -> bytes:
    """Send bytes as they are, with pauses between them; all that comes back until the server closes."""
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), timeout=seconds) as connection:
        for number, part in enumerate(parts):
            if number:
                time.sleep(pause)
            try:
                connection.sendall(part)
            except OSError:
                break
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
        return answer


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


def test_a_connection_that_says_nothing_is_closed(served: Served) -> None:
    began = time.monotonic()
    assert raw(served.host) == b""
    assert LIMITS.head_seconds * 0.8 < time.monotonic() - began < 4


def test_a_head_that_comes_drop_by_drop_is_not_waited_for(served: Served) -> None:
    drops = [HEAD[at : at + 1] for at in range(len(HEAD))]
    assert raw(served.host, *drops, pause=0.05) == b""


def test_a_second_request_on_a_connection_is_not_waited_for_either(served: Served) -> None:
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = raw(served.host, first, b"G", b"E", b"T", b" ", b"/", pause=0.12)
    assert answer.count(b"HTTP/1.1 200") == 1


def test_a_body_that_does_not_come_is_answered_with_408(served: Served) -> None:
    answer = raw(served.host, HEAD + b"Content-Length: 10\r\n\r\n123")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"RequestTimeoutException" in answer


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Content-Length: 1000000\r\n\r\n",
        HEAD + b"Content-Length: 99999999999999999\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n",
    ],
)
def test_a_body_beyond_the_limit_is_answered_with_413_and_not_read(served: Served, head: bytes) -> None:
    answer = raw(served.host, head)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"RequestEntityTooLargeException" in answer
    assert b"x-amzn-requestid" in answer.lower()


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"a\x00b: c\r\n\r\n",
        HEAD + b"x: " + b"y" * 600_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_without_harm(served: Served, head: bytes) -> None:
    assert raw(served.host, head)[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 431", b""}
    assert send(served.host, b"", {}, method="GET", path="/healthz").status == 200


def test_a_client_that_goes_away_is_no_error(served: Served) -> None:
    name, _, port = served.host.partition(":")
    for _ in range(20):
        with socket.create_connection((name, int(port)), timeout=5) as connection:
            connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
    assert call(served.host, "ListKeys", {}).status == 200
    assert "Traceback" not in served.errors


def test_requests_wait_while_everything_is_reset(served: Served) -> None:
    with ThreadPoolExecutor(8) as pool:
        slow = pool.submit(call, served.host, "CreateKey", {"a": 1})
        time.sleep(0.3)
        reset = pool.submit(send, served.host, b"", {}, path="/_reset")
        time.sleep(0.1)
        waiting = [pool.submit(call, served.host, "ListKeys", {"n": n}) for n in range(4)]
        assert not reset.done()
        assert slow.result().json == {"Done": True}
        assert reset.result().status == 200
        assert [each.result().status for each in waiting] == [200] * 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_when_it_is_stopped_is_finished(number: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("stopped"), script=SCRIPT) as own:
        idle = http.client.HTTPConnection(own.host, timeout=5)
        body = b"{}"
        headers = signed_headers(body, target("ListKeys"), host=own.host, now=datetime.now(UTC))
        idle.request("POST", "/", body, headers)
        idle.getresponse().read()  # and stays open
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(call, own.host, "CreateKey", {})
            time.sleep(0.4)
            own.process.send_signal(number)
            assert slow.result().json == {"Done": True}
        assert own.process.wait(10) == 0
        assert own.errors == ""
        idle.close()
        with pytest.raises(ConnectionRefusedError):
            call(own.host, "ListKeys", {})
