"""The command's side: tasks for every worker that answers to the scheduler, until nothing is left to be moved.

Losing a worker, or all of them, costs a retry: its portion's lease ends with it, and what it had not committed was
referred to by nothing. With no worker left the command goes on by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import reconciler.errors
from reconciler.errors import HostError, ReconcilerError
from reconciler.model.ports import Fs
from reconciler_warehouse.distributed import tasks
from reconciler_warehouse.distributed.mutual_tls import CONNECT_SECONDS, security
from reconciler_warehouse.distributed.settings import DistributedConfig
from reconciler_warehouse.distributed.tasks import Answer, Task
from reconciler_warehouse.online.leases import Target
from reconciler_warehouse.site import Site

if TYPE_CHECKING:
    from distributed import Client, Future

_PAUSE: Final = 0.1  # seconds between looks, while others have what is left
_PATIENCE: Final = 10.0  # seconds until a scheduler without workers is given up


def spread(site: Site, config: DistributedConfig, target: Target, between: Callable[[], None]) -> bool:
    """Have the workers move everything; whether nothing is left. ``between`` is called now and then. False when there
    are no workers (any more). HostError when the scheduler cannot be reached, or what a worker refused."""
    with _connected(site.fs, config) as client:
        return _Spread(site, client, target, between).run()


class _Spread:
    def __init__(self, site: Site, client: Client, target: Target, between: Callable[[], None]) -> None:
        self._site = site
        self._client = client
        self._target = target
        self._between = between
        self._waiting: set[Future[Answer]] = set()

    def run(self) -> bool:
        try:
            return self._run()
        except (OSError, TimeoutError):  # the scheduler is gone
            return False
        finally:
            with suppress(OSError, TimeoutError):
                self._client.cancel(list(self._waiting))

    def _run(self) -> bool:
        idle_since = self._site.now()
        while True:
            if self._client.status != "running":
                return False  # the scheduler is gone, and its workers go with it
            threads = sum(self._client.nthreads().values())
            now = self._site.now()
            if threads:
                idle_since = now
            elif (now - idle_since).total_seconds() >= _PATIENCE:
                return False
            while len(self._waiting) < threads:
                self._waiting.add(self._client.submit(tasks.run, self._task(threads), pure=False, priority=0))
            answers = self._answers()
            if any(answer.is_over for answer in answers):
                return True
            self._between()
            if not threads or (answers and all(answer.is_idle for answer in answers)):
                self._site.clock.sleep(_PAUSE)

    def _task(self, threads: int) -> Task:
        return Task(
            account=self._site.account,
            region=self._site.region,
            cluster=self._target.cluster,
            operation=self._target.operation,
            dek=self._target.dek,
            among=threads,
            machine=tasks.machine(),
        )

    def _answers(self) -> list[Answer]:
        """Those that have come, after waiting for one for a moment. A task whose workers died under it is forgotten:
        another takes what it leaves."""
        from distributed import wait

        if not self._waiting:
            return []
        try:
            done = wait(list(self._waiting), timeout=0.5, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            return []
        self._waiting -= done
        answers = [_answer(future) for future in done if future.status == "finished" or _is_refused(future)]
        for answer in answers:
            if answer.refused is not None:
                raise _as_it_was(*answer.refused)
        return answers


def _is_refused(future: Future[Answer]) -> bool:
    """Whether the task could not even be understood by the worker; one that died is no answer."""
    from distributed.scheduler import KilledWorker

    return future.status == "error" and not isinstance(future.exception(), KilledWorker)


def _answer(future: Future[Answer]) -> Answer:
    if future.status == "finished":
        return future.result()
    said = f"A worker does not understand what it is asked to do ({type(future.exception()).__name__})"
    return Answer(refused=("HostError", said, "Start workers of the same version as this command."))


@contextmanager
def _connected(fs: Fs, config: DistributedConfig) -> Iterator[Client]:
    trusted = security(fs, config)
    from distributed import Client

    try:
        client = Client(config.scheduler, security=trusted, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise HostError(
            f"The scheduler of the workers at {config.scheduler} cannot be reached: {type(error).__name__}",
            suggestion="Start it (`reconciler workers schedule PROVIDER`), with certificates of the same folder; or "
            "take `migration.distributed` out of the Provider: then the command does the work itself.",
        ) from None
    with client, client.as_current():
        yield client


def _as_it_was(name: str, summary: str, suggestion: str | None) -> ReconcilerError:
    """The worker's error, as the command would have met it itself."""
    kind = getattr(reconciler.errors, name, None)
    if isinstance(kind, type) and issubclass(kind, ReconcilerError):
        with suppress(TypeError):  # some take more than words
            return kind(summary, suggestion=suggestion)
    return HostError(summary, suggestion=suggestion)
