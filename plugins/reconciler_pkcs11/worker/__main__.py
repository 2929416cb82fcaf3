"""Started by path, in isolated mode, with the number of its channel's descriptor: nothing of the user's environment
chooses what is imported here, and nothing but the token layer is.

The package around it is given without running its ``__init__``, which would import the whole provider.
"""

from __future__ import annotations

import io
import os
import resource
import sys
import types
from contextlib import suppress
from typing import Final

_PACKAGE: Final = "reconciler_pkcs11"
_PR_SET_DUMPABLE: Final = 4


def _keep_memory_to_itself() -> None:
    """No core file, and no other process of the user reads this one's memory."""
    import ctypes

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def main() -> None:
    """Serve until the other end is gone."""
    alone = types.ModuleType(_PACKAGE)
    alone.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules[_PACKAGE] = alone
    from reconciler_pkcs11.worker.serving import serve

    _keep_memory_to_itself()
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    serve(io.FileIO(descriptor, "r+"))


if __name__ == "__main__":
    main()
