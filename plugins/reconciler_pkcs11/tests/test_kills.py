"""A real process, killed at random while it makes keys in SoftHSM2: the next one goes on, none lost, none doubled."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.providers.keys import KeyRequest
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.partitions import require_partition
from reconciler_pkcs11.tests.test_pins import of_environment
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.tests.worlds import CALLER, World

CEK = "0123456789abcdef" * 2
_WORK = """
import sys
from pathlib import Path
from reconciler_pkcs11.tests.test_kills import work
from reconciler_pkcs11.tests.test_pins import of_environment
world = of_environment(Path(sys.argv[1]))
hsm = world.open()
print("ready", flush=True)
work(world, hsm, sys.argv[2], sys.argv[3])
"""


def work(world: World, hsm: Pkcs11, label: str, pin: str) -> str:
    """Everything that is made in a token, each under the token that a repeated step has; the key's ARN."""
    hsm.create_partition(CALLER, world.request("first", label, pin), token="p")
    hsm.create_cluster_key(CALLER, "first", CEK)
    key = hsm.create_key(CALLER, KeyRequest(), token="k").arn
    hsm.rotate_key(CALLER, key, token="r")
    hsm.disable_key(CALLER, key)
    hsm.enable_key(CALLER, key)
    return key


@pytest.mark.parametrize("calls", [30, 150, 300, 500])  # of the about 630 of the token that all of it takes
def test_killed_anywhere(tmp_path: Path, tokens: Tokens, calls: int) -> None:
    token = tokens["faulty"]
    child = subprocess.Popen(
        [sys.executable, "-c", _WORK, str(tmp_path), token.label, token.pin], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    while len(tokens.calls()) < calls and child.poll() is None:
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    world = of_environment(tmp_path)
    hsm = world.open()
    key = work(world, hsm, token.label, token.pin)
    found = hsm.probe_partition(CALLER, "first")
    assert (found.fault, found.keys, found.orphans) == (None, (), ())
    with hsm._site.connections.use(require_partition(hsm._site, "first")) as partition:
        labels = [each.label.split("/")[1] for each in partition.list_keys()]
    assert sorted(labels) == ["cluster", "key", "key", "marker"], "none lost, none doubled"
    wrapped = hsm.wrap_data_key(CALLER, "first", CEK, DataKey(bytes(32)), {})
    assert hsm.unwrap_data_key(CALLER, "first", CEK, wrapped, {}) == DataKey(bytes(32))
    assert hsm.decrypt(CALLER, hsm.encrypt(CALLER, key, b"x", {}), {}).key_arn == key
    world.close()
