"""Segments on an object store that speaks the S3 protocol, through ``obstore``.

A segment is a folder of objects, ``<name>/00000`` on, each of 8 MiB but the last. Each is written by one request with
``If-None-Match: *``: the store itself refuses to write one again (I4), memory is bounded by the parts on their way, and
there is no upload that a crash leaves half done where nobody sees it: what is left are objects below a name that
``pending`` knows, which a sweep removes. An answer of the store means that the object is durable.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.errors import HostError, ProviderUnavailable, ReconcilerError
from reconciler.model.ports import Clock, Fs
from reconciler.providers.secret_source import Permitted
from reconciler_warehouse.segment_store.object_config import ObjectStoreConfig
from reconciler_warehouse.segment_store.object_credentials import Credentials
from reconciler_warehouse.segment_store.object_reading import StoredParts
from reconciler_warehouse.segment_store.protocol import SegmentHandle
from reconciler_warehouse.segment_store.ranges import ends
from reconciler_warehouse.segment_store.segment_names import checked

if TYPE_CHECKING:
    from reconciler_warehouse.segment_store.object_client import ObjectClient

PART_BYTES: Final = 8 << 20  # a fact of the format: what is stored is read by it for ever
IN_FLIGHT: Final = 3
AT_ONCE: Final = 16  # small questions
A_FEW: Final = 16
_PART: Final = re.compile(r"[0-9]{5}")


class ObjectStore:
    """See ``SegmentStore``. Below the URL's prefix everything lies in ``<account>/<region>``; that is one warehouse's
    alone."""

    def __init__(  # noqa: PLR0917  # who it is, and what it is made with
        self,
        config: ObjectStoreConfig,
        account: str,
        region: str,
        clock: Clock,
        permitted: Permitted,
        catalogue: Path,
        fs: Fs,
    ) -> None:
        self._config = config
        self._region = region
        self._prefix = "/".join(part for part in (config.prefix, account, region) if part)
        self._catalogue = catalogue
        self._fs = fs
        self._credentials = Credentials(config.credentials_from, permitted, clock)

    def write(self, name: str, chunks: Iterable[memoryview]) -> None:
        """See ``SegmentStore``."""
        checked(name, self._catalogue)
        client, ours = self._client, list[str]()
        try:
            with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="segment-part") as pool:
                waiting: deque[Future[None]] = deque()
                for number, part in enumerate(_parts(chunks)):
                    if len(waiting) == IN_FLIGHT:
                        waiting.popleft().result()
                    waiting.append(pool.submit(self._put, f"{name}/{number:05d}", part, ours))
                for one in waiting:
                    one.result()
        except BaseException:  # also when the process is asked to stop
            with suppress(ReconcilerError, OSError):  # the first error is the one to report
                client.delete(ours)
            raise

    def open(self, name: str) -> SegmentHandle:
        """See ``OpensSegments``."""
        return self._opened(name, self._parts_of({checked(name, self._catalogue)}).get(name, {}))

    def remove(self, names: Collection[str]) -> None:
        """See ``SegmentStore``."""
        wanted = {checked(name, self._catalogue) for name in names}
        self._client.delete([f"{name}/{part}" for name, parts in self._parts_of(wanted).items() for part in parts])

    def names(self) -> list[str]:
        """See ``SegmentStore``."""
        return self._client.folders()

    def ends_of(self, names: Collection[str], count: int) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        """See ``SegmentStore``."""
        found = self._parts_of({Path(name).name for name in names})

        def of_one(name: str) -> tuple[bytes, bytes] | None:
            with suppress(FileNotFoundError):
                return ends(self._opened(name, found[name]), count)
            return None

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="segment-ends") as pool:
            for name, answer in zip(found, pool.map(of_one, found), strict=True):
                if answer is not None:
                    yield name, answer

    def close(self) -> None:
        """The client closes its connections when it is forgotten."""
        self.__dict__.pop("_client", None)

    def _opened(self, name: str, parts: Mapping[str, int]) -> StoredParts:
        sizes = [size for part, size in sorted(parts.items()) if _PART.fullmatch(part)]
        if not sizes:
            raise FileNotFoundError(2, "no such segment", f"{self._config.url}/{name}")
        return StoredParts(self._client.get, name, sizes, PART_BYTES)

    def _put(self, key: str, content: bytearray, ours: list[str]) -> None:
        ours.append(key)
        if not self._client.put(key, content):
            ours.remove(key)
            raise HostError(
                f"Segment {key.partition('/')[0]} exists already in {self._config.url}; it was not written again",
                suggestion="See who else writes below that prefix: it is to be one warehouse's alone.",
            )

    def _parts_of(self, names: Collection[str]) -> dict[str, dict[str, int]]:
        """Of those segments that there are: the size of each part. One question for many, one for each of a few."""
        found: dict[str, dict[str, int]] = {}
        for folder in names if len(names) <= A_FEW else [None]:
            for key, size in self._client.listed(folder):
                name, _, part = key.partition("/")
                if name in names:
                    found.setdefault(name, {})[part] = size
        return found

    @cached_property
    def _client(self) -> ObjectClient:
        try:
            from reconciler_warehouse.segment_store.object_client import ObjectClient
        except ModuleNotFoundError as error:
            raise ProviderUnavailable(
                f"Segments on {self._config.url} need the Python module {error.name}, which is not installed",
                suggestion="Install what it needs: pip install 'atrest-reconciler[object-store]'.",
            ) from None
        region = self._config.region or self._region
        return ObjectClient(self._config, self._prefix, region, self._credentials, self._fs)


def _parts(chunks: Iterable[memoryview]) -> Iterator[bytearray]:
    """The same bytes, cut at each PART_BYTES; at least one part, which may be empty."""
    part, is_first = bytearray(), True
    for chunk in chunks:
        done = 0
        while done < len(chunk):
            count = min(len(chunk) - done, PART_BYTES - len(part))
            part += chunk[done : done + count]
            done += count
            if len(part) == PART_BYTES:
                yield part
                part, is_first = bytearray(), False
    if part or is_first:
        yield part
