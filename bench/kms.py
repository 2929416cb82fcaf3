#!/usr/bin/env python3
"""What a request to the software KMS costs, beside moto's KMS; and that it costs the same however much the store holds.

usage: bench/kms.py [PART ...] [--rounds R] [--ops N] [--keys N] [--grants N] [--rewrap N]

Parts: process (both in process: policy, grant, encryption context and audit record on our side), size (a Decrypt among
many grants, and among many keys), rewrap (data keys put under a new key, durably, beside a database row for each of
them). Ratios are of CPU time, pair by pair, medians of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import kms_endpoint
import kms_rewrap
from kms_services import CONTEXT, Moto, Ours, cpu_of

ROUNDS = 5
OPS = 300
MANY_KEYS = 10_000
MANY_GRANTS = 1_000
REWRAPPED = 100_000

IN_PROCESS_AIM = 1 / 20  # of moto's CPU; the stretch is 1/50
SIZE_AIM = 1.1
REWRAP_AIM = 10.0  # times the speed of a row a key

Calls = Mapping[str, Callable[[], object]]


def in_process(given: argparse.Namespace) -> None:
    """GenerateDataKey, Encrypt and Decrypt beside moto's, in turn."""
    with tempfile.TemporaryDirectory() as folder, Ours(Path(folder)) as ours, Moto() as moto:
        mine, peers = ours.calls(), moto.calls()
        for name, call in mine.items():
            pairs = [(cpu_of(call, given.ops * 10), cpu_of(peers[name], given.ops)) for _ in range(given.rounds)]
            ratio = statistics.median(one / other for one, other in pairs)
            own, peer = (statistics.median(side) for side in zip(*pairs, strict=True))
            print(
                f"  {name:16s} ours {own * 1e6:7.1f} us   moto {peer * 1e6:8.1f} us"
                f"   1/{1 / ratio:.0f} (aim 1/{1 / IN_PROCESS_AIM:.0f}, stretch 1/50)"
            )


def size(given: argparse.Namespace) -> None:
    """A Decrypt in a small store and in large ones, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder) / name for name in ("small", "grants", "keys")}
        with Ours(places["small"]) as small, Ours(places["grants"]) as granted, Ours(places["keys"]) as large:
            granted.add_grants(given.grants)
            large.add_keys(given.keys)
            among = {
                f"{given.grants:,} grants": (small.calls()["Decrypt"], granted.calls()["Decrypt"]),
                f"{given.keys:,} keys": (small.calls()["Decrypt"], large.calls()["Decrypt"]),
                f"{given.keys:,} keys, all used": (small.calls()["Decrypt"], large.decrypts_of_all()),
            }
            for name, (alone, crowded) in among.items():
                cpu_of(crowded, given.keys if "all" in name else 10)
                pairs = [(cpu_of(crowded, given.ops * 10), cpu_of(alone, given.ops * 10)) for _ in range(given.rounds)]
                ratio = statistics.median(one / other for one, other in pairs)
                own, other = (statistics.median(side) for side in zip(*pairs, strict=True))
                print(
                    f"  Decrypt among {name:22s} {own * 1e6:7.1f} us   alone {other * 1e6:7.1f} us"
                    f"   x{ratio:.2f} (aim x{SIZE_AIM})"
                )


def endpoint(given: argparse.Namespace) -> None:
    """The same operations through boto3 from both servers."""
    kms_endpoint.compare(given.ops, given.rounds)


def rewrap(given: argparse.Namespace) -> None:
    """Data keys in the warehouse's key tables, and one row for each, put under a new key."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = []
        for number in range(given.rounds):
            ours = kms_rewrap.key_tables(Path(folder) / f"tables-{number}", given.rewrap)
            pairs.append((ours, kms_rewrap.row_a_key(Path(folder) / f"rows-{number}", given.rewrap)))
    ratio = statistics.median(peer / own for own, peer in pairs)
    own, peer = (statistics.median(side) / given.rewrap for side in zip(*pairs, strict=True))
    print(
        f"  {given.rewrap:,} data keys re-wrapped: ours {own * 1e6:6.3f} us a key   a row a key {peer * 1e6:6.3f} us"
        f"   x{ratio:.0f} the speed (aim x{REWRAP_AIM:.0f})"
    )


PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "process": in_process,
    "size": size,
    "endpoint": endpoint,
    "rewrap": rewrap,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--ops", type=int, default=OPS)
    parser.add_argument("--keys", type=int, default=MANY_KEYS)
    parser.add_argument("--grants", type=int, default=MANY_GRANTS)
    parser.add_argument("--rewrap", type=int, default=REWRAPPED)
    given = parser.parse_args(arguments)
    print(f"encryption context: {len(CONTEXT)} pairs; us are CPU time of this process")
    for name, part in PARTS.items():
        if not given.parts or name in given.parts:
            print(f"-- {name}")
            part(given)


if __name__ == "__main__":
    main()
