"""Worlds about to be changed, in memory where there is such a folder: fsync is not what a kill tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.providers.discovery import InstalledPlugins
from reconciler.testing.quick_folder import quick_folder
from tests.faults.hsm_on_disk import find_plugin
from tests.faults.killing import Prepared
from tests.faults.operations import CASES


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    """A folder of ours alone, below which nothing is slow."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture(scope="module", autouse=True)
def quick_pairs() -> Iterator[None]:
    """The pairs that material is wrapped with are made anew at every import and every copy: here small ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reconciler.envelope.import_wrapping.WRAPPING_KEY_SPEC", "RSA_2048")
        patch.setattr("reconciler_warehouse.copies.transport.KEY_BITS", 2048)
        yield


@pytest.fixture(scope="module", autouse=True)
def hsm_on_disk() -> Iterator[None]:
    """Providers of plugin pkcs11 are an HSM that goes with a copy of the world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InstalledPlugins, "find", find_plugin)
        yield


@pytest.fixture(scope="module")
def prepared(request: pytest.FixtureRequest, quick: Path) -> Prepared:
    """The world of the case that the test is parametrised with; half of them have a very short journal (T18)."""
    name = str(request.param)
    number = list(CASES).index(name)
    return Prepared(CASES[name], quick / str(number), journal_keeps=(None, 1, None, 2, None, 3)[number % 6])
