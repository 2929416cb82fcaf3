"""Workers of Dask change a cluster's encryption: who is let in, what they are told, and what losing one costs."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from reconciler.errors import HostError, ProviderUnavailable, UsageError
from reconciler.host.clock import SystemClock
from reconciler.testing.quick_folder import quick_folder
from reconciler_warehouse.config import MigrationConfig, WarehouseConfig
from reconciler_warehouse.distributed import spreading, tasks
from reconciler_warehouse.distributed.settings import DistributedConfig
from reconciler_warehouse.tests.worlds import ACCOUNT, HERE, NONE, OWNED, World, silent
from tests.amounts import amount

FILES, ROWS = 6, 4000
QUESTION = "SELECT count(*), count(DISTINCT id), max(noise) FROM flights"

_PROCESS = """
import sys
from pathlib import Path
from reconciler.host.clock import SystemClock
from reconciler_warehouse.config import WarehouseConfig
from reconciler_warehouse.tests.worlds import HERE, World
home, config, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
world = World(home=home / "home", files=home / "files", clock=SystemClock())
world.configs[HERE] = WarehouseConfig.model_validate_json(config)
told = lambda address: print(address, flush=True)
workers = world.warehouse().workers()
workers.schedule(told) if what == "schedule" else workers.work(1, told)
"""


@dataclass
class Group:
    """A folder of certificates and a port."""

    folder: Path
    port: int

    def config(self, bytes_per_second: int | None = None) -> WarehouseConfig:
        named = DistributedConfig(scheduler=f"tls://127.0.0.1:{self.port}", certificates=str(self.folder))
        return WarehouseConfig(migration=MigrationConfig(distributed=named, bytes_per_second=bytes_per_second))

    @contextmanager
    def process(self, home: Path, what: str, config: WarehouseConfig | None = None) -> Iterator[subprocess.Popen[str]]:
        """A scheduler or a worker, once it says where it is."""
        chosen = (config or self.config()).model_dump_json(by_alias=True)
        command = [sys.executable, "-c", _PROCESS, str(home), chosen, what]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline().startswith("tls://")
                yield process
            finally:
                process.terminate()
                process.wait(20)


@pytest.fixture
def world(world: World) -> World:
    """With the time of the other processes."""
    world.clock = cast(Any, SystemClock())
    return world


@pytest.fixture(scope="module")
def group() -> Iterator[Group]:
    """A scheduler with certificates of its own, for all tests here."""
    with quick_folder() as folder:
        made = Group(folder / "certificates", _free_port())
        world = World(home=folder / "home", files=folder, clock=cast(Any, SystemClock()))
        world.configs[HERE] = made.config()
        found = world.warehouse().workers().make_certificates(valid_days=1)
        assert found.folder == made.folder
        with made.process(folder, "schedule"):
            yield made


@pytest.fixture
def loaded(world: World) -> World:
    """A plain cluster of several segments."""
    world.create(NONE)
    for number in range(FILES):
        rows = "".join(f"{number * ROWS + row},{os.urandom(100).hex()}\n" for row in range(ROWS))
        world.load(world.file(f"{number}.csv", "id,noise\n" + rows))
    return world


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def encrypt(world: World) -> None:
    world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="encrypt")


def home(world: World) -> Path:
    return world.home.parent


class TestTwoWorkers:
    def test_they_move_everything_and_losing_one_costs_a_retry(
        self, loaded: World, group: Group, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One is killed, at whichever moment; the other one does it again, and the command nothing."""
        before = loaded.select(QUESTION)
        encrypt(loaded)
        slow = group.config(bytes_per_second=4 << 20)
        loaded.configs[HERE] = slow
        loaded.reopen()
        monkeypatch.setattr("reconciler_warehouse.online.workers.Movement.run", lambda *_: pytest.fail("by itself"))
        moments = random.Random(7)  # noqa: S311  # moments that can be had again
        for turn in range(amount(1, 20)):
            with group.process(home(loaded), "work", slow) as first, group.process(home(loaded), "work", slow):
                kill = threading.Timer(moments.uniform(0.2, 1.2), first.kill)
                kill.start()
                loaded.warehouse().re_encrypt(loaded.caller, "sales", progress=silent, token=f"again {turn}")
                kill.join()
                assert first.wait(20) == -signal.SIGKILL
            assert loaded.select(QUESTION) == before
            assert not any(b"PAR1" in content for content in loaded.data_files().values())
            loaded.warehouse().clear_up()  # what the dead one left: before, it was a zombie
            assert len(loaded.data_files()) == 2 * FILES, "the cluster's and its first snapshot's"

    def test_a_scheduler_that_dies_in_the_middle_leaves_the_rest_to_the_command(
        self, loaded: World, group: Group
    ) -> None:
        before = loaded.select(QUESTION)
        own = Group(group.folder, _free_port())
        slow = own.config(bytes_per_second=4 << 20)
        with own.process(home(loaded), "schedule", slow) as scheduler, own.process(home(loaded), "work", slow):
            loaded.configs[HERE] = slow
            loaded.reopen()

            def kill_it(text: str, done: int | None, total: int | None) -> None:
                if text.startswith("bytes"):
                    scheduler.kill()

            loaded.warehouse().modify_encryption(loaded.caller, "sales", OWNED, progress=kill_it, token="encrypt")
            assert scheduler.wait(20) == -signal.SIGKILL
        assert loaded.select(QUESTION) == before
        assert len(loaded.data_files()) == FILES

    def test_with_none_the_command_does_it_itself(
        self, loaded: World, group: Group, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spreading, "_PATIENCE", 0)
        before = loaded.select(QUESTION)
        loaded.configs[HERE] = group.config()
        loaded.reopen()
        encrypt(loaded)
        assert loaded.select(QUESTION) == before


