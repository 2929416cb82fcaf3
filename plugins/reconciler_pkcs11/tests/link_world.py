"""A token in memory (real AES-GCM, a PIN that it counts), and agents that serve it: in this process, or in another."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault, InvalidCiphertextException
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.hsm import Suite
from reconciler.providers.hsm_agent import AgentRequest, AgentServices
from reconciler.providers.plugin import NativeModule
from reconciler_pkcs11.breaker import Breaker
from reconciler_pkcs11.certificates import Identity, Side, make_key_pair, private_key_pem
from reconciler_pkcs11.link.agent import Agent
from reconciler_pkcs11.link.attempts import Attempts
from reconciler_pkcs11.link.conversation import House
from reconciler_pkcs11.link.dialling import Place
from reconciler_pkcs11.link.limits import AgentLimits, Deadlines
from reconciler_pkcs11.link.opened import OpenedPartition, Opener
from reconciler_pkcs11.link.rates import Rates
from reconciler_pkcs11.link.registered import Registered
from reconciler_pkcs11.link.remote import RemotePartition
from reconciler_pkcs11.link.reports import Reports
from reconciler_pkcs11.partition import Examination, Partition, TokenKey
from reconciler_pkcs11.reaching import Way

PIN = "user-pin-in-memory"
ROOT = Path(__file__).resolve().parents[3]
CLOCK = SystemClock()
RANDOM = SystemRandom()
SHORT = Deadlines(connecting=2.0, reading=1.0, changing=1.5, logging_in=2.0, waiting_most=0.1)


@dataclass
class MemoryToken:
    """``logins`` are the PINs that it was asked to accept. ``before`` runs before each operation, with its name."""

    pin: str = PIN
    keys: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda operation: None
    asks: Callable[[], bytearray] = bytearray

    def log_in(self, pin: Callable[[], bytearray]) -> MemoryPartition:
        """A worker that is logged in. HsmError (PIN_REFUSED)."""
        self.before("log_in")
        self.asks = pin
        self.logins.append(pin().decode())
        if self.logins[-1] != self.pin:
            raise HsmError("CKR_PIN_INCORRECT", fault=HsmFault.PIN_REFUSED)
        return MemoryPartition(self)


@dataclass
class MemoryPartition:
    """A ``Partition`` of it."""

    token: MemoryToken
    is_closed: bool = False

    def examine(self) -> Examination:
        self.token.before("examine")
        return Examination(
            label="memory",
            serial="1",
            model="memory",
            manufacturer="tests",
            slot=0,
            suites=(Suite.GCM, Suite.CBC_HMAC),
            leaks=(),
        )

    def list_keys(self) -> list[TokenKey]:
        self.token.before("list_keys")
        return [TokenKey(key_id=key_id, label=label) for key_id, (label, _) in sorted(self.token.keys.items())]

    def find_keys(self, key_id: str) -> list[TokenKey]:
        return [each for each in self.list_keys() if each.key_id == key_id]

    def generate(self, key_id: str, label: str, suite: Suite, *, relabelled: bool = False) -> None:
        self.token.before("generate")
        if key_id in self.token.keys:
            raise HsmError(f"the id {key_id} is taken", fault=HsmFault.KEY_DUPLICATE)
        self.token.keys[key_id] = (label, os.urandom(32))
        self.token.before("generated")

    def wrap(self, key_id: str, suite: Suite, key: DataKey, aad: bytes) -> bytes:
        self.token.before("wrap")
        nonce = os.urandom(12)
        sealed = AESGCM(self._key(key_id)).encrypt(nonce, bytes(key.expose_key_bytes()), aad)
        return bytes.fromhex(key_id) + nonce + sealed

    def unwrap(self, blob: bytes, aad: bytes) -> DataKey:
        self.token.before("unwrap")
        try:
            return DataKey(AESGCM(self._key(blob[:16].hex())).decrypt(blob[16:28], blob[28:], aad))
        except InvalidTag:
            raise InvalidCiphertextException("the ciphertext does not open") from None

    def relabel(self, key_id: str, label: str) -> None:
        self.token.before("relabel")
        self.token.keys[key_id] = (label, self._key(key_id))

    def destroy(self, key_id: str, label: str) -> None:
        self.token.before("destroy")
        if self.token.keys.get(key_id, ("",))[0] == label:
            del self.token.keys[key_id]

    def close(self) -> None:
        self.is_closed = True

    def _key(self, key_id: str) -> bytes:
        if key_id not in self.token.keys:
            raise HsmError(f"no key {key_id}", fault=HsmFault.KEY_MISSING)
        return self.token.keys[key_id][1]


def identity(name: str, side: Side = Side.CLIENT, *, from_days: int = 0, days: int = 30) -> Identity:
    """A key pair whose certificate begins ``from_days`` from now."""
    now = datetime.now(CLOCK.now().tzinfo) + timedelta(days=from_days)
    private, certificate = make_key_pair(name, side, valid_days=days, now=now, random=RANDOM)
    return Identity(name=name, certificate=certificate, private=private)


@dataclass
class Running:
    """An agent in this process, in ``folder``. ``lines`` is what it reported."""

    folder: Path
    server: Identity
    limits: AgentLimits = field(default_factory=AgentLimits)
    token: MemoryToken = field(default_factory=MemoryToken)
    opener: Opener | None = None  # of the token in memory
    rate: int = 100_000
    lines: list[str] = field(default_factory=list)
    address: str = ""
    pin: str = PIN

    @property
    def clients(self) -> Path:
        return self.folder / "clients"

    def register(self, *clients: Identity) -> None:
        self.clients.mkdir(exist_ok=True, mode=0o700, parents=True)
        for each in clients:
            (self.clients / f"{each.name}.pem").write_text(each.certificate.pem)

    def place(self, client: Identity, *, server: Identity | None = None) -> Place:
        return Place(address=self.address, server=(server or self.server).certificate, identity=client)

    def remote(self, client: Identity, pin: str = PIN, *, deadlines: Deadlines = SHORT) -> RemotePartition:
        return remote(self.place(client), pin, deadlines=deadlines)

    def says(self, words: str) -> None:
        """Fail unless it reports something with these words soon."""
        end = time.monotonic() + 5
        while not any(words in line for line in self.lines):
            assert time.monotonic() < end, self.lines
            time.sleep(0.01)

    @contextmanager
    def served(self) -> Iterator[Running]:
        self.folder.mkdir(exist_ok=True, mode=0o700)
        self.clients.mkdir(exist_ok=True, mode=0o700)
        reports = Reports(self.lines.append, CLOCK)
        registered = Registered((), self.clients, fs=OsFs(), clock=CLOCK, report=reports.say)
        breaker, attempts = Breaker(self.folder, OsFs(), RANDOM), Attempts(self.folder, self.limits.refused_pins_each)
        opened = OpenedPartition(
            self.opener or self.token.log_in,
            "memory",
            breaker=breaker,
            attempts=attempts,
            limits=self.limits,
            random=RANDOM,
            report=reports.say,
        )
        house = House(
            opened=opened,
            rates=Rates(self.rate),
            limits=self.limits,
            is_welcome=lambda fingerprint: registered.admits(fingerprint, older_than=self.limits.recheck),
            report=reports.say,
        )
        bound = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{bound.getsockname()[1]}"
        stop = threading.Event()
        agent = threading.Thread(target=Agent(bound, self.server, registered, house, reports).run, args=(stop,))
        agent.start()
        try:
            yield self
        finally:
            stop.set()
            with suppress(OSError):  # it looks up at once
                socket.create_connection(("127.0.0.1", int(self.address.rpartition(":")[2])), 1).close()
            agent.join(30)
            opened.close()
            breaker.close()
            attempts.close()
            assert not agent.is_alive()


def agent_services(report: Callable[[str], None]) -> AgentServices:
    """The machine, with one module on the operator's list."""
    return AgentServices(
        fs=OsFs(),
        clock=CLOCK,
        random=RANDOM,
        modules=lambda: {"memory": NativeModule(path=Path("/none.so"), environment={})},
        report=report,
    )


