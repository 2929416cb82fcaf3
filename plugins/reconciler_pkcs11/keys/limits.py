"""What a request about a ``Key`` may say, as the public key service has it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.errors import (
    MalformedPolicyDocumentException,
    TagException,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.providers.keys import KeyRequest

MOST_PLAINTEXT: Final = 4096
MOST_DATA_KEY: Final = 1024
_MOST_DESCRIPTION: Final = 8192
_MOST_TAGS: Final = 50
_TAG_CHARACTERS: Final = re.compile(r"[\w\s.:/=+@-]*")


def check_key_request(request: KeyRequest) -> None:
    """ValidationException, TagException; UnsupportedOperationException for what a key in an HSM never is;
    MalformedPolicyDocumentException for any policy: an HSM has none."""
    if request.key_spec != "SYMMETRIC_DEFAULT" or request.key_usage != "ENCRYPT_DECRYPT":
        raise ValidationException(
            f"A key in an HSM's partition is a SYMMETRIC_DEFAULT key for ENCRYPT_DECRYPT, not {request.key_spec} for "
            f"{request.key_usage}",
            suggestion="Keys of other kinds are the software KMS's.",
        )
    if request.multi_region or request.origin != "AWS_KMS":
        raise UnsupportedOperationException(
            "A key in an HSM's partition is made there and never leaves it: it has one Region, and nothing is imported"
        )
    if request.policy is not None:
        raise MalformedPolicyDocumentException(
            "An HSM has no key policies: its keys are for principals of its account that reach its partition"
        )
    check_description(request.description)
    check_tags(request.tags)


def check_description(text: str) -> None:
    """ValidationException."""
    if len(text) > _MOST_DESCRIPTION:
        raise ValidationException(f"A description has at most {_MOST_DESCRIPTION} characters, this has {len(text)}")


def check_tags(tags: Mapping[str, str]) -> None:
    """All tags that a key shall have. TagException, ValidationException."""
    if len(tags) > _MOST_TAGS:
        raise TagException("Too many tags", detail=f"A key takes at most {_MOST_TAGS} tags; these are {len(tags)}.")
    check_tag_keys(tuple(tags))
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise ValidationException(f'The tag "{key[:40]}" must have 1 to 128 characters, its value at most 256')
        if not _TAG_CHARACTERS.fullmatch(key) or not _TAG_CHARACTERS.fullmatch(value):
            raise TagException(f'The tag "{key}" holds a character other than letters, digits, spaces and _.:/=+-@')


def check_tag_keys(tag_keys: Sequence[str]) -> None:
    """TagException for a reserved one."""
    for key in tag_keys:
        if key.lower().startswith("aws:"):
            raise TagException("Tags beginning with aws: are reserved", detail=f'The tag key "{key}" does.')


def check_waiting_days(days: int) -> None:
    """Of a deletion. ValidationException."""
    if not 7 <= days <= 30:
        raise ValidationException(f"The waiting time of a deletion is 7 to 30 days, not {days}")


def check_period(days: int) -> None:
    """Of automatic rotation. ValidationException."""
    if not 90 <= days <= 2560:
        raise ValidationException(f"A key rotates every 90 to 2560 days by itself, not every {days}")
