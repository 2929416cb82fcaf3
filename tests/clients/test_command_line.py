"""The ``aws`` command line, unchanged, at the endpoint."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.server import ACCOUNT, REGION, Server, arn_of, environment


@pytest.fixture
def aws(server: Server, tmp_path: Path) -> Any:
    """``aws(...)`` answers what the command printed as JSON, or its complaint."""

    def run(*arguments: str, principal: str = "admin", fails: bool = False) -> Any:
        settings = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **environment(principal),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_PAGER": "",
        }
        ended = subprocess.run(
            [sys.executable, "-m", "awscli", *arguments, "--endpoint-url", server.url, "--output", "json"],
            env=settings,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode != 0) is fails, ended.stderr
        return ended.stderr if fails else json.loads(ended.stdout or "null")

    return run


def test_a_key_from_the_command_line(aws: Any, tmp_path: Path) -> None:
    """A key, an alias, a secret in a file there and back, and the key's end."""
    made = aws("kms", "create-key", "--description", "by hand", "--tags", "TagKey=team,TagValue=red")
    key_id = made["KeyMetadata"]["KeyId"]
    aws("kms", "create-alias", "--alias-name", "alias/by-hand", "--target-key-id", key_id)
    (tmp_path / "secret").write_bytes(b"\0\1 what nobody is to read")
    sealed = aws("kms", "encrypt", "--key-id", "alias/by-hand", "--plaintext", "fileb://secret")
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = aws("kms", "decrypt", "--ciphertext-blob", "fileb://sealed")
    assert base64.b64decode(opened["Plaintext"]) == b"\0\1 what nobody is to read"
    assert opened["KeyId"] == made["KeyMetadata"]["Arn"]
    listed = aws("kms", "list-aliases", "--key-id", key_id, "--query", "Aliases[].AliasName")
    assert listed == ["alias/by-hand"]
    ended = aws("kms", "schedule-key-deletion", "--key-id", key_id, "--pending-window-in-days", "7")
    assert ended["KeyState"] == "PendingDeletion"
    complaint = aws("kms", "decrypt", "--ciphertext-blob", "fileb://sealed", fails=True)
    assert "(KMSInvalidStateException) when calling the Decrypt operation" in complaint
    assert f"{ended['KeyId']} is pending deletion." in complaint


def test_who_am_i(aws: Any) -> None:
    for principal in ("admin", "stranger"):
        told = aws("sts", "get-caller-identity", principal=principal)
        assert told["Arn"] == arn_of(principal)
        assert told["Account"] == arn_of(principal).split(":")[4]


def test_who_may_not_is_told_so(aws: Any) -> None:
    complaint = aws("kms", "create-key", principal="auditor", fails=True)
    assert "(AccessDeniedException)" in complaint
    assert f"arn:aws:iam::{ACCOUNT}:user/auditor is not authorized to perform: kms:CreateKey" in complaint
