"""Rotating a cluster's keys, beside re-wrapping each block key by itself: python bench/rotation.py [KEYS] [ROUNDS].

The product's side is the whole call: new CEKs through the key service for the cluster and a snapshot of it, a new DEK,
every key table opened and sealed again, durable on the disk. The other side is what a store does that wraps each block
key under the DEK: unwrap and wrap again, AES-256-GCM with random nonces, in memory, nothing kept. 256 keys a segment.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from snapshots import BLOCKS, fill
from warehouse_rounds import at_most, interleaved
from warehouse_world import CALLER, Home

from reconciler.providers.data import ClusterRequest

AIM = 0.25


def main(keys: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder, Home(Path(folder)) as home:
        root = home.key()
        request = ClusterRequest(name="sales", node_type="ra3.large", nodes=2, database="dev", root=root)
        home.warehouse.create_cluster(CALLER, request, token="create")
        segments = len(fill(home.warehouse._site, -(-keys // BLOCKS)))
        best = interleaved({"each": Each(keys), "rotation": Rotating(home)}, rounds)
        what = f"{keys} block keys in {segments} segments rotated / each re-wrapped"
        at_most(what, best["rotation"].wall, best["each"].wall, AIM, unit="wall")
        at_most("the same in CPU", best["rotation"].cpu, best["each"].cpu, 0.3)


class Each:
    """Every key unwrapped and wrapped again, in memory."""

    def __init__(self, keys: int) -> None:
        self._old, self._new = AESGCM(os.urandom(32)), AESGCM(os.urandom(32))
        self._wrapped = []
        for _ in range(keys):
            nonce = os.urandom(12)
            self._wrapped.append(nonce + self._old.encrypt(nonce, os.urandom(32), b"block"))

    def __call__(self) -> None:
        opened, sealed = self._old.decrypt, self._new.encrypt
        for wrapped in self._wrapped:
            nonce = os.urandom(12)
            sealed(nonce, opened(wrapped[:12], wrapped[12:], b"block"), b"block")


class Rotating:
    """The product's call."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._count = 0

    def __call__(self) -> None:
        self._count += 1
        self._home.warehouse.rotate_encryption_key(
            CALLER, "sales", progress=lambda *_: None, token=f"rotate {self._count}"
        )


if __name__ == "__main__":
    main(*(int(given) for given in (*sys.argv[1:], *("1000000", "3")[len(sys.argv) - 1 :])))
