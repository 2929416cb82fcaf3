"""``reconciler serve`` beside ``moto_server``: the CPU time that the server takes for a request of boto3's."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from whole_process import PRODUCT, environment

AIM = 1 / 4  # of moto_server's CPU
CONTEXT = {"tenant": "red", "purpose": "bench"}
_KEY = ("AKIABENCH", "the-secret-of-the-bench")
_TICKS = os.sysconf("SC_CLK_TCK")


class Served:
    """A server's process, a client of it, and a key."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        import boto3

        self._process = process
        session = boto3.Session(*_KEY, region_name="eu-west-1")
        self._client = session.client("kms", endpoint_url=url)
        self._key = self._client.create_key()["KeyMetadata"]["KeyId"]
        self._sealed = self._client.encrypt(KeyId=self._key, Plaintext=bytes(32), EncryptionContext=CONTEXT)

    def calls(self) -> Mapping[str, Callable[[], Any]]:
        """A request each."""
        kms, key, sealed = self._client, self._key, self._sealed["CiphertextBlob"]
        return {
            "GenerateDataKey": lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=CONTEXT),
            "Encrypt": lambda: kms.encrypt(KeyId=key, Plaintext=bytes(32), EncryptionContext=CONTEXT),
            "Decrypt": lambda: kms.decrypt(CiphertextBlob=sealed, EncryptionContext=CONTEXT),
        }

    def cpu_of(self, call: Callable[[], object], count: int) -> float:
        """Seconds of the server's CPU for one call."""
        before = self._cpu()
        for _ in range(count):
            call()
        return (self._cpu() - before) / count

    def _cpu(self) -> float:
        # After the command in brackets: state is field 3, user and system time are 14 and 15.
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def product() -> Iterator[Served]:
    """Ours, audit record and all."""
    flags = ["serve", "--ephemeral", "--listen=127.0.0.1:0", f"--principal=admin={':'.join(_KEY)}"]
    with _process([*PRODUCT, *flags], stdout=subprocess.PIPE) as process:
        greeting = process.stdout.readline() if process.stdout is not None else ""
        if not greeting.startswith("listening on "):
            raise SystemExit(f"serve did not start: {greeting}")
        yield Served(process, greeting.split()[2])


@contextmanager
def peer() -> Iterator[Served]:
    """moto's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _process([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urlopen(f"{url}/moto-api/", timeout=5).close()  # noqa: S310  # a server of this bench
                break
            except (URLError, OSError):
                time.sleep(0.1)
        yield Served(process, url)


@contextmanager
def _process(command: list[str], stdout: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, env=environment(), stdout=stdout, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def compare(ops: int, rounds: int) -> None:
    """Both in turn, a row for each operation."""
    with product() as ours, peer() as other:
        mine, theirs = ours.calls(), other.calls()
        for server, calls in ((ours, mine), (other, theirs)):
            for call in calls.values():
                server.cpu_of(call, 20)  # warm
        for name, call in mine.items():
            pairs = [(ours.cpu_of(call, ops), other.cpu_of(theirs[name], ops)) for _ in range(rounds)]
            ratio = statistics.median(one / two if two else float("nan") for one, two in pairs)
            own, moto = (statistics.median(side) for side in zip(*pairs, strict=True))
            print(
                f"  {name:16s} ours {own * 1e6:7.0f} us   moto_server {moto * 1e6:7.0f} us"
                f"   {ratio:.3f} of it (aim {AIM})"
            )
