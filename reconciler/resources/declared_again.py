"""What the kinds' ``manifest`` share: how a field names another object, and the fields that need no line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.kind import ManifestInput, O


def reference(given: ManifestInput[O], kind: str, identity: str, *, arn: str | None = None) -> str | dict[str, str]:
    """The name of the resource that stands for an object of ``kind``, else ``{arn: …}``. ``arn`` where ``identity`` is
    a name."""
    known = given.name_of(kind, identity) or (given.name_of(kind, arn) if arn is not None else None)
    return {"arn": arn or identity} if known is None else known.name


def said(fields: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """The fields that are not as they would be without a word; ``defaults`` are in manifests' spelling."""
    nothing = object()
    return {name: value for name, value in fields.items() if value is not None and value != defaults.get(name, nothing)}
