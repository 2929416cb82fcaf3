"""What ends with a key, for an issue or a pull request."""

from __future__ import annotations

from reconciler.model.blast_radius import BlastRadius, Dependent, Loss
from reconciler.views.blast_radius_text import UNSEEN, counts_text, short_recovery, when_text
from reconciler.views.markdown_text import code_span, table
from reconciler.views.quantity import bytes_text

_ROWS = 200


def render_blast_radius_markdown(radius: BlastRadius) -> str:
    """A table of everything, then when the key can go and what brings that forward."""
    lines = [f"## Without {code_span(radius.name)}", "", code_span(radius.key_arn), ""]
    if radius.dependents:
        header = ("loss", "what", "name", "managed as", "Region", "bytes", "expires")
        lines += [*table(header, [_row(one) for one in radius.dependents[:_ROWS]]), ""]
    if len(radius.dependents) > _ROWS:
        lines += [f"… and {len(radius.dependents) - _ROWS:,} more", ""]
    lost = counts_text(radius, Loss.UNREADABLE)
    if lost:
        lines += [
            f"**{lost} ({bytes_text(radius.bytes)}) become unreadable, {_recovery(radius)}.**",
            "",
        ]
    lines += [] if radius.state else [UNSEEN, ""]
    lines += [f"- {code_span(name)} cannot be asked, and counts as using it" for name in radius.unreachable]
    lines += [f"**{when_text(radius)}**", ""]
    lines += [f"{number}. {code_span(way)}" for number, way in enumerate(radius.way_forward, 1)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _recovery(radius: BlastRadius) -> str:
    return short_recovery(radius).replace("once it is deleted", "once the key is deleted")


def _row(one: Dependent) -> tuple[str, ...]:
    return (
        str(one.loss),
        one.group,
        code_span(one.name),
        "" if one.address is None else code_span(one.address),
        code_span(one.region) if one.region else "",
        bytes_text(one.bytes) if one.bytes else "",
        "" if one.expires_at is None else f"{one.expires_at:%Y-%m-%d}",
    )
