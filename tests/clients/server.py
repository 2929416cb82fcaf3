"""``reconciler serve --ephemeral`` as a process of its own, and clients of it as their users make them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import boto3
import botocore.session
from botocore.config import Config

from tests.clients.shapes import Seen

ACCOUNT: Final = "111122223333"
OTHER_ACCOUNT: Final = "444455556666"
REGION: Final = "eu-west-1"
OTHER_REGION: Final = "us-east-2"
ROOT: Final = Path(__file__).resolve().parents[2]

_PRINCIPALS: Final = {
    "admin": f"arn:aws:iam::{ACCOUNT}:user/admin",
    "app": f"arn:aws:iam::{ACCOUNT}:role/app",
    "auditor": f"arn:aws:iam::{ACCOUNT}:user/auditor",
    "stranger": f"arn:aws:iam::{OTHER_ACCOUNT}:user/stranger",
    "guest": f"arn:aws:iam::{OTHER_ACCOUNT}:role/guest",
}
"""By the name that tests call them. The first of each account administers it; the others may do what they are told."""

# What the client itself would refuse is to arrive: the service must refuse it, too.
_ONCE: Final = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30, parameter_validation=False)


def arn_of(name: str) -> str:
    """A principal's ARN."""
    return _PRINCIPALS[name]


def key_of(name: str) -> tuple[str, str]:
    """Its access key: id and secret."""
    return f"AKIA{name.upper()}", f"the/secret+of={name}"


def environment(name: str) -> dict[str, str]:
    """The same as variables that every SDK reads."""
    access_key, secret = key_of(name)
    return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret}


@dataclass
class Server:
    """A running endpoint. Every answer that one of its clients is given is checked by ``seen``."""

    url: str
    process: subprocess.Popen[str]
    seen: Seen = field(default_factory=Seen)
    _made: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def client(self, name: str = "admin", region: str = REGION, service: str = "kms") -> Any:
        """A boto3 client that signs as a principal."""
        wanted = (name, region, service)
        if wanted not in self._made:
            access_key, secret = key_of(name)
            session = boto3.Session(access_key, secret, region_name=region)
            client = session.client(service, endpoint_url=self.url, config=_ONCE)
            if service == "kms":
                self.seen.watch(client)
            self._made[wanted] = client
        return self._made[wanted]

    def botocore_session(self, name: str = "admin", region: str = REGION) -> Any:
        """What libraries on top of botocore are given."""
        session = botocore.session.Session()
        session.set_credentials(*key_of(name))
        session.set_config_variable("region", region)
        return session

    def reset(self) -> None:
        """Empty it."""
        with urlopen(Request(f"{self.url}/_reset", method="POST")) as answer:  # noqa: S310  # ours
            assert answer.status == 200


@contextmanager
def running(*flags: str) -> Iterator[Server]:
    """A server with the principals above, until the block ends; it must end by itself when told to."""
    principals = [f"--principal={arn}={':'.join(key_of(name))}" for name, arn in _PRINCIPALS.items()]
    command = ["serve", "--ephemeral", "--listen=127.0.0.1:0", *principals, *flags]
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        greeting = process.stdout.readline()
        assert greeting.startswith("listening on "), (greeting, process.communicate(timeout=10))
        server = Server(greeting.split()[2], process)
        yield server
        for client in server._made.values():
            client.close()
        process.terminate()
        told = process.communicate(timeout=30)[1]
        assert process.returncode == 0, told
        assert "unforeseen" not in told, told
    finally:
        process.kill()
        process.communicate()
