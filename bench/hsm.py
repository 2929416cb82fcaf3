#!/usr/bin/env python3
"""What the HSM's worker costs, beside a bare call of python-pkcs11; its logins; what a cluster's restart asks.

usage: bench/hsm.py [PART ...] [--rounds R] [--ops N]

Parts: worker (a DEK wrapped and unwrapped through the worker, SoftHSM2: CPU of this process and of the worker, beside
python-pkcs11 in one logged-in session, and the pipe alone), logins (C_Login calls, counted by a shim in front of the
token), restart (token operations of a cluster's restart, small and large, counted by the same shim).

The worker keeps no handle from one operation to the next, since a token may give a new key the handle of one that is
gone: its peer finds the key, too. The bare call with a handle kept from before is shown beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hsm_world import CALLER, CONTEXT, HsmBench, restarted_cluster

from reconciler.envelope.data_key import DataKey
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler_pkcs11.local import LocalPartition
from reconciler_pkcs11.tests import native
from reconciler_pkcs11.worker.worker import Target

ROUNDS = 5
OPS = 400
AIM = 1.3  # times the bare call, plus the pipe
PEERS = Path(__file__).with_name("hsm_peers.py")
KEY = "0123456789abcdef" * 2


def worker(given: argparse.Namespace) -> None:
    """Wrap and unwrap, in turn with the peers."""
    with _folder() as folder:
        world = HsmBench(folder)
        token = world.tokens["a"]
        found: dict[str, list[tuple[float, float, float, float]]] = {"wrap": [], "unwrap": []}
        for _ in range(given.rounds):
            ours = _ours(world, given.ops)
            module = world.tokens.module_of("a")
            bare = _peer(
                ["pkcs11", str(module.path), token.label, str(given.ops)], module.environment, stdin=f"{token.pin}\n"
            )
            pipe = _peer(["pipe", str(given.ops)], {})["pipe"]
            for name, measured in found.items():
                measured.append((ours[name], bare[name], bare["find"] + bare[name], pipe))
        for name, measured in found.items():
            own, at_hand, finding, pipe = (statistics.median(side) for side in zip(*measured, strict=True))
            ratios = [statistics.median((row[0] - row[3]) / row[peer] for row in measured) for peer in (1, 2)]
            print(
                f"  {name:7s} ours {own * 1e6:6.1f} us, of which the pipe {pipe * 1e6:5.1f} us"
                f"   bare call, finding its key as we do {finding * 1e6:6.1f} us: x{ratios[1]:.2f} (aim x{AIM})"
                f"   with a handle kept from before {at_hand * 1e6:6.1f} us: x{ratios[0]:.2f}"
            )


def logins(given: argparse.Namespace) -> None:
    """C_Login of one process, whatever it does."""
    with _folder() as folder:
        world = HsmBench(folder, module="faulty")
        with world.provider() as hsm:
            hsm.create_partition(CALLER, world.request(), token="p")
            hsm.create_cluster_key(CALLER, "bench", KEY)
        before = world.calls("C_Login")
        with world.provider() as hsm:
            for _ in range(given.ops):
                wrapped = hsm.wrap_data_key(CALLER, "bench", KEY, DataKey(bytes(32)), CONTEXT)
                hsm.unwrap_data_key(CALLER, "bench", KEY, wrapped, CONTEXT).wipe()
        print(f"  {2 * given.ops:,} operations of one process: {world.calls('C_Login') - before} C_Login (aim 1)")


def restart(given: argparse.Namespace) -> None:
    """A cluster's restart: a new process that reads from it."""
    del given
    for tables in (1, 8):
        with _folder() as folder:
            world = HsmBench(folder, module="faulty")
            count, logged_in = restarted_cluster(world, tables)
            print(
                f"  restart of a cluster of {tables} table{'s' * (tables > 1)}, read whole: {count} token operation"
                f"{'s' * (count != 1)} (aim 1), {logged_in} C_Login"
            )


PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {"worker": worker, "logins": logins, "restart": restart}


def _ours(world: HsmBench, ops: int) -> dict[str, float]:
    """CPU seconds of a wrap and of an unwrap: what this process and the worker spent."""
    token = world.tokens["a"]
    target = Target(module=world.tokens.module_of("a"), place="bench", token_label=token.label)
    partition = LocalPartition(
        target, lambda: bytearray(token.pin.encode()), clock=SystemClock(), random=SystemRandom()
    )
    try:
        key_id = os.urandom(16).hex()
        label = f"reconciler/cluster/{key_id}"
        suite = partition.examine().suites[0]
        partition.generate(key_id, label, suite)
        aad = b"a" * 120
        sealed = partition.wrap(key_id, suite, DataKey(b"d" * 32), aad)
        calls: dict[str, Callable[[], object]] = {
            "wrap": lambda: partition.wrap(key_id, suite, DataKey(b"d" * 32), aad),
            "unwrap": lambda: partition.unwrap(sealed, aad),
        }
        made = {}
        for name, call in calls.items():
            for _ in range(20):
                call()
            began = time.process_time() + _spent(partition)
            for _ in range(ops):
                call()
            made[name] = (time.process_time() + _spent(partition) - began) / ops
        partition.destroy(key_id, label)
        return made
    finally:
        partition.close()


def _spent(partition: LocalPartition) -> float:
    """CPU seconds of the worker so far, all threads, from the scheduler's own count."""
    tasks = Path(f"/proc/{partition.pid}/task")
    return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks.iterdir()) / 1e9


def _peer(arguments: Sequence[str], environment: Mapping[str, str], stdin: str = "") -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, str(PEERS), *arguments],
        check=True,
        capture_output=True,
        text=True,
        input=stdin,
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    said: dict[str, float] = json.loads(done.stdout)
    return said


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-hsm-") as name:
        yield Path(name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--ops", type=int, default=OPS)
    given = parser.parse_args(arguments)
    if native.softhsm() is None or native.shim("fault_shim") is None:
        print("SoftHSM2 or the shim is not here: make setup brings them where it can.")
        return
    for name, part in PARTS.items():
        if not given.parts or name in given.parts:
            print(f"-- {name}")
            part(given)


if __name__ == "__main__":
    main()
