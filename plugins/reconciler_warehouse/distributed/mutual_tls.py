"""Dask's own settings for a group: mutual TLS 1.3, nothing else; nothing served in clear, nothing spilled to a disk."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reconciler.errors import HostError, ProviderUnavailable
from reconciler.host.private_file import private_file
from reconciler.model.ports import Fs
from reconciler_warehouse.distributed.certificates import AUTHORITY, CERTIFICATE, KEY
from reconciler_warehouse.distributed.settings import DistributedConfig

if TYPE_CHECKING:
    from distributed.security import Security

CONNECT_SECONDS: Final = 10
_SETTINGS: Final[dict[str, Any]] = {
    "distributed.scheduler.http.routes": [],  # these pages know no TLS and ask nobody who he is
    "distributed.worker.http.routes": [],
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
    "distributed.comm.retry.count": 0,
    "distributed.diagnostics.nvml": False,
}


def configure() -> None:
    """Give Dask, in this process, the settings that a group has. ProviderUnavailable when it is not installed."""
    try:
        import dask
        import distributed  # noqa: F401  # it adds its own defaults
    except ModuleNotFoundError as error:
        raise ProviderUnavailable(
            f"Workers need the Python module {error.name}, which is not installed",
            suggestion="Install what they need: pip install 'atrest-reconciler[distributed]'.",
        ) from None
    dask.config.set(_SETTINGS)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told in our words


def security(fs: Fs, config: DistributedConfig) -> Security:
    """Who we are, and whom we believe. HostError for a file that is missing, or a key that others can read."""
    configure()
    from distributed.security import Security

    folder = Path(config.certificates).expanduser()
    for name in (AUTHORITY, CERTIFICATE):
        if not fs.exists(folder / name):
            raise HostError(
                f"There is no {name} in {folder}, so no worker can tell who is one of us",
                suggestion="Make them: reconciler workers init PROVIDER",
            )
    with private_file(folder / KEY, "private key of the workers"):
        pass
    certificate, key = str(folder / CERTIFICATE), str(folder / KEY)
    return Security(
        require_encryption=True,
        tls_ca_file=str(folder / AUTHORITY),
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        tls_client_cert=certificate,
        tls_client_key=key,
        tls_scheduler_cert=certificate,
        tls_scheduler_key=key,
        tls_worker_cert=certificate,
        tls_worker_key=key,
    )
