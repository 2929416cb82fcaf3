"""One worker process, from its start to its end. It holds no policy: who asks decides what a loss means."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.errors import HsmFault
from reconciler_pkcs11.worker import frames
from reconciler_pkcs11.worker.requests import Answer, Request

_ENTRY: Final = Path(__file__).with_name("__main__.py")
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_SECONDS_TO_END: Final = 2.0


class Lost(Exception):
    """The worker ended or was given up. ``was_asked``: in the middle of what it was asked, and what it did is unknown.
    ``fault`` and ``detail`` say how."""

    def __init__(self, fault: HsmFault, detail: str, *, was_asked: bool = True) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail
        self.was_asked = was_asked


class WorkerProcess:
    """A child of this process, in a session of its own: no Ctrl-C at the terminal reaches it. Its environment holds
    nothing of ours, it has no descriptor of ours but its channel, and what a module prints is read by nobody.

    When this process ends, in whatever way, the channel ends with it, and so does the child; one that hangs in its
    module then is ended by its own alarm.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and file
                    [sys.executable, "-I", "-S", str(_ENTRY), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**_ENVIRONMENT, **environment},
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                self._channel.close()
                raise Lost(HsmFault.MODULE_CRASHED, f"its process could not be started: {error.strerror}") from None

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def ask(
        self, request: Request, fields: Sequence[bytes | bytearray], seconds: float
    ) -> tuple[Answer, list[bytearray]]:
        """What it answers within ``seconds``. Lost, and then the process has ended or will by itself."""
        frame = frames.encode(request, fields, int(seconds * 1000))
        end = time.monotonic() + seconds
        try:
            self._channel.settimeout(seconds)
            self._channel.sendall(frame)
            kind, _, said = frames.decode(frames.receive(lambda buffer: self._read(buffer, end)))
            return Answer(kind), said
        except TimeoutError:
            self.kill()
            raise Lost(HsmFault.TIMEOUT, f"no answer in {seconds:g} s; its process was ended") from None
        except (frames.Ended, OSError, ValueError):
            raise self._ended() from None
        except BaseException:  # interrupted: the answer that is still to come must be nobody else's
            self._leave()
            raise
        finally:
            frame[:] = bytes(len(frame))

    def _read(self, buffer: memoryview, end: float) -> int:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._channel.settimeout(left)
        return self._channel.recv_into(buffer)

    def _ended(self) -> Lost:
        """Why there is no answer: it is no more, or it talks nonsense and is ended now."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)
        self.kill()
        status = self._process.returncode
        if status == -signal.SIGALRM:
            return Lost(HsmFault.TIMEOUT, "its process was ended by its own alarm")
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return Lost(HsmFault.MODULE_CRASHED, f"its process ended ({how})")

    def _leave(self) -> None:
        """Let it end by itself: it may be in the middle of making a key, where killing it could harm the token."""
        self._channel.close()
        threading.Thread(target=self._process.wait, daemon=True).start()

    def kill(self) -> None:
        """End it at once."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let it log out and end."""
        self._channel.close()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.kill()
