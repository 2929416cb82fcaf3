"""Tags of a key: their permitted form (reference, "CreateKey")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.errors import TagException, ValidationException

MOST: Final = 50
_CHARACTERS = re.compile(r"[\w\s.:/=+@-]*")


def check_tags(tags: Mapping[str, str]) -> None:
    """All tags that a key shall have. TagException, ValidationException."""
    if len(tags) > MOST:
        raise TagException("Too many tags", detail=f"A key takes at most {MOST} tags; these are {len(tags)}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128:
            raise ValidationException(f'The tag key "{key[:40]}" must have 1 to 128 characters, it has {len(key)}')
        if len(value) > 256:
            raise ValidationException(f'The value of tag "{key}" must have at most 256 characters, it has {len(value)}')
        if key.lower().startswith("aws:"):
            raise TagException("Tags beginning with aws: are reserved", detail=f'The tag key "{key}" does.')
        if not _CHARACTERS.fullmatch(key) or not _CHARACTERS.fullmatch(value):
            raise TagException(f'The tag "{key}" holds a character other than letters, digits, spaces and _.:/=+-@')


def check_tag_keys(tag_keys: Sequence[str]) -> None:
    """Keys of tags that are to be removed. TagException for a reserved one."""
    for key in tag_keys:
        if key.lower().startswith("aws:"):
            raise TagException("Tags beginning with aws: are reserved", detail=f'The tag key "{key}" does.')
