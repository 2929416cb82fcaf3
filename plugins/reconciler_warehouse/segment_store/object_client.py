"""The client of an object store: a few requests, tried again for a while, their errors in our words.

Imports ``obstore``; imported itself at the first use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store

from reconciler.errors import ReconcilerError
from reconciler.host import durable
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs
from reconciler_warehouse.segment_store.object_config import ObjectStoreConfig
from reconciler_warehouse.segment_store.object_credentials import Credentials
from reconciler_warehouse.segment_store.object_errors import explained

if TYPE_CHECKING:
    from obstore.store import BackoffConfig, ClientConfig

CONNECT: Final = timedelta(seconds=5)
REQUEST: Final = timedelta(seconds=60)
PATIENCE: Final = timedelta(seconds=30)  # how long a request is tried again
BACKOFF: Final[BackoffConfig] = {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=5)}


class ObjectClient:
    """Keys are below ``prefix``. HostError for whatever the store or the way to it refuses."""

    def __init__(self, config: ObjectStoreConfig, prefix: str, region: str, credentials: Credentials, fs: Fs) -> None:
        self._config = config
        self._credentials = credentials
        options: ClientConfig = {"connect_timeout": CONNECT, "timeout": REQUEST}
        if config.root_certificate is not None:
            options["root_certificate"] = _certificate(fs, Path(config.root_certificate).expanduser())
        endpoint = config.endpoint or f"https://s3.{region}.amazonaws.com"
        options["allow_http"] = endpoint.startswith("http://")
        # Everything is said: what is not, the client takes from variables of the environment.
        self._store = S3Store(
            config.bucket,
            prefix=prefix,
            endpoint=endpoint,
            aws_endpoint_url_s3=endpoint,
            region=region,
            virtual_hosted_style_request=False,
            skip_signature=False,
            s3_express=False,
            conditional_put="etag",
            client_options=options,
            retry_config={"max_retries": 8, "retry_timeout": PATIENCE, "backoff": BACKOFF},
            credential_provider=credentials,
        )

    def put(self, key: str, content: bytearray) -> bool:
        """Write a new object, durable when this returns. False when the key is taken: what has it stays."""
        with explained(self._config.url, self._refused):
            try:
                obstore.put(self._store, key, memoryview(content), mode="create", use_multipart=False)
            except AlreadyExistsError:
                # The client sends again what got no answer, and then meets what it wrote itself.
                return bytes(obstore.get(self._store, key).bytes()) == content
        return True

    def get(self, key: str, start: int, length: int) -> memoryview:
        """A range of an object, shorter only at its end. FileNotFoundError."""
        with explained(self._config.url, self._refused, absent_is_news=True):
            return memoryview(obstore.get_range(self._store, key, start=start, length=length))

    def listed(self, folder: str | None) -> Iterator[tuple[str, int]]:
        """Objects below a folder, or all: key and size."""
        with explained(self._config.url, self._refused):
            for page in obstore.list(self._store, folder):
                yield from ((one["path"], one["size"]) for one in page)

    def folders(self) -> list[str]:
        """What the first part of keys is, sorted."""
        with explained(self._config.url, self._refused):
            found = obstore.list_with_delimiter(self._store)
        return sorted(Path(prefix).name for prefix in found["common_prefixes"])

    def delete(self, keys: Collection[str]) -> None:
        """Remove objects; no error for one that is gone."""
        if keys:
            with suppress(FileNotFoundError), explained(self._config.url, self._refused, absent_is_news=True):
                obstore.delete(self._store, list(keys))

    def _refused(self) -> ReconcilerError | None:
        return self._credentials.failure


def _certificate(fs: Fs, path: Path) -> bytes:
    try:
        return durable.read(fs, path)
    except OSError as error:
        raise explain_os_error(error, path, "certificate of the object store") from error
