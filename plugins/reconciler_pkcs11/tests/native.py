"""Where the native things of the HSM's tests are: those that ``make setup`` unpacked or compiled below ``.tools``, else
the machine's own. Standard library only: set-up uses it, too."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TOOLS: Final = Path(__file__).resolve().parents[3] / ".tools"
_TRIPLET: Final = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
_ROOTS: Final = {"softhsm": (TOOLS / "softhsm2", Path("/")), "nss": (TOOLS / "nss", Path("/"))}


def softhsm() -> Path | None:
    """SoftHSM2's module."""
    return _first(_ROOTS["softhsm"], ("usr/lib/softhsm/libsofthsm2.so", f"usr/lib/{_TRIPLET}/softhsm/libsofthsm2.so"))


def softokn() -> Path | None:
    """NSS's software token."""
    folders = (f"usr/lib/{_TRIPLET}", f"usr/lib/{_TRIPLET}/nss", "usr/lib64", "usr/lib")
    return _first(_ROOTS["nss"], tuple(f"{folder}/libsoftokn3.so" for folder in folders))


def shim(name: str) -> Path | None:
    """One of ours, compiled: ``nss_shim`` or ``fault_shim``."""
    path = TOOLS / "shims" / f"{name}.so"
    return path if path.exists() else None


def library_path() -> dict[str, str]:
    """Variables for a module whose libraries were unpacked beside it, because the machine has none."""
    found = [folder for folders in _ROOTS.values() for folder in _libraries(folders[0])]
    return {"LD_LIBRARY_PATH": ":".join(found)} if found else {}


def _libraries(root: Path) -> Iterator[str]:
    for folder in (f"usr/lib/{_TRIPLET}", f"usr/lib/{_TRIPLET}/nss"):
        if any((root / folder).glob("*.so*")):
            yield str(root / folder)


def _first(roots: tuple[Path, ...], places: tuple[str, ...]) -> Path | None:
    return next((path for root in roots for place in places if (path := root / place).exists()), None)


if __name__ == "__main__":  # for set-up: which of these are here
    sys.stdout.write("".join(f"{each()}\n" for each in (softhsm, softokn)))
