"""What a Keyspace manifest says."""

from __future__ import annotations

from typing import Annotated, ClassVar

from reconciler.resources.field_types import text
from reconciler.resources.spec import Spec


class KeyspaceSpec(Spec):
    """``replication_class`` is only a label (CONTRACT 1)."""

    name_pattern: ClassVar[str] = r"[A-Za-z0-9][A-Za-z0-9_]{0,47}"
    name_form: ClassVar[str] = "1 to 48 letters, digits and _, not _ first"

    replication_class: Annotated[str, text(r"[A-Za-z]{1,48}", "a replication class of 1 to 48 letters")] = (
        "SingleRegionStrategy"
    )
