from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.access.caller import Caller
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Fs
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig

if TYPE_CHECKING:
    from reconciler_softkms.tests.every_key import EveryKey
    from reconciler_softkms.tests.sealed import Estate

ACCOUNT = "111122223333"
REGION = "eu-west-1"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/reconciler"
Opened = Callable[..., SoftKms]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def opened(home: Path, clock: ManualClock) -> Iterator[Opened]:
    """Makes key services of one home; each is another process as far as the store is concerned."""
    made: list[SoftKms] = []

    def make(
        *,
        account: str = ACCOUNT,
        region: str = REGION,
        administrators: list[str] | None = None,
        where: Path = home,
        seed: str | None = None,
        fs: Fs | None = None,
    ) -> SoftKms:
        services = ProviderServices(
            name="kms",
            account=account,
            region=region,
            principal=ADMINISTRATOR,
            home=where,
            fs=fs or OsFs(),
            clock=clock,
            random=SeededRandom(seed or f"{region}/{len(made)}"),
        )
        made.append(SoftKms(SoftKmsConfig(administrators=administrators), services, NoOther()))
        return made[-1]

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def provider(opened: Opened) -> SoftKms:
    return opened()


@pytest.fixture
def caller() -> Caller:
    return Caller(principal=ADMINISTRATOR, account=ACCOUNT)


@pytest.fixture(scope="session")
def every_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EveryKey]:
    """Made once: RSA keys take their time."""
    from reconciler_softkms.tests.every_key import EveryKey, open_provider

    clock = ManualClock()
    provider = open_provider(tmp_path_factory.mktemp("every_key"), clock)
    yield EveryKey(provider, clock)
    provider.close()


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    from reconciler_softkms.tests.sealed import Estate

    made = Estate(tmp_path)
    yield made
    made.close()


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: hundreds of stores are made here, and fsync is not what is tested."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it is ours alone
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)
