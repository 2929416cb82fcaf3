"""Two workers of Dask beside a pool of two processes: the same tasks, the same leases, the same bytes.

    python bench/dask_workers.py [--folder DIR] [--segments N] [--rows N] [--rounds N]

A cluster is encrypted again under new keys, by turns through both; what is timed is the moving of its segments.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from warehouse_rounds import at_least
from warehouse_world import CALLER, Home, make_file

from reconciler_warehouse.config import MigrationConfig, WarehouseConfig
from reconciler_warehouse.distributed import tasks
from reconciler_warehouse.distributed.settings import DistributedConfig
from reconciler_warehouse.distributed.spreading import spread
from reconciler_warehouse.distributed.tasks import Answer, Task
from reconciler_warehouse.online.leases import Target
from reconciler_warehouse.online.workers import Movement
from reconciler_warehouse.site import Site

WORKERS = 2
AIM = 0.8
_opened = ExitStack()
_PROCESS = """
import sys
sys.path[:0] = sys.argv[4:]
from pathlib import Path
from reconciler_warehouse.config import WarehouseConfig
from warehouse_world import Home
with Home(Path(sys.argv[1]), WarehouseConfig.model_validate_json(sys.argv[2])) as home:
    workers = home.warehouse.workers()
    told = lambda address: print(address, flush=True)
    workers.schedule(told) if sys.argv[3] == "schedule" else workers.work(1, told)
"""


def main() -> None:
    """Make the cluster, then measure."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("sizes", nargs="*", help="of the other benchmarks; not used here")
    asked.add_argument("--folder", type=Path, help="where the home is made (default: a temporary one)")
    asked.add_argument("--segments", type=int, default=24)
    asked.add_argument("--rows", type=int, default=700_000, help="of a segment; about 100 bytes each as stored")
    asked.add_argument("--rounds", type=int, default=3)
    chosen = asked.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        measure(Path(folder), chosen.segments, chosen.rows, chosen.rounds)


def measure(folder: Path, segments: int, rows: int, rounds: int) -> None:
    """The ratio, in one line."""
    config = _config(folder)
    with Home(folder / "home", config) as home:
        root = home.key()
        files = [make_file(folder / f"{number}.parquet", rows + number) for number in range(segments)]
        home.load("sales", root, files[0])
        for file in files[1:]:
            home.warehouse.load_table(
                CALLER, "sales", "t", [file], backup=True, progress=lambda *_: None, token=file.name
            )
        size = sum(path.stat().st_size for path in home.data.iterdir())
        home.warehouse.workers().make_certificates(valid_days=1)
        print(f"{segments} segments of {size // segments >> 20} MiB, two processes each", flush=True)
        with ExitStack() as processes:
            for what in ("schedule", *["work"] * WORKERS):
                processes.enter_context(_process(folder, config, what))
            pool = processes.enter_context(
                ProcessPoolExecutor(
                    WORKERS, multiprocessing.get_context("spawn"), initializer=_open, initargs=(str(folder), sys.path)
                )
            )
            ways: dict[str, Callable[[Site, Target, Movement], None]] = {
                "pool": lambda site, target, movement: _pooled(pool, site, target, movement),
                "dask": _spread,
            }
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for turn in range(rounds + 1):  # the first does not count
                for name, way in ways.items():
                    taken[name].append(_moved(home, way, f"{name}{turn}"))
    best = {name: min(all_[1:]) for name, all_ in taken.items()}
    for name, seconds in best.items():
        print(f"  {name}: {size / seconds / 1e6:.0f} MB/s", flush=True)
    at_least("two Dask workers beside a process pool", best["dask"], best["pool"], AIM, unit="wall")


def _moved(home: Home, way: Callable[[Site, Target, Movement], None], token: str) -> float:
    """Seconds in which all segments were moved."""
    taken = 0.0

    def timed(site: Site, target: Target, movement: Movement, progress: object) -> bool:
        nonlocal taken
        begun = time.perf_counter()
        way(site, target, movement)
        taken = time.perf_counter() - begun
        return True

    with patch("reconciler_warehouse.online.workers._spread", timed):
        home.warehouse.re_encrypt(CALLER, "sales", progress=lambda *_: None, token=token)
    return taken


def _spread(site: Site, target: Target, movement: Movement) -> None:
    named = site.pace.distributed
    if named is None or not spread(site, named, target, movement.between):
        raise SystemExit("no worker answered")


def _pooled(pool: ProcessPoolExecutor, site: Site, target: Target, movement: Movement) -> None:
    task = Task(
        account=site.account,
        region=site.region,
        cluster=target.cluster,
        operation=target.operation,
        dek=target.dek,
        among=WORKERS,
        machine=tasks.machine(),
    )
    waiting = {pool.submit(tasks.run, task) for _ in range(WORKERS)}
    is_over = False
    while waiting:
        done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        answers: list[Answer] = [one.result() for one in done]
        is_over = is_over or any(answer.is_over for answer in answers)
        if not is_over:
            movement.between()  # what the command does beside, either way
            if answers and all(answer.is_idle for answer in answers):
                time.sleep(0.1)
            waiting |= {pool.submit(tasks.run, task) for _ in answers}


def _open(folder: str, path: list[str]) -> None:
    """In a process of the pool."""
    sys.path[:] = path
    home = _opened.enter_context(Home(Path(folder) / "home"))
    tasks.work_for(home.warehouse._site)


def _config(folder: Path) -> WarehouseConfig:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"tls://127.0.0.1:{found.getsockname()[1]}"
    named = DistributedConfig(scheduler=address, certificates=str(folder / "certificates"))
    return WarehouseConfig(migration=MigrationConfig(distributed=named))


@contextmanager
def _process(folder: Path, config: WarehouseConfig, what: str) -> Iterator[None]:
    chosen = config.model_dump_json(by_alias=True)
    command = [sys.executable, "-c", _PROCESS, str(folder / "home"), chosen, what, *sys.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or not process.stdout.readline().startswith("tls://"):
                raise SystemExit(f"no process to {what}")
            yield
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
