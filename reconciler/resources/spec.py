"""The base of every kind's spec: what CONTRACT 1 lets each of them say.

A spec is read twice: from a manifest, where every scalar is a string (T11), and from the canonical JSON that the state
and the cache keep. ``canonical_json`` has one spelling for one meaning, so its digest changes only when the meaning
does.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel

from reconciler.resources.field_types import AddressText, Boolean, Name, SortedSet, Word, refuse


class Strict(BaseModel):
    """Frozen, camelCase in manifests, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class ProjectFiles(Protocol):
    """What a spec may ask of the project while it is read from a manifest (the validation context).

    Paths are relative to the project, stay below it and pass no symlink (CONTRACT 1). ValueError says what is wrong.
    Whatever is asked here is remembered, so that a cached manifest is read again when such a file changes.
    """

    def text(self, path: str) -> str:
        """The content of a small UTF-8 file."""

    def sha256(self, path: str) -> str:
        """SHA-256 (hex) of a data file."""


class Lifecycle(Strict):
    """``spec.lifecycle``. ``prevent_destroy`` None: the kind's own default."""

    prevent_destroy: Boolean | None = None
    retain: Boolean = False
    ignore_changes: Annotated[tuple[Word, ...], SortedSet] = ()


class Spec(Strict):
    """What every kind takes beside its own fields (CONTRACT 1). ``provider`` is the name of a Provider.

    ``name_pattern`` is the form of the object's name at the provider, ``name_form`` the same in words. ``parent`` is
    the reference field under which names are unique, where that is not the provider itself. ``one_per`` is a
    reference field that at most one resource of the kind may point at the same target. ``unobserved`` are paths, in
    manifests' spelling, of what no provider reports. ``same_place`` are reference fields whose target is to be of the
    same account and Region, ``other_region`` those of the same account and another Region (KM7).
    """

    name_pattern: ClassVar[str] = r"[A-Za-z0-9][A-Za-z0-9:/_.+=@-]{0,255}"
    name_form: ClassVar[str] = "1 to 256 letters, digits and : / _ . + = @ -"
    parent: ClassVar[str | None] = None
    one_per: ClassVar[str | None] = None
    unobserved: ClassVar[tuple[str, ...]] = ()
    same_place: ClassVar[tuple[str, ...]] = ()
    other_region: ClassVar[tuple[str, ...]] = ()

    provider: Name
    lifecycle: Lifecycle = Lifecycle()
    depends_on: Annotated[tuple[AddressText, ...], SortedSet] = ()
    external_name: Word | None = None
    import_id: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    renamed_from: Name | None = None

    @model_validator(mode="after")
    def _ignores_what_is_there(self, info: ValidationInfo) -> Self:
        if self.lifecycle.ignore_changes and info.context is not None:
            from reconciler.resources.ignorable import misnamed  # few manifests say so

            for path in self.lifecycle.ignore_changes:
                problem = misnamed(type(self), self.unobserved, path)
                if problem is not None:
                    message, suggestion = problem
                    field = ("lifecycle", "ignoreChanges")
                    raise refuse(message, field=field, suggestion=suggestion or "")
        return self

    def canonical_json(self) -> str:
        """One spelling for one meaning; ``model_validate_json`` reads it back."""
        return self.model_dump_json(by_alias=True)


def spec_digest(canonical_json: str) -> str:
    """SHA-256 (hex) of a spec's canonical JSON."""
    return hashlib.sha256(canonical_json.encode()).hexdigest()
