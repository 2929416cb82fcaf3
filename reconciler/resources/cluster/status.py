"""The public cluster statuses that a diff looks at."""

from __future__ import annotations

from typing import Final

AVAILABLE: Final = "available"
MODIFYING: Final = "modifying"  # keys are being re-wrapped under another root
RESIZING: Final = "resizing"  # data are being encrypted or decrypted
RENAMING: Final = "renaming"
ROTATING: Final = "rotating-keys"
INACCESSIBLE: Final = "inaccessible-kms-key"  # RE8
