"""Access keys for people."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.serving.credentials import Credential
from reconciler.views.safe_text import clean


def render_credentials(listed: Sequence[Credential]) -> str:
    """A line each: id, principal, and what is special about it."""
    return "".join(f"{clean(each.access_key_id)}  {clean(each.principal)}{_special(each)}\n" for each in listed)


def _special(credential: Credential) -> str:
    parts = [f"{key}={value}" for key, value in sorted(credential.tags.items())]
    if credential.is_administrator:
        parts.append("administrator")
    if credential.expires is not None:
        parts.append(f"until {credential.expires:%Y-%m-%d %H:%M} UTC")
    return f"  ({clean(', '.join(parts))})" if parts else ""
