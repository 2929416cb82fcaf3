"""A server with a key service whose CreateKey takes a while, and with little patience. Run by ``test_patience``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.serving.app import make_app
from reconciler.serving.credentials import DeclaredCredentials
from reconciler.serving.limits import Limits
from reconciler.serving.listening import listen, url_of
from reconciler.serving.replays import Replays
from reconciler.serving.server import serve
from tests.serving.key_services import Remembering, services
from tests.serving.signing import credential

LIMITS = Limits(body_bytes=2048, head_bytes=4096, head_seconds=0.3, body_seconds=0.3, stopping_seconds=5)


def take_a_second(caller: Caller, request: Mapping[str, Any]) -> dict[str, Any]:
    time.sleep(1)
    return {"Done": True}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        known = DeclaredCredentials([credential()])
        key_services = services(known, home)
        Remembering.more["CreateKey"] = take_a_second
        bound = listen("127.0.0.1:0", is_guarded=False)
        replays = Replays(home / "serve")
        with ThreadPoolExecutor(4) as workers:
            app = make_app(
                key_services,
                known,
                replays,
                workers,
                clock=SystemClock(),
                random=SystemRandom(),
                limits=LIMITS,
                report=lambda line: print(line, file=sys.stderr),  # noqa: T201  # told to the test
                reset=lambda: time.sleep(0.2),
            )
            url = url_of(bound, is_encrypted=False)
            serve(app, bound, limits=LIMITS, on_listening=lambda: print(f"listening on {url}", flush=True))  # noqa: T201  # told to the test
        replays.close()


if __name__ == "__main__":
    main()
