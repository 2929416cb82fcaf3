"""Public statuses of clusters and snapshots, as far as this warehouse has them."""

from __future__ import annotations

from typing import Final

from reconciler.providers.data import INCOMPATIBLE_HSM

AVAILABLE: Final = "available"
CREATING: Final = "creating"
ROTATING: Final = "rotating-keys"
RESIZING: Final = "resizing"  # while a cluster's encryption is switched on or off
MODIFYING: Final = "modifying"
INACCESSIBLE: Final = "inaccessible-kms-key"  # its root key is lost (RE8)
RENAMING: Final = "renaming"
INCOMPATIBLE: Final = INCOMPATIBLE_HSM  # a cluster that was not made, for its HSM was not fit (HS5)
UNFINISHED: Final = (CREATING, INCOMPATIBLE)
UNAVAILABLE: Final = "unavailable"  # a cluster whose wrapped keys are lost
FAILED: Final = "failed"  # a snapshot whose wrapped keys are lost
