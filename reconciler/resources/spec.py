"""The base of every kind's spec: what CONTRACT 1 lets each of them say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Strict(BaseModel):
    """Frozen, camelCase in manifests, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class Lifecycle(Strict):
    """``spec.lifecycle``."""

    prevent_destroy: bool | None = None
    retain: bool = False
    ignore_changes: tuple[str, ...] = ()


class Spec(Strict):
    """What every kind takes beside its own fields (CONTRACT 1). ``provider`` is the name of a Provider."""

    provider: str
    lifecycle: Lifecycle = Lifecycle()
    depends_on: tuple[str, ...] = ()
    external_name: str | None = None
    import_id: str | None = None
    renamed_from: str | None = None
