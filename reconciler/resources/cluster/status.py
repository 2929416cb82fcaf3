"""The public cluster statuses that a diff looks at."""

from __future__ import annotations

from typing import Final

AVAILABLE: Final = "available"
CHANGING_ROOT: Final = frozenset({"modifying", "resizing"})  # a change of encryption was begun and is not complete
ROTATING: Final = "rotating-keys"
INACCESSIBLE: Final = "inaccessible-kms-key"  # RE8
