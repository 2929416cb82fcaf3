"""``reconciler hsm-agent`` as an operator meets it, in front of a real token."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.cli import main
from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler.testing.quick_folder import quick_folder
from reconciler_pkcs11.certificates import Side, private_key_pem, read_certificate, read_private_key
from reconciler_pkcs11.link.dialling import Place
from reconciler_pkcs11.link.limits import Deadlines
from reconciler_pkcs11.link.remote import RemotePartition
from reconciler_pkcs11.tests.link_world import CLOCK, ROOT, identity, remote
from reconciler_pkcs11.tests.opening import AAD, data_key, label_of, new_id
from reconciler_pkcs11.tests.tokens import Tokens

CLIENT = identity("orders")
PATIENT = Deadlines(waiting_most=0.1)


class Agents:
    """The command in ``folder``, whose operator's file lists the modules of ``tokens``."""

    def __init__(self, folder: Path, tokens: Tokens) -> None:
        self.folder, self.tokens = folder, tokens
        self.home = folder / "agent"
        paths = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")}
        self.environment = {
            **kept,
            "PYTHONPATH": paths,
            "HOME": str(folder),
            "RECONCILER_OPERATOR_FILE": str(tokens.operator_file),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "reconciler", "hsm-agent", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def flags(self, *more: str) -> list[str]:
        named = {"--folder": str(self.home), "--module": "softhsm", "--token-label": self.tokens["a"].label}
        return [*(word for pair in named.items() for word in pair), "--listen", "127.0.0.1:0", *more]

    @contextmanager
    def serving(self, *more: str) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
        errors = self.folder / f"stderr-{time.monotonic_ns()}"
        with errors.open("w") as stream:
            started = subprocess.Popen(
                [sys.executable, "-m", "reconciler", "hsm-agent", *self.flags(*more)],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )
        assert started.stdout is not None
        try:
            found = re.match(r"listening on (\S+)", started.stdout.readline())
            assert found, errors.read_text()
            yield started, found[1], errors
        finally:
            started.kill()
            started.wait(30)
            started.stdout.close()

    def remote(self, address: str, pin: str | None = None) -> RemotePartition:
        server = read_certificate((self.home / "agent.pem").read_text(), "agent")
        place = Place(address=address, server=server, identity=CLIENT)
        return remote(place, pin or self.tokens["a"].pin, deadlines=PATIENT)


@pytest.fixture(scope="module")
def made_agent() -> Iterator[Path]:
    """The folder of a new agent with one client, to be copied."""
    with quick_folder() as folder:
        assert main(["hsm-agent", "init", str(folder / "agent"), "--name", "hsm1.example"]) == 0
        (folder / "agent" / "clients" / "orders.pem").write_text(CLIENT.certificate.pem)
        yield folder / "agent"


@pytest.fixture
def agents(made_agent: Path, tmp_path: Path, tokens: Tokens) -> Agents:
    made = Agents(tmp_path, tokens)
    shutil.copytree(made_agent, made.home)
    return made


def test_init_makes_a_key_pair_prints_what_is_pinned_and_does_it_once(tmp_path: Path, tokens: Tokens) -> None:
    agents = Agents(tmp_path, tokens)
    done = agents.run("init", str(agents.home), "--name", "hsm1.example", "--days", "10")
    shown = read_certificate(done.stdout, "output")
    assert (shown.common_name, (shown.not_after - CLOCK.now()).days) == ("hsm1.example", 9)
    assert shown.fingerprint in done.stderr
    assert (agents.home / "agent.key").stat().st_mode & 0o777 == 0o600
    assert (agents.home / "clients").is_dir()
    read_private_key((agents.home / "agent.key").read_bytes(), "key").wipe()
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    again = agents.run("init", str(agents.home), "--name", "hsm1.example")
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert read_certificate((agents.home / "agent.pem").read_text(), "file").fingerprint == shown.fingerprint


def processes_below(pid: int) -> list[int]:

    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return [pid, *(each for child in children for each in processes_below(int(child)))]


def test_a_client_uses_the_token_and_its_pin_is_nowhere_to_be_seen(agents: Agents) -> None:
    with agents.serving() as (process, address, errors):
        found = agents.remote(address)
        found.list_keys()
        key_id, key = new_id(), data_key()
        found.generate(key_id, label_of(key_id), Suite.GCM)
        assert found.unwrap(found.wrap(key_id, Suite.GCM, key, AAD), AAD) == key
        pids = processes_below(process.pid)
        assert len(pids) > 1, "the token is in a worker of its own"
        pin = agents.tokens["a"].pin.encode()
        for pid in pids:
            for name in ("cmdline", "environ"):
                assert pin not in Path(f"/proc/{pid}/{name}").read_bytes()
            assert re.search(r"Max core file size\s+0\s+0", Path(f"/proc/{pid}/limits").read_text())
        found.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        said = errors.read_text()
        assert f'"orders" ({CLIENT.certificate.fingerprint[:16]}) connected from 127.0.0.1' in said
        assert "Traceback" not in said
        for pid in pids[1:]:
            assert not Path(f"/proc/{pid}").exists(), "the worker is left behind"
        secrets = [pin, bytes(key.expose_key_bytes()), bytes(key.expose_key_bytes()).hex().encode()]
        written = said.encode() + b"".join(each.read_bytes() for each in agents.home.rglob("*") if each.is_file())
        assert not [secret for secret in secrets if secret in written]


def test_an_agent_that_is_killed_takes_its_worker_along_and_comes_back(agents: Agents) -> None:
    key_id, key = new_id(), data_key()
    with agents.serving() as (process, address, _):
        found = agents.remote(address)
        found.generate(key_id, label_of(key_id), Suite.GCM)
        sealed = found.wrap(key_id, Suite.GCM, key, AAD)
        found.close()
        pids = processes_below(process.pid)
        process.kill()
        process.wait(10)
        end = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids[1:]):
            assert time.monotonic() < end, "the worker is left behind"
            time.sleep(0.05)
    with agents.serving() as (_, address, _):
        found = agents.remote(address)
        assert found.unwrap(sealed, AAD) == key
        found.close()


