"""A process that holds keys cannot be dumped (I19, T14)."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOK = "import ctypes, resource as r; print(r.getrlimit(r.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
PREPARE = "import resource as r; r.setrlimit(r.RLIMIT_CORE, (65536, r.getrlimit(r.RLIMIT_CORE)[1]))"


def printed(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_refusing_sets_the_limit_and_makes_the_process_undumpable() -> None:
    call = "from reconciler.host.core_dumps import refuse_core_dumps; refuse_core_dumps()"
    assert printed(f"{PREPARE}; {call}; {LOOK}") == "0 0"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
@pytest.mark.parametrize("command", ["apply", "destroy", "sql", "drift"])
def test_a_command_that_may_hold_keys_is_not_dumped(command: str) -> None:
    stay = "from reconciler.host import streams; streams.leave = print"
    call = f"sys.argv = ['reconciler', '{command}', '--help']; from reconciler.cli import main; main()"
    assert printed(f"{PREPARE}; import sys; {stay}; {call}; {LOOK}") == "0 0"
