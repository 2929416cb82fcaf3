"""What a SnapshotCopyGrant manifest says (SC2)."""

from __future__ import annotations

from typing import ClassVar

from reconciler.resources.field_types import KeyRef
from reconciler.resources.spec import Spec


class SnapshotCopyGrantSpec(Spec):
    """``provider`` is the warehouse in the destination Region, ``key`` a key there; none: the owned key there."""

    name_pattern: ClassVar[str] = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    name_form: ClassVar[str] = "1 to 63 small letters, digits and inner hyphens, a letter first"

    key: KeyRef | None = None