def test_a_client_that_was_wrong_too_often_waits_for_its_operator(agents: Agents) -> None:
    with agents.serving() as (_, address, errors):
        for pin, fault in (
            ("wrong-1", HsmFault.PIN_REFUSED),
            ("wrong-2", HsmFault.PIN_REFUSED),
            (None, HsmFault.REFUSED),
        ):
            found = agents.remote(address, pin)
            with pytest.raises(HsmError) as raised:
                found.list_keys()
            assert raised.value.fault is fault
            found.close()
        assert "wrong-1" not in errors.read_text()
        done = agents.run("forgive", str(agents.home), "--client", CLIENT.certificate.fingerprint[:16])
        assert (done.returncode, done.stdout) == (0, "1 client may log in again.\n")
        found = agents.remote(address)
        found.list_keys()
        found.close()


def test_a_label_that_no_token_has_is_told_to_the_client(agents: Agents) -> None:
    with agents.serving("--token-label", "no-such") as (_, address, _):
        found = agents.remote(address)
        with pytest.raises(HsmUnavailable) as raised:
            found.list_keys()
        assert raised.value.fault is HsmFault.ABSENT_OR_AMBIGUOUS
        found.close()


def spoil_key_mode(home: Path) -> None:
    (home / "agent.key").chmod(0o644)


def spoil_key(home: Path) -> None:
    (home / "agent.key").write_text("nothing")


def another_key(home: Path) -> None:
    (home / "agent.key").write_bytes(private_key_pem(identity("x").private))


def expired(home: Path) -> None:
    old = identity("hsm1", Side.SERVER, from_days=-40, days=30)
    (home / "agent.pem").write_text(old.certificate.pem)
    (home / "agent.key").write_bytes(private_key_pem(old.private))


def tomorrow(home: Path) -> None:
    early = identity("hsm1", Side.SERVER, from_days=2)
    (home / "agent.pem").write_text(early.certificate.pem)
    (home / "agent.key").write_bytes(private_key_pem(early.private))


def open_folder(home: Path) -> None:
    (home / "clients").chmod(0o777)


def nothing(home: Path) -> None:
    pass


REFUSALS = {
    "a key that others can read": (spoil_key_mode, [], "its mode is 0644"),
    "a key that is none": (spoil_key, [], "holds no private key"),
    "a key of another certificate": (another_key, [], "is not that of the certificate"),
    "an expired certificate": (expired, [], "expired on"),
    "a certificate of tomorrow": (tomorrow, [], "is not valid yet"),
    "a folder of clients that others can write": (open_folder, [], "others can change it"),
    "a module that is not listed": (nothing, ["--module", "mine"], "modules:\n"),
    "a token twice": (nothing, ["--slot", "1"], "either --token-label LABEL or --slot NUMBER"),
    "an address that is none": (nothing, ["--listen", "8711"], "HOST:PORT"),
    "a client file that is not there": (nothing, ["--client", "none.pem"], "none.pem"),
    "a plugin that serves none": (nothing, ["--plugin", "tables"], "does not serve partitions"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_it_does_not_begin_with(
    what: str, agents: Agents, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, flags, words = REFUSALS[what]
    spoil(agents.home)
    monkeypatch.setenv("RECONCILER_OPERATOR_FILE", str(agents.tokens.operator_file))
    monkeypatch.chdir(agents.folder)
    assert main(["hsm-agent", *agents.flags(*flags)]) == 1
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hsm-agent"], "hsm-agent init"),
        (["hsm-agent", "--folder", "x"], "--module"),
        (["hsm-agent", "--folder", "x", "--module", "y"], "--token-label"),
        (["hsm-agent", "--folder", "x", "--module", "y", "--slot", "0"], "hsm-agent init"),
        (["hsm-agent", "forgive", "x", "--client", "zz"], "SHA-256"),
        (["hsm-agent", "init", "x", "--name", "n" * 65], "1 to 64"),
    ],
)
def test_what_is_missing_is_said(
    arguments: Sequence[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-C", str(tmp_path), *arguments]) == 1
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_ends_soon_and_that_nobody_is_registered_is_said_at_the_start(agents: Agents) -> None:
    soon = identity("soon", days=5)
    (agents.home / "clients" / "orders.pem").write_text(soon.certificate.pem)
    with agents.serving() as (_, _, errors):
        assert 'the certificate of client "soon" expires on' in errors.read_text()
    (agents.home / "clients" / "orders.pem").unlink()
    with agents.serving() as (_, _, errors):
        assert "no client is registered yet" in errors.read_text()
