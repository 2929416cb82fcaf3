"""Live servers on one home that go on using its keys, while others beside them are killed in the middle of changes.

Run as a script it is ``reconciler`` with a clock that a file sets forward, so that what is due can come about:

    SHIFT_FILE=FILE python tests/processes/served_beside.py serve ...
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tests.serving.processes import Served, environment, serving
from tests.serving.signing import send, signed_headers, target
from tests.world import provider

PLATFORM: Final = "arn:aws:iam::111122223333:role/platform"
_SCRIPT: Final = str(Path(__file__).resolve())
_NUMBERS: Final = itertools.count()
_ANOTHER_DAY: Final = "Signature (expired|not yet current)"
"""Days passed between signing and being read."""


class Refused(Exception):
    """What the server answered; the text begins with the error's name."""


@dataclass(frozen=True)
class Sealed:
    """A ciphertext, as base64, and what it opens to."""

    key_id: str
    ciphertext: str
    plaintext: str


@dataclass
class Home:
    """A project with a key service, an access key for its administrator, and a clock."""

    folder: Path
    access_key: tuple[str, str] = ("", "")
    _shift: int = 0

    def make(self) -> None:
        (self.folder / "manifests").mkdir(parents=True)
        self.declare(provider())
        self._clock.write_text("0")
        said = self.reconciler("serve", "credentials", "make", "--principal", PLATFORM)
        found = re.findall(r"=(\S+)", said)
        self.access_key = found[0], found[1]

    def declare(self, text: str) -> None:
        (self.folder / "manifests" / "all.yaml").write_text(text)

    def pass_days(self, days: float) -> None:
        """For everybody, at once."""
        self._shift += int(days * 86_400) + 5
        fresh = self._clock.with_suffix(".fresh")
        fresh.write_text(str(self._shift))
        fresh.rename(self._clock)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._shift)

    def reconciler(self, *arguments: str, killed_after: float | None = None) -> str:
        """A command in a process of its own; what it prints, and nothing of one that was killed."""
        process = subprocess.Popen(
            [sys.executable, _SCRIPT, *arguments],
            cwd=self.folder,
            env=environment(self.folder, self._variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            said, errors = process.communicate(timeout=killed_after)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return ""
        assert process.returncode == 0, (arguments, said, errors)
        return said

    @contextmanager
    def serving(self) -> Iterator[Served]:
        with serving(self.folder, script=(_SCRIPT, "serve"), **self._variables) as served:
            yield served

    def call(self, served: Served, operation: str, **request: Any) -> Any:
        """The answer. Refused; OSError and HTTPException when the server died meanwhile."""
        body = json.dumps(request).encode()
        numbered = {**target(operation), "amz-sdk-invocation-id": str(next(_NUMBERS))}
        while True:
            headers = signed_headers(body, numbered, host=served.host, key=self.access_key, now=self.now)
            answered = send(served.host, body, headers)
            if answered.status == 200:
                return answered.json
            if not re.match(_ANOTHER_DAY, answered.json.get("message", "")):
                raise Refused(f"{answered.json['__type']}: {operation}: {answered.json.get('message')}")

    @property
    def _clock(self) -> Path:
        return self.folder / "shift"

    @property
    def _variables(self) -> dict[str, str]:
        return {"SHIFT_FILE": str(self._clock)}


@dataclass
class Estate:
    """Two servers that live on, each used all the time by a client of its own. ``wrong`` is what no client should have
    seen; the ``closing`` keys may be refused, ``open`` ones never."""

    home: Home
    live: tuple[Served, Served]
    chance: random.Random
    wrong: list[str] = field(default_factory=list)
    opens: list[Sealed] = field(default_factory=list)
    uses: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def call(self, operation: str, **request: Any) -> Any:
        """At either server."""
        return self.home.call(self.chance.choice(self.live), operation, **request)

    def everywhere(self, operation: str, **request: Any) -> set[str]:
        """What both answer: one element, if they agree. A refusal is its error's name."""
        return {self.outcome(served, operation, **request) for served in self.live}

    def outcome(self, served: Served, operation: str, **request: Any) -> str:
        try:
            return json.dumps(self.home.call(served, operation, **request), sort_keys=True)
        except Refused as refused:
            return str(refused).partition(":")[0]

    def new_key(self, **request: Any) -> str:
        return str(self.call("CreateKey", **request)["KeyMetadata"]["KeyId"])

    def seal(self, key_id: str, *, for_ever: bool = True) -> Sealed:
        """Something under the key, which from now on both servers open all the time unless it is not ``for_ever``."""
        plaintext = base64.b64encode(self.chance.randbytes(24)).decode()
        sealed = Sealed(key_id, self.call("Encrypt", KeyId=key_id, Plaintext=plaintext)["CiphertextBlob"], plaintext)
        if for_ever:
            self.opens.append(sealed)
        return sealed

    def opened(self, served: Served, sealed: Sealed) -> str:
        """The material that opens it."""
        answer = self.home.call(served, "Decrypt", CiphertextBlob=sealed.ciphertext)
        assert answer["Plaintext"] == sealed.plaintext
        return str(answer["KeyMaterialId"])

    def key_ids(self) -> set[str]:
        return {key["KeyId"] for key in self.call("ListKeys", Limit=1000)["Keys"]}

    def kill_while(self, change: Callable[[Served], None], *, clients: int = 3) -> None:
        """Have ``clients`` of a third server do ``change`` again and again, and kill it at some moment after the first
        was answered."""
        is_answered = threading.Event()

        def go_on() -> None:
            try:
                while True:
                    change(served)
                    is_answered.set()
            except (OSError, http.client.HTTPException):
                return
            except Exception as error:  # told by the test that began this thread
                self.wrong.append(f"beside: {error!r}")

        with self.home.serving() as served:
            threads = [threading.Thread(target=go_on, daemon=True) for _ in range(clients)]
            for thread in threads:
                thread.start()
            assert is_answered.wait(30)
            time.sleep(self.chance.uniform(0, 0.2))
            served.process.kill()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()

    def use_all_the_time(self, served: Served) -> None:
        """Until the end: open what must open, and seal more of it."""
        chance = random.Random(served.host)  # noqa: S311  # chooses what is used
        while not self._ended.is_set():
            if self.opens:
                sealed = chance.choice(self.opens)
                try:
                    self.opened(served, sealed)
                    self.home.call(served, "Encrypt", KeyId=sealed.key_id, Plaintext=sealed.plaintext)
                    self.uses += 1
                    time.sleep(0.01)
                except (Refused, OSError, http.client.HTTPException, AssertionError) as error:
                    self.wrong.append(repr(error))
                    return

    def end(self) -> None:
        """Everything that was ever sealed opens, nobody saw anything wrong, and the log is whole."""
        self._ended.set()
        for served in self.live:
            for sealed in self.opens:
                self.opened(served, sealed)
            assert served.stop() == 0
            assert served.errors == ""
        assert self.wrong == []
        assert self.uses > 0
        assert "all as they were written" in self.home.reconciler("audit", "--check")
        assert "Everything is what was written." in self.home.reconciler("keystore", "check", "kms")


@contextmanager
def estate(folder: Path, seed: str) -> Iterator[Estate]:
    """The home of ``folder`` with two live servers that are used until the block ends, and then looked through."""
    home = Home(folder)
    home.make()
    with ExitStack() as closing:
        live = closing.enter_context(home.serving()), closing.enter_context(home.serving())
        chance = random.Random(seed)  # noqa: S311  # decides who is killed when
        made = Estate(home, live, chance)
        made.seal(made.new_key())
        threads = [threading.Thread(target=made.use_all_the_time, args=(one,), daemon=True) for one in live]
        for thread in threads:
            thread.start()
        try:
            yield made
        finally:
            made._ended.set()
            for thread in threads:
                thread.join(30)
        made.end()


def _set_the_clock() -> None:
    from reconciler.host.clock import SystemClock

    file, real = os.environ["SHIFT_FILE"], SystemClock.now

    def now(clock: SystemClock) -> datetime:
        return real(clock) + timedelta(seconds=int(Path(file).read_text()))

    SystemClock.now = now  # type: ignore[assignment,method-assign]  # this process alone lives later


if __name__ == "__main__":
    from reconciler.cli import main

    _set_the_clock()
    sys.exit(main(sys.argv[1:]))
