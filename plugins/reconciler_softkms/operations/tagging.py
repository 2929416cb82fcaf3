"""TagResource, UntagResource, ListResourceTags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.pages import Page, PageOf, after, page
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.states import require_not_pending
from reconciler_softkms.tags import check_tag_keys, check_tags

_TAGS_A_PAGE: Final = 50


def tag(door: Door, caller: Caller, key_id: str, tags: Mapping[str, str]) -> None:
    """See ``KeyProvider.tag_resource``."""
    written = [{"tagKey": key, "tagValue": value} for key, value in tags.items()]
    with door.change(caller, "TagResource", {"keyId": key_id, "tags": written}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:TagResource", request_tags=tags)
        require_not_pending(row, door.names.key_arn(row.key_id))
        all_tags = json.loads(row.tags) | dict(tags)
        check_tags(all_tags)
        _write_tags(asked, row, all_tags)


def untag(door: Door, caller: Caller, key_id: str, tag_keys: Sequence[str]) -> None:
    """See ``KeyProvider.untag_resource``."""
    with door.change(caller, "UntagResource", {"keyId": key_id, "tagKeys": list(tag_keys)}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:UntagResource", request_tags=dict.fromkeys(tag_keys, ""))
        require_not_pending(row, door.names.key_arn(row.key_id))
        check_tag_keys(tag_keys)
        _write_tags(asked, row, {key: value for key, value in json.loads(row.tags).items() if key not in tag_keys})


def page_of_tags(door: Door, caller: Caller, key_id: str, which: PageOf) -> Page[tuple[str, str]]:
    """The key's tags, ordered by tag key."""
    with door.look(caller, "ListResourceTags", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:ListResourceTags")
        tags: dict[str, str] = json.loads(row.tags)
        return page(asked, which, _TAGS_A_PAGE, row.key_id, after([(key, (key, tags[key])) for key in tags]))


def _write_tags(asked: Request, row: KeyRow, tags: Mapping[str, str]) -> None:
    text = json.dumps(tags, ensure_ascii=False)
    asked.connection.execute("UPDATE keys SET tags = ? WHERE key_id = ?", (text, row.key_id))
