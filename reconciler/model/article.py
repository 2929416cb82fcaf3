"""The article that goes before a noun in a message."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile("[A-Za-z]*")
_LONGEST_SPELLED: Final = 4


def a(noun: str) -> str:
    """The noun with its article, by its sound: what is spelled out, such as RSA, by the sound of its first letter.

    >>> [a(noun) for noun in ("Key", "Alias", "RSA_2048 key", "HMAC_256 key", "SYMMETRIC_DEFAULT key", "HsmPartition")]
    ['a Key', 'an Alias', 'an RSA_2048 key', 'an HMAC_256 key', 'a SYMMETRIC_DEFAULT key', 'an HsmPartition']
    """
    found = _WORD.match(noun)
    word = "" if found is None else found[0]
    is_spelled = (word.isupper() and len(word) <= _LONGEST_SPELLED) or word.startswith("Hsm")
    vowels = "AEFHILMNORSX" if is_spelled else "AEIO"
    return f"{'an' if word[:1].upper() in tuple(vowels) else 'a'} {noun}"
