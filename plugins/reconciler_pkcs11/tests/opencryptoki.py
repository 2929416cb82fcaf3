"""A token of opencryptoki: one partition, CBC alone, and a PIN that is locked after three refusals (PKCS11.md 1).

Its paths are compiled in, and it has a daemon: only ``scripts/test_opencryptoki.sh`` makes a place for it, where both
are private. Each test has a new token and a daemon of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from reconciler_pkcs11.tests.tokens import Tokens

LABEL: Final = "oc-part-a"
PIN: Final = "user-a12"  # 4 to 8 characters
OFFICER: Final = "87654321"  # as it comes from the factory
_PRIVATE: Final = Path("/run/opencryptoki-is-private")
_PID: Final = Path("/run/pkcsslotd.pid")
_TOKEN: Final = Path("/var/lib/opencryptoki/swtok")
_LOCKS: Final = Path("/run/lock/opencryptoki")
_SHARED: Final = Path("/dev/shm/var.lib.opencryptoki.swtok")  # noqa: S108  # its own name, in memory of ours


class Daemon:
    """``pkcsslotd``, without which the module has no slot; and what it and the module keep."""

    def __init__(self) -> None:
        if not _PRIVATE.exists():
            raise RuntimeError("scripts/test_opencryptoki.sh runs these tests: elsewhere, paths would be the machine's")

    def start(self) -> None:
        subprocess.run(["/usr/sbin/pkcsslotd"], env=_libraries(), check=True, timeout=10)

    def stop(self) -> None:
        """As a restart of its machine does: what is in memory is gone, what is on disk stays."""
        pid = int(_PID.read_text())
        os.kill(pid, signal.SIGTERM)
        for _ in range(1000):
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                time.sleep(0.01)
                continue
            _SHARED.unlink(missing_ok=True)
            return
        raise RuntimeError("the daemon does not end")

    def lose_the_token(self) -> None:
        """What a process that is killed while it makes a key leaves here: an empty file of the token's own data."""
        self.stop()
        (_TOKEN / "NVTOK.DAT").write_bytes(b"")
        self.start()


@contextmanager
def new_token(folder: Path) -> Iterator[tuple[Tokens, Daemon]]:
    """As ``tokens["opencryptoki"]``, and behind the shim as ``tokens["faulty"]``."""
    from reconciler.providers.plugin import NativeModule
    from reconciler_pkcs11.tests import making, native
    from reconciler_pkcs11.tests.tokens import TestToken, Tokens

    class OnlyToken(Tokens):
        def __getitem__(self, name: str) -> TestToken:
            return TestToken(module=name, label=LABEL, pin=PIN, pin_file=folder / "pin")

    daemon = Daemon()
    for each in (_TOKEN, _LOCKS):
        shutil.rmtree(each, ignore_errors=True)
    (_TOKEN / "TOK_OBJ").mkdir(parents=True)
    (_LOCKS / "swtok").mkdir(parents=True)
    path, shim = _unpacked() / "libopencryptoki.so.0", native.shim("fault_shim")
    assert shim is not None, "make setup compiles it"
    variables = {
        "FAULT_SHIM_MODULE": str(path),
        "FAULT_SHIM_LOG": str(folder / "calls.log"),
        "FAULT_SHIM_CONTROL": str(folder / "faults"),
    }
    folder.mkdir(mode=0o700)
    daemon.start()
    try:
        making.initialise(making.Native(path, _libraries()), LABEL, so_pin=OFFICER, pin=PIN)
        modules = {
            "opencryptoki": NativeModule(path=path, environment=_libraries()),
            "faulty": NativeModule(path=shim, environment={**_libraries(), **variables}),
        }
        yield OnlyToken(folder=folder, modules=modules, operator_file=folder / "none"), daemon
    finally:
        daemon.stop()


def _unpacked() -> Path:
    from reconciler_pkcs11.tests import native

    (found,) = (native.TOOLS / "opencryptoki" / "usr" / "lib").glob("*/opencryptoki")
    return found


def _libraries() -> dict[str, str]:
    """The module looks for the token's own library by its name."""
    folder = _unpacked()
    return {"LD_LIBRARY_PATH": f"{folder / 'stdll'}:{folder.parent}"}


def at_the_token(does: str, *pins: str) -> list[str]:
    """What a person does there, by a program that does not look at flags, and the token's answers: ``log-in`` by each
    of the PINs, one after another; ``set``, as the security officer, the user's PIN."""
    done = subprocess.run(
        [sys.executable, "-I", __file__],
        input=json.dumps({"module": str(_unpacked() / "libopencryptoki.so.0"), "does": does, "pins": pins}).encode(),
        env={"PATH": "/usr/bin:/bin", **_libraries()},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()[-1000:]
    answers: list[str] = json.loads(done.stdout)
    return answers


def _person(order: dict[str, str]) -> list[str]:
    from reconciler_pkcs11.cryptoki import codes, constants
    from reconciler_pkcs11.cryptoki.codes import CkError
    from reconciler_pkcs11.cryptoki.module import Module

    module = Module.load(order["module"])
    session = module.open(module.slots()[0], read_write=True)
    answers = []
    for pin in order["pins"]:
        try:
            if order["does"] == "set":
                session.login(OFFICER.encode(), constants.SECURITY_OFFICER)
                session.initialise_pin(pin.encode())
            else:
                session.login(pin.encode())
            session.logout()
            answers.append("CKR_OK")
        except CkError as error:
            answers.append(codes.name_of(error.rv))
    module.finalise()
    return answers


if __name__ == "__main__":
    package = types.ModuleType("reconciler_pkcs11")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["reconciler_pkcs11"] = package
    json.dump(_person(json.load(sys.stdin)), sys.stdout)
