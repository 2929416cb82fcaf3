"""A gate between processes: who keeps it closed is met by nobody new, and a killed one holds nobody up."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from reconciler.host.gate import gate


def test_who_keeps_it_closed_is_waited_for(tmp_path: Path) -> None:
    path, order = tmp_path / "gate", []

    def come() -> None:
        with gate(path, keep=False):
            order.append("came")

    with gate(path, keep=True):
        late = threading.Thread(target=come)
        late.start()
        time.sleep(0.05)
        order.append("done")
    late.join()
    assert order == ["done", "came"]


def test_many_are_inside_when_nobody_keeps_it_closed(tmp_path: Path) -> None:
    path = tmp_path / "gate"
    with gate(path, keep=False), gate(path, keep=False), gate(path, keep=True):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_keeper_holds_nobody_up(tmp_path: Path) -> None:
    path, closed = tmp_path / "gate", tmp_path / "closed"
    child = os.fork()
    if child == 0:
        with gate(path, keep=True):
            closed.touch()
            time.sleep(60)
        os._exit(0)
    while not closed.exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with gate(path, keep=True):
        pass
