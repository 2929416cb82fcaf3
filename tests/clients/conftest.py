from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.server import OTHER_REGION, Server, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One for all tests of a process: each makes the keys that it needs."""
    with running() as made:
        yield made


@pytest.fixture
def kms(server: Server) -> Any:
    """An administrator's client."""
    return server.client()


@pytest.fixture
def abroad(server: Server) -> Any:
    """The same in another Region."""
    return server.client(region=OTHER_REGION)
