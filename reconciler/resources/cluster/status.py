"""The public cluster statuses that a diff looks at."""

from __future__ import annotations

from typing import Final

from reconciler.providers.data import INCOMPATIBLE_HSM

AVAILABLE: Final = "available"
MODIFYING: Final = "modifying"  # keys are being re-wrapped under another root
RESIZING: Final = "resizing"  # data are being encrypted or decrypted
RENAMING: Final = "renaming"
ROTATING: Final = "rotating-keys"
INACCESSIBLE: Final = "inaccessible-kms-key"  # RE8
INCOMPATIBLE: Final = INCOMPATIBLE_HSM  # HS5: nothing of it was made
