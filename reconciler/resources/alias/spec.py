"""What an Alias manifest says: a name for a key."""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_validator

from reconciler.resources.field_types import KeyRef, refuse
from reconciler.resources.spec import Spec


class AliasSpec(Spec):
    """The alias at the provider is ``alias/`` and the resource's name there, which is written without that prefix
    (``externalName: alias/x`` means ``x``)."""

    name_pattern: ClassVar[str] = r"[A-Za-z0-9:/_-]{1,250}"
    name_form: ClassVar[str] = "1 to 250 letters, digits and : / _ -"
    same_place: ClassVar[tuple[str, ...]] = ("key",)

    key: KeyRef

    @field_validator("external_name")
    @classmethod
    def _without_prefix(cls, value: str | None) -> str | None:
        bare = None if value is None else value.removeprefix("alias/")
        if bare is not None and bare.startswith("aws/"):
            raise refuse("must not begin with aws/, which is the service's own")
        return bare
