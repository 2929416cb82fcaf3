"""TagResource, UntagResource, ListResourceTags; and tags as other requests carry them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints

from reconciler.access.caller import Caller
from reconciler.errors import TagException
from reconciler_softkms.door import Door
from reconciler_softkms.operations import tagging
from reconciler_softkms.pages import PageOf
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Asked, KeyName, Limit, Marker, as_tuple

TagKey = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Tag(Asked):
    """Its form, within others."""

    tag_key: TagKey
    tag_value: Annotated[str, StringConstraints(max_length=256)]


Tags = Annotated[tuple[Tag, ...], BeforeValidator(as_tuple)]


class TagResource(Asked):
    """Its form."""

    key_id: KeyName
    tags: Tags


class UntagResource(Asked):
    """Its form."""

    key_id: KeyName
    tag_keys: Annotated[tuple[TagKey, ...], BeforeValidator(as_tuple)]


class ListResourceTags(Asked):
    """Its form."""

    key_id: KeyName
    limit: Limit | None = None
    marker: Marker | None = None


def as_pairs(tags: tuple[Tag, ...]) -> dict[str, str]:
    """Tags by their keys. TagException for a key twice."""
    pairs = {tag.tag_key: tag.tag_value for tag in tags}
    if len(pairs) != len(tags):
        raise TagException("Duplicate tag keys")
    return pairs


def entry(pair: tuple[str, str]) -> dict[str, str]:
    """``Tag`` of the public API."""
    return {"TagKey": pair[0], "TagValue": pair[1]}


def tag_resource(door: Door, caller: Caller, asked: TagResource) -> Mapping[str, Any]:
    """Nothing."""
    tagging.tag(door, caller, asked.key_id, as_pairs(asked.tags))
    return {}


def untag_resource(door: Door, caller: Caller, asked: UntagResource) -> Mapping[str, Any]:
    """Nothing."""
    tagging.untag(door, caller, asked.key_id, asked.tag_keys)
    return {}


def list_resource_tags(door: Door, caller: Caller, asked: ListResourceTags) -> Mapping[str, Any]:
    """A page of the key's tags."""
    found = tagging.page_of_tags(door, caller, asked.key_id, PageOf(asked.limit, asked.marker))
    return found.answer("Tags", entry)


OPERATIONS = {
    "TagResource": Operation(TagResource, tag_resource),
    "UntagResource": Operation(UntagResource, untag_resource),
    "ListResourceTags": Operation(ListResourceTags, list_resource_tags),
}
