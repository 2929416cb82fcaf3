"""Tags of principals (``aws:PrincipalTag/KEY``) as the command line takes them."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.errors import UsageError


def read_tags(written: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` each. UsageError for what is no tag, and for a key that is given twice."""
    tags: dict[str, str] = {}
    for each in written:
        key, is_pair, value = each.partition("=")
        if not is_pair or not 1 <= len(key) <= 128 or len(value) > 256 or key in tags:
            raise UsageError(
                f'"{each}" is no tag, or its key is given twice',
                suggestion="Write KEY=VALUE: up to 128 characters, and up to 256.",
            )
        tags[key] = value
    return tags
