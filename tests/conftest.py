"""Golden files: readable text beside the tests, rewritten with ``pytest --update-golden`` and read in review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing with them")


@pytest.fixture
def golden_file(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares text with the file at a path."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
            return
        assert path.exists(), f"no golden file {path.name}: write it with --update-golden and read it"
        assert text == path.read_bytes().decode(), f"{path.name} differs; if the new text is right: --update-golden"

    return compare


@pytest.fixture
def golden(request: pytest.FixtureRequest, golden_file: Callable[[Path, str], None]) -> Callable[[str, str], None]:
    """Compares text with the file of that name in ``golden/`` beside the test."""
    folder = Path(request.path).parent / "golden"
    return lambda name, text: golden_file(folder / name, text)


@pytest.fixture
def hsm_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers of plugin pkcs11 are the HSM of ``tests.hsm_in_memory``."""
    from reconciler.providers.discovery import InstalledPlugins
    from tests.hsm_in_memory import find_plugin

    monkeypatch.setattr(InstalledPlugins, "find", find_plugin)
