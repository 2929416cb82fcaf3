"""A file that exists in memory alone, for libraries that read a secret only from a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Bytes


@contextmanager
def memory_file(content: Bytes, what: str) -> Iterator[str]:
    """A path under which this process can read ``content`` for the length of the block.

    It is a descriptor without a name (memfd): no file system ever holds it, children do not inherit it, and it goes
    with the process however that ends. What is in memory may be swapped, as everything else of a process. At the end
    it is overwritten. HostError ("the private key …") where the system has none.
    """
    shown = Path("/proc/self/fd")
    try:
        descriptor = os.memfd_create("reconciler", os.MFD_CLOEXEC)
    except OSError as error:
        raise explain_os_error(error, shown, what) from error
    try:
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        yield str(shown / str(descriptor))
        os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    finally:
        os.close(descriptor)
