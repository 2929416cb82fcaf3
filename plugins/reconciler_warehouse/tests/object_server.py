"""An object store on this machine: moto's S3 behind a server that can refuse, or do something at the n-th request."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from reconciler.providers.secret_source import SecretSource
from reconciler_warehouse.config import WarehouseConfig
from reconciler_warehouse.segment_store.object_config import ObjectStoreConfig

KEY, SECRET = "AKIACANARYCANARYCAN", "CANARY/secret/of/the/object/store"

Rule = Callable[[str, str], str | None]


@dataclass
class ObjectServer:
    """``rule`` is asked of each request (method and path), and answers a status to refuse it with. ``lost_answers``: so
    many PUTs from now on are done, and answered as if they were not."""

    folder: Path
    bucket: str
    port: int = 0
    rule: Rule = lambda method, path: None
    lost_answers: int = 0
    signed_by: set[str] = field(default_factory=set)
    _running: tuple[BaseWSGIServer, threading.Thread] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def credentials(self, **more: str) -> Path:
        """The file that they are read from."""
        path = self.folder / "credentials"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET, **more}))
        return path

    def config(self, prefix: str = "warehouses/a") -> ObjectStoreConfig:
        path = self.folder / "credentials"
        source = SecretSource(file=str(path if path.exists() else self.credentials()))
        return ObjectStoreConfig(url=f"s3://{self.bucket}/{prefix}", endpoint=self.endpoint, credentials_from=source)

    def warehouse(self) -> WarehouseConfig:
        return WarehouseConfig(segments=self.config())

    def start(self) -> None:
        """Serve, at the same port again when it did before."""
        server = make_server("127.0.0.1", self.port, self, threaded=True, request_handler=_Quiet)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        self._running = (server, thread)

    def stop(self) -> None:
        """Nobody answers at the port any more."""
        if self._running is not None:
            server, thread = self._running
            server.shutdown()
            server.server_close()
            thread.join()
            self._running = None

    def objects(self) -> dict[str, bytes]:
        """All keys with what they hold, asked of the server's own memory."""
        return {name: key.value for name, key in _backend().buckets[self.bucket].keys.items()}

    def forget(self, key: str) -> None:
        _backend().delete_object(self.bucket, key)

    def put(self, key: str, content: bytes) -> None:
        _backend().put_object(self.bucket, key, content)

    def drop_bucket(self) -> None:
        for key in self.objects():
            self.forget(key)
        _backend().delete_bucket(self.bucket)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        status = self.rule(method, path)
        self.signed_by.update(re.findall(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", "")))
        if status is None and method == "PUT" and self.lost_answers:
            self.lost_answers -= 1
            b"".join(_APP(environ, lambda *answer: None))
            status = "500 Lost"
        if status is not None:
            start(status, [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        return _APP(environ, start)  # type: ignore[no-any-return]  # moto ships no types


_APP = DomainDispatcherApplication(create_backend_app)


def _backend() -> Any:
    return get_backend("s3")["123456789012"]["aws"]


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


@contextmanager
def object_server(folder: Path) -> Iterator[ObjectServer]:
    """A server with a new bucket."""
    made = ObjectServer(folder=folder, bucket=f"segments-{uuid4().hex[:12]}")
    _backend().create_bucket(made.bucket, "eu-west-1")
    made.start()
    try:
        yield made
    finally:
        made.stop()
