#!/usr/bin/env python3
"""What a statement waits for while the cluster's encryption is changed, beside the same statement when nothing is.

usage: bench/online.py [N ...] [--rounds R] [--window SECONDS]

One process inserts small rows into a cluster of N rows (0.12 GB a million) all the time, statement after statement, and
notes how long each took. Another encrypts the cluster, encrypts it again under new keys, decrypts it, R times over; it
is held still every other window, between two blocks, and what statements take then is what they take when nothing is
going on. So both are measured under whatever else the machine has to do. The aim of the median is 1.5 times the other,
of the 99th percentile 2 times; new rows take the new form within a second of the call.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn
from unittest.mock import patch

from warehouse_rounds import at_most
from warehouse_world import CALLER, NONE, Home, make_file

from reconciler.providers.data import Root
from reconciler_warehouse.online.throttle import Throttle

CLUSTER: Final = "live"
CREATE: Final = "CREATE TABLE small (id bigint, v varchar)"
CHANGES: Final = ("encrypt", "re-encrypt", "decrypt")

Window = tuple[float, float]


@dataclass
class Measured:
    """One kind of change: when it went on and when it was held still, how long each took in all without the pauses, and
    until new rows took the new form."""

    going: list[Window] = field(default_factory=list)
    still: list[Window] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    flips: list[float] = field(default_factory=list)


def insert_all_the_time(folder: Path, notes: Path, stop: Any) -> None:
    """The process whose statements are measured."""
    with Home(folder) as home, notes.open("w") as file:
        number = 0
        while not stop.is_set():
            begun = time.time()
            statement = f"INSERT INTO small VALUES ({number}, 'a small row')"  # noqa: S608  # a number
            execute(home, statement, f"insert/{number}")
            file.write(json.dumps([begun, time.time()]) + "\n")
            number += 1


def execute(home: Home, statement: str, token: str) -> None:
    """A statement that names no file."""

    def no_file(name: str) -> NoReturn:
        raise AssertionError(name)

    home.warehouse.execute(CALLER, CLUSTER, statement, open_file=no_file, token=token)


def change(folder: Path, key: Root, rounds: int, going: Any, told: Any) -> None:
    """The process that changes the encryption; tells when it begins, flips and ends."""
    with Home(folder) as home, patch.object(Throttle, "spend", lambda throttle, count: float(not going.wait())):
        dw = home.warehouse
        home.select(CLUSTER, "SELECT count(*) FROM small")  # what is loaded once in a process is loaded
        for number in range(rounds):
            for what in CHANGES:
                told.put((what, "begin", time.time()))
                flipped = _teller(what, told)
                token = f"{what}/{number}"
                if what == "re-encrypt":
                    dw.re_encrypt(CALLER, CLUSTER, progress=flipped, token=token)
                else:
                    root = key if what == "encrypt" else NONE
                    dw.modify_encryption(CALLER, CLUSTER, root, progress=flipped, token=token)
                told.put((what, "end", time.time()))
    told.put(("", "over", time.time()))


def _teller(what: str, told: Any) -> Callable[[str, int | None, int | None], None]:
    def progress(text: str, done: int | None, total: int | None) -> None:
        if "from now on" in text:
            told.put((what, "flip", time.time()))

    return progress


def watch(changing: Any, going: Any, told: Any, window: float) -> dict[str, Measured]:
    """Let it go on and hold it still in turn, until it is over."""
    found: dict[str, Measured] = defaultdict(Measured)
    begun, now, is_over = 0.0, "", False
    while not is_over:
        since = time.time()
        time.sleep(window)
        until, was_going, meanwhile = time.time(), going.is_set(), now
        while not told.empty():
            what, event, at = told.get()
            now = what if event != "end" else ""
            is_over = is_over or event == "over"
            if event == "begin":
                begun = at
            elif event == "flip":
                found[what].flips.append(at - begun)
            elif event == "end":
                found[what].seconds.append(at - begun - sum(e - b for b, e in found[what].still if b >= begun))
        if now == meanwhile != "":
            (found[now].going if was_going else found[now].still).append((since, until))
        if was_going:
            going.clear()
        else:
            going.set()
        if not changing.is_alive() and told.empty() and not is_over:
            sys.exit("the process that changes the encryption ended")
    return found


def taken(statements: Sequence[Window], windows: Sequence[Window]) -> list[float]:
    """Of the statements that began in one of the windows: how long each took."""
    return [end - begun for begun, end in statements if any(first <= begun < last for first, last in windows)]


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which that part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def report(found: dict[str, Measured], statements: Sequence[Window], size: int) -> None:
    """Lines for each kind of change, then for all of them."""
    all_going: list[float] = []
    all_still: list[float] = []
    for what in CHANGES:
        one = found[what]
        going, still = taken(statements, one.going), taken(statements, one.still)
        all_going += going
        all_still += still
        if going and still:
            said = f"{what}: median of {len(going)} and {len(still)} statements"
            at_most(said, statistics.median(going), statistics.median(still), 1.5, unit="wall")
        if one.flips:
            at_most(f"{what}: until new rows take the new form", max(one.flips), 1.0, 1, unit="wall")
        rates = ", ".join(f"{size / seconds / 1e6:.0f}" for seconds in one.seconds)
        print(f"  {what}: {rates} MB/s")
    if not all_going or not all_still:
        print("  too short to be measured: more rows, or a shorter window")
        return
    at_most("all: median", statistics.median(all_going), statistics.median(all_still), 1.5, unit="wall")
    at_most("all: 99th percentile", percentile(all_going, 0.99), percentile(all_still, 0.99), 2, unit="wall")


def measure(rows: int, rounds: int, window: float) -> None:
    """A cluster of so many rows, the two processes, and what came of it."""
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="bench-online-") as name:
        folder = Path(name)
        with Home(folder / "home") as home:
            segments = home.load(CLUSTER, NONE, make_file(folder / "rows.parquet", rows))
            size = sum(path.stat().st_size for path in segments)
            execute(home, CREATE, "create")
            key, stop, going, told = home.key(), processes.Event(), processes.Event(), processes.Queue()
            going.set()
            writer = processes.Process(target=insert_all_the_time, args=(folder / "home", folder / "notes", stop))
            writer.start()
            while not (folder / "notes").exists() or not (folder / "notes").stat().st_size:
                time.sleep(0.1)
                if not writer.is_alive():
                    sys.exit("the process that inserts ended")
            changing = processes.Process(target=change, args=(folder / "home", key, rounds, going, told))
            changing.start()
            found = watch(changing, going, told, window)
            changing.join()
            stop.set()
            writer.join()
            statements = [tuple(json.loads(line)) for line in (folder / "notes").read_text().splitlines()]
            ((count,),) = home.select(CLUSTER, "SELECT count(*) FROM small")
            if writer.exitcode or count != len(statements):
                sys.exit(f"{count} rows of {len(statements)} statements")
        print(f"{len(segments)} segments, {size / 1e6:.0f} MB; {len(statements)} statements, none lost")
        report(found, statements, size)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="*", default=[4_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=float, default=0.5)
    given = parser.parse_args()
    for rows in given.rows:
        measure(rows, given.rounds, given.window)


if __name__ == "__main__":
    main()
