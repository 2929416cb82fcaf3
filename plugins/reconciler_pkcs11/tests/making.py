"""Private tokens in a folder: two partitions of SoftHSM2, one NSS database, the fault shim in front of SoftHSM2.

Standard library only (set-up tries the tokens with it). Nothing leaves the folder, and no PIN stands in an argument.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    import native  # type: ignore[import-not-found]  # run by path, before anything is installed
else:
    from reconciler_pkcs11.tests import native

LABELS: Final = {"a": "partition-a", "b": "partition-b"}
NSS_LABEL: Final = "nss-a"
PINS: Final = {"partition-a": "user-pin-a", "partition-b": "user-pin-b", "nss-a": "user-pin-nss"}
_SO_PIN: Final = "officer-pin"


@dataclass(frozen=True, slots=True)
class Native:
    """A module's file and the variables that it is loaded with."""

    path: Path
    environment: Mapping[str, str]


def modules(folder: Path) -> dict[str, Native]:
    """What an operator lists for the tokens in ``folder``, by name; what the machine does not have is left out.
    ``faulty`` is ``softhsm`` behind the fault shim, whose control file and log lie in the folder."""
    found: dict[str, Native] = {}
    if (path := native.softhsm()) is not None:
        found["softhsm"] = Native(
            path, {**native.library_path(), "SOFTHSM2_CONF": str(folder / "softhsm" / "softhsm2.conf")}
        )
        if (shim := native.shim("fault_shim")) is not None:
            variables = {
                "FAULT_SHIM_MODULE": str(path),
                "FAULT_SHIM_LOG": str(folder / "calls.log"),
                "FAULT_SHIM_CONTROL": str(folder / "faults"),
            }
            found["faulty"] = Native(shim, {**found["softhsm"].environment, **variables})
    softokn, shim = native.softokn(), native.shim("nss_shim")
    if softokn is not None and shim is not None:
        parameters = (
            f"configdir='sql:{folder / 'nss'}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= "
            f"tokenDescription='{NSS_LABEL}' dbTokenDescription='{NSS_LABEL}'"
        )
        variables = {"NSS_SOFTOKN": str(softokn), "NSS_LIB_PARAMS": parameters}
        found["nss"] = Native(shim, {**native.library_path(), **variables})
    return found


def configure(folder: Path) -> None:
    """Point SoftHSM2's configuration at this folder: after making it, and after copying it."""
    (folder / "softhsm" / "tokens").mkdir(parents=True, exist_ok=True)
    (folder / "nss").mkdir(exist_ok=True)
    (folder / "softhsm" / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}/softhsm/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        "slots.removable = false\n"
    )


def make(folder: Path) -> None:
    """Make every token that this machine can have."""
    configure(folder)
    found = modules(folder)
    if "softhsm" in found:
        for label in LABELS.values():
            initialise(found["softhsm"], label)
    if "nss" in found:
        initialise(found["nss"], NSS_LABEL, database="yes")


def initialise(module: Native, label: str, **more: str) -> None:
    """One more token of that label, in the module's folder. ``more`` adds to the order, or stands for what is in it."""
    order = {"module": str(module.path), "label": label, "so_pin": _SO_PIN, "pin": PINS.get(label, ""), **more}
    done = subprocess.run(
        [sys.executable, "-I", str(Path(__file__).with_name("initialise_token.py"))],
        input=json.dumps(order).encode(),
        env={"PATH": "/usr/bin:/bin", **module.environment},
        capture_output=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(f"the token {label} could not be made: {done.stderr.decode()[-500:]}")


if __name__ == "__main__":  # for set-up: whether tokens of each kind named can be made here
    make(Path(sys.argv[1]))
    lacking = set(sys.argv[2:]) - set(modules(Path(sys.argv[1])))
    sys.exit(f"no {', '.join(sorted(lacking))}" if lacking else 0)