class TestWhoIsLetIn:
    def test_a_scheduler_that_does_not_answer_is_told(
        self, loaded: World, group: Group, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spreading, "CONNECT_SECONDS", 1)
        loaded.configs[HERE] = Group(group.folder, _free_port()).config()
        loaded.reopen()
        with pytest.raises(HostError, match="cannot be reached"):
            encrypt(loaded)
        loaded.configs.clear()
        loaded.reopen()
        encrypt(loaded)

    def test_another_groups_certificates_are_not_let_in(
        self, loaded: World, group: Group, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spreading, "CONNECT_SECONDS", 1)
        stranger = Group(home(loaded) / "other", group.port)
        loaded.configs[HERE] = stranger.config()
        loaded.reopen()
        loaded.warehouse().workers().make_certificates(valid_days=1)
        with pytest.raises(HostError, match="cannot be reached"):
            encrypt(loaded)

    def test_without_a_certificate_nobody_is(self, group: Group) -> None:
        from distributed import Client
        from distributed.security import Security

        for address, trusted in [
            (f"tcp://127.0.0.1:{group.port}", None),
            (f"tls://127.0.0.1:{group.port}", Security(tls_ca_file=str(group.folder / "authority.pem"))),
        ]:
            with pytest.raises((OSError, TypeError, RuntimeError)):
                Client(address, security=trusted, timeout=1, set_as_default=False)

    def test_a_key_that_others_can_read_is_not_used(self, loaded: World, group: Group) -> None:
        folder = home(loaded) / "open"
        loaded.configs[HERE] = Group(folder, group.port).config()
        loaded.reopen()
        loaded.warehouse().workers().make_certificates(valid_days=1)
        (folder / "member.key").chmod(0o644)
        with pytest.raises(HostError, match="can be read by others"):
            encrypt(loaded)

    def test_certificates_that_are_missing_are_named(self, loaded: World, group: Group) -> None:
        loaded.configs[HERE] = Group(home(loaded) / "none", group.port).config()
        loaded.reopen()
        with pytest.raises(HostError, match=r"There is no authority\.pem"):
            encrypt(loaded)

    def test_certificates_are_not_made_over_others(self, world: World, group: Group) -> None:
        world.configs[HERE] = group.config()
        with pytest.raises(UsageError, match=r"certificates in .* already"):
            world.warehouse().workers().make_certificates(valid_days=1)
        half = Group(home(world) / "half", 1)
        half.folder.mkdir()
        (half.folder / "authority.pem").touch()  # power was lost here
        world.configs[HERE] = half.config()
        world.reopen()
        with pytest.raises(UsageError, match="what was left of making them"):
            world.warehouse().workers().make_certificates(valid_days=1)

    def test_a_module_that_is_not_installed_is_named(
        self, loaded: World, group: Group, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        loaded.configs[HERE] = group.config()
        loaded.reopen()
        with pytest.raises(ProviderUnavailable, match="need the Python module distributed") as refused:
            encrypt(loaded)
        assert "[distributed]" in str(refused.value.suggestion)

    def test_a_provider_without_workers_says_how_to_name_them(self, world: World) -> None:
        with pytest.raises(UsageError, match="names no workers"):
            world.warehouse().workers().schedule(print)

    @pytest.mark.parametrize(
        "change",
        [{"scheduler": "tcp://127.0.0.1:8786"}, {"scheduler": "tls://host"}, {"certificates": "here"}, {"a": 1}],
    )
    def test_a_config_that_is_not_safe_is_refused(self, change: dict[str, object]) -> None:
        good = {"scheduler": "tls://[::1]:8786", "certificates": "/etc/reconciler/workers"}
        assert DistributedConfig.model_validate(good).host == "::1"
        with pytest.raises(ValidationError):
            DistributedConfig.model_validate(good | change)


class TestTasks:
    TASK = tasks.Task(
        account=ACCOUNT, region=HERE, cluster="c" * 32, operation="o", dek="d" * 32, among=2, machine=tasks.machine()
    )

    def test_they_carry_ids_only(self) -> None:
        assert {field.name: field.type for field in dataclasses.fields(tasks.Task)} == {
            **dict.fromkeys(("account", "region", "cluster", "operation", "machine"), "str"),
            **{"dek": "str | None", "among": "int"},
        }

    def test_a_worker_of_another_warehouse_or_machine_refuses(self, world: World) -> None:
        other = tasks.run(dataclasses.replace(self.TASK, region="us-east-1"))
        assert other.refused is not None and "another warehouse" in other.refused[1]
        tasks.work_for(world.warehouse()._site)
        far = tasks.run(dataclasses.replace(self.TASK, machine="elsewhere|1"))
        assert far.refused is not None and "another machine" in far.refused[1]
        assert tasks.run(self.TASK).is_over, "a change that is over is nobody's work"

    def test_an_error_comes_back_in_our_words(self, loaded: World, group: Group) -> None:
        found = spreading._as_it_was("DamagedStore", "Segment file x is gone", "Restore it.")
        assert (type(found).__name__, found.summary, found.suggestion) == (
            *("DamagedStore", "Segment file x is gone", "Restore it."),
        )