def remote(place: Place, pin: str = PIN, *, deadlines: Deadlines = SHORT) -> RemotePartition:
    """A client with that PIN."""
    return RemotePartition(place, lambda: bytearray(pin.encode()), clock=CLOCK, random=RANDOM, deadlines=deadlines)


@dataclass
class Process:
    """An agent in a process of its own."""

    process: subprocess.Popen[str]
    address: str
    error_file: Path

    @property
    def errors(self) -> str:
        return self.error_file.read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def freeze(self) -> None:
        """Stop it, every thread of it, until SIGCONT."""
        self.signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")
        while any(each.read_text().rpartition(")")[2].split()[0] != "T" for each in tasks.glob("*/stat")):
            time.sleep(0.005)


@contextmanager
def process(folder: Path, server: Identity, *arguments: str) -> Iterator[Process]:
    """``python -m`` this module: the whole agent (``ServesPartition``) around a token in memory."""
    folder.mkdir(exist_ok=True, mode=0o700)
    (folder / "clients").mkdir(exist_ok=True, mode=0o700)
    if not (folder / "agent.pem").exists():
        (folder / "agent.pem").write_text(server.certificate.pem)
        (folder / "agent.key").touch(mode=0o600)
        (folder / "agent.key").write_bytes(private_key_pem(server.private))
    errors = folder / f"stderr-{time.monotonic_ns()}"
    with errors.open("w") as stream:
        started = subprocess.Popen(
            [sys.executable, "-m", "reconciler_pkcs11.tests.link_world", str(folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])},
        )
    assert started.stdout is not None
    try:
        found = re.match(r"listening on (\S+)", started.stdout.readline())
        assert found, errors.read_text()
        yield Process(started, found[1], errors)
    finally:
        with suppress(ProcessLookupError):
            started.send_signal(signal.SIGCONT)
        started.kill()
        started.wait(30)
        started.stdout.close()


def main(folder: Path, fault: str = "") -> None:
    """Serve a token in memory. ``fault``: ``hang-OPERATION`` sleeps in it, ``die-OPERATION`` ends the process in it."""
    from reconciler.commands.hsm_agent.running import told_to_stop
    from reconciler_pkcs11.link.serving import ServesPartition

    kind, _, where = fault.partition("-")

    def before(operation: str) -> None:
        if operation == where:
            if kind == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(30 if kind == "hang" else 0.5)

    token = MemoryToken(before=before)

    class InMemory(ServesPartition):
        @staticmethod
        def opens(way: Way, pin: Callable[[], bytearray]) -> Partition:
            return token.log_in(pin)

    bound = socket.create_server(("127.0.0.1", 0))
    services = agent_services(lambda line: _write(sys.stderr, line))
    request = AgentRequest(
        folder=folder,
        module="memory",
        token_label="memory",
        slot=None,
        certificate=folder / "agent.pem",
        key=folder / "agent.key",
        clients=(),
        clients_folder=folder / "clients",
        rate=100_000,
    )
    with told_to_stop() as stop:
        address = "{}:{}".format(*bound.getsockname())
        InMemory.serve_partition(
            request,
            bound,
            services=services,
            stop=stop,
            on_ready=lambda shown: _write(sys.stdout, f"listening on {address}"),
        )


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
