"""SoftHSM2, brought by ``make setup`` for the HSM's tests, runs here (HS1; the pkcs11 plugin builds on it)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

UNPACKED = Path(__file__).resolve().parent.parent / ".tools" / "softhsm2" / "usr"
Run = Callable[..., str]


@pytest.fixture
def softhsm(tmp_path: Path) -> Run:
    """``softhsm2-util`` over a token folder of the test's own. Skips where it is not to be had, but not under CI."""
    installed = shutil.which("softhsm2-util")
    if (UNPACKED / "bin" / "softhsm2-util").exists():
        util, module = UNPACKED / "bin" / "softhsm2-util", UNPACKED / "lib" / "softhsm" / "libsofthsm2.so"
    elif installed:
        util, module = Path(installed), Path("/usr/lib/softhsm/libsofthsm2.so")
    elif os.environ.get("CI") == "true":
        pytest.fail("SoftHSM2 is missing: make setup brings it, and under CI=true nothing is skipped")
    else:
        pytest.skip("SoftHSM2 is not here: make setup brings it where it can")
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    environment = {
        **os.environ,
        "SOFTHSM2_CONF": str(configuration),
        "LD_LIBRARY_PATH": str(UNPACKED / "lib" / f"{platform.machine()}-linux-gnu"),
    }

    def run(*arguments: str) -> str:
        return subprocess.run(
            [str(util), "--module", str(module), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    return run


def test_a_token_is_made_and_listed(softhsm: Run, tmp_path: Path) -> None:
    softhsm("--init-token", "--free", "--label", "partition-a", "--pin", "1234", "--so-pin", "12345678")

    assert "partition-a" in softhsm("--show-slots")
    assert any((tmp_path / "tokens").iterdir())
