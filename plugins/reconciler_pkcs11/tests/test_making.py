"""What ``make setup`` brings for the HSM tests makes tokens here; an operator's file lists their modules (HS1)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reconciler.host.os_fs import OsFs
from reconciler.loading.project_file import parse_settings_file
from reconciler.providers.operator import load_operator
from reconciler_pkcs11.tests.tokens import Tokens

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["a", "b", "nss", "faulty"])
def test_every_token_is_made_and_its_module_is_listed(name: str, tokens: Tokens) -> None:
    listed = load_operator(
        OsFs(), ROOT, {"RECONCILER_OPERATOR_FILE": str(tokens.operator_file)}, parse_settings_file
    ).modules

    token = tokens[name]
    assert listed[token.module] == tokens.modules[token.module]
    assert listed[token.module].path.exists()
    assert token.pin_file.stat().st_mode & 0o777 == 0o600


def test_set_up_has_nothing_to_do_a_second_time() -> None:
    done = subprocess.run(
        ["scripts/setup_tokens.sh"],
        cwd=ROOT,
        env={**os.environ, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    if done.returncode == 0 and "skipped" in done.stderr:
        pytest.skip("set-up cannot bring everything here")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
