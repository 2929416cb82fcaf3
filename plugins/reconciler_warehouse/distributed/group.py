"""The processes beside the command: a scheduler, and as many workers as are started (``Workers``)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from reconciler.errors import HostError, UsageError
from reconciler.host.throwaway import throwaway_folder
from reconciler.providers.workers import Told, WorkerCertificates
from reconciler_warehouse.distributed import certificates, tasks
from reconciler_warehouse.distributed.mutual_tls import security
from reconciler_warehouse.distributed.settings import DistributedConfig
from reconciler_warehouse.site import Site

_NOWHERE: Final = "127.0.0.1:0"  # Dask's web server is always started; it serves nothing (``mutual_tls``), to nobody


class Group:
    """See ``Workers``."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def make_certificates(self, *, valid_days: int) -> WorkerCertificates:
        """See ``Workers``."""
        site, folder = self._site, Path(self._config.certificates).expanduser()
        until = certificates.make(site.fs, folder, valid_days=valid_days, now=site.now(), random=site.random)
        return WorkerCertificates(folder=folder, until=until)

    def schedule(self, told: Told) -> None:
        """See ``Workers``."""
        config = self._config
        trusted = security(self._site.fs, config)
        from distributed import Scheduler

        async def run() -> None:
            async with Scheduler(
                host=config.host,
                port=config.port,
                protocol="tls",
                security=trusted,
                dashboard=False,
                dashboard_address=_NOWHERE,
            ) as scheduler:
                told(scheduler.address)
                await _until_stopped(scheduler)

        _run(run(), f"The scheduler of the workers cannot listen at {config.scheduler}")

    def work(self, threads: int, told: Told) -> None:
        """See ``Workers``."""
        config = self._config
        trusted = security(self._site.fs, config)
        from distributed import Worker

        tasks.work_for(self._site)

        async def run() -> None:
            with throwaway_folder("reconciler-worker-") as folder:
                async with Worker(
                    config.scheduler,
                    nthreads=threads,
                    protocol="tls",
                    security=trusted,
                    dashboard=False,
                    dashboard_address=_NOWHERE,
                    local_directory=str(folder),
                    memory_limit=0,
                    death_timeout=30,
                ) as worker:
                    told(worker.address)
                    await _until_stopped(worker)

        _run(run(), f"The scheduler of the workers at {config.scheduler} cannot be reached")

    @cached_property
    def _config(self) -> DistributedConfig:
        found = self._site.pace.distributed
        if found is None:
            raise UsageError(
                f'Provider "{self._site.provider_name}" names no workers',
                suggestion="Put `migration: {distributed: {scheduler: tls://HOST:PORT, certificates: DIR}}` into its "
                "config.",
            )
        return found


class _Server(Protocol):
    async def finished(self) -> Any:
        """Until it has closed."""


async def _until_stopped(server: _Server) -> None:
    """Until it closes by itself, or the process is asked to stop."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    ends = {asyncio.ensure_future(server.finished()), asyncio.ensure_future(asked.wait())}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()


def _run(running: Coroutine[Any, Any, None], problem: str) -> None:
    try:
        asyncio.run(running)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise HostError(
            f"{problem}: {type(error).__name__}",
            suggestion="See that a scheduler runs at that address, and that all have certificates of one folder.",
        ) from None
