"""What a KeyPolicy manifest says: the one policy document of a key (KM2)."""

from __future__ import annotations

from typing import ClassVar

from reconciler.resources.field_types import KeyRef
from reconciler.resources.policy_document import DocumentSpec


class KeyPolicySpec(DocumentSpec):
    """The policy of ``key``."""

    one_per: ClassVar[str | None] = "key"
    same_place: ClassVar[tuple[str, ...]] = ("key",)

    key: KeyRef
