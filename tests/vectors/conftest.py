from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vectors.service import Service, opened


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with opened(tmp_path / "home") as made:
        yield made
