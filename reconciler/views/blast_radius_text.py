"""What ends with a key, for people: grouped and counted, with what brings its end forward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.blast_radius import NOT_FOUND, BlastRadius, Dependent, Loss, counted
from reconciler.providers.root_arns import is_partition
from reconciler.views.ink import Ink
from reconciler.views.quantity import bytes_text, count_text
from reconciler.views.safe_text import clean

_HEADINGS = {Loss.UNREADABLE: "becomes unreadable", Loss.UNUSABLE: "stops working"}
_ITS_OWN = ("policy", "state row")  # every key of ours has them: no news to whoever reads a plan
UNSEEN = "The key itself could not be looked at: its state is not known, nor which aliases and grants it has."
_PLURAL = {"copy from another Region": "copies from other Regions", "policy": "policies", "copying": "copying"}


def render_blast_radius(radius: BlastRadius, *, colour: bool) -> str:
    """Everything, in groups; then when the key can go, and what brings that forward."""
    ink = Ink(colour=colour)
    lines = [ink.bold(f"Without {clean(radius.name)}:"), f"  {clean(radius.key_arn)}{_state(radius)}"]
    for loss, heading in _HEADINGS.items():
        found = radius.lost(loss)
        if found:
            lines += ["", ink.red(_heading(radius, loss, heading)) if loss is Loss.UNREADABLE else heading + ":"]
            lines += [line for group in _groups(found) for line in _group_lines(group)]
    if not radius.state:
        lines += ["", UNSEEN]
    if radius.unreachable:
        lines += ["", ink.red("cannot be asked, and counts as using it:")]
        lines += [f"  {clean(name)}" for name in radius.unreachable]
    if not radius.dependents and not radius.unreachable:
        lines += ["", "Nothing is under it, and nothing refers to it."]
    if radius.lost(Loss.UNREADABLE):
        lines += ["", recovery_text(radius)]
    lines += ["", when_text(radius)]
    if radius.way_forward:
        lines.append("What brings that forward, in order:")
        lines += [f"  {number}. {clean(way)}" for number, way in enumerate(radius.way_forward, 1)]
    return "\n".join(lines) + "\n"


def short_lines(radius: BlastRadius) -> list[str]:
    """The same in two lines, for a plan."""
    parts = []
    lost = counts_text(radius, Loss.UNREADABLE)
    if lost:
        parts.append(f"{lost} ({bytes_text(radius.bytes)}) would be unreadable, {short_recovery(radius)}")
    broken = counted(one for one in radius.lost(Loss.UNUSABLE) if one.what not in _ITS_OWN)
    if broken:
        parts.append(f"{_counts(broken)} would stop working")
    if radius.unreachable:
        parts.append(f"{', '.join(map(clean, radius.unreachable))} cannot be asked, and counts as using it")
    if radius.state == NOT_FOUND:
        parts.append("its key service has no such key")
    text = "; ".join(parts) if parts else "nothing would be lost"
    lines = [f"without {clean(radius.name)}: {text}"]
    if radius.is_held or radius.deletion_date is not None:
        lines.append(f"  {when_text(radius)}")
    return lines


def recovery_text(radius: BlastRadius) -> str:
    """What remains of the unreadable once the key is deleted (RE14)."""
    keys = ", ".join(map(clean, radius.escrow_keys))
    if not keys:
        return "No escrow key is declared: once the key is deleted, what becomes unreadable is unrecoverable."
    if not radius.unrecoverable:
        return f"All of what becomes unreadable is in escrow: {keys} opens it, restored to another cluster (RE8)."
    rest = ", ".join(dict.fromkeys(clean(_name(one)) for one in radius.unrecoverable))
    return f"In escrow under {keys} is all of it but {rest}: that is unrecoverable once the key is deleted."


def short_recovery(radius: BlastRadius) -> str:
    """The same in a few words."""
    if not radius.unrecoverable:
        return "recoverable with its escrow key"
    if not radius.escrow_keys:
        return "unrecoverable once it is deleted"
    left = len({one.identity for one in radius.unrecoverable})
    return f"{left:,} of them unrecoverable once it is deleted, the others in escrow"


def counts_text(radius: BlastRadius, loss: Loss) -> str:
    """``2 clusters, 3 snapshots``; empty when there is none."""
    return _counts(radius.counts(loss))


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(_count(group, number) for group, number in numbers.items())


def when_text(radius: BlastRadius) -> str:
    """When the key, or the partition of an HSM, can be gone."""
    what = "partition" if is_partition(radius.key_arn) else "key"
    if radius.state == NOT_FOUND:
        service = "HSM" if what == "partition" else "key service"
        return f"Its {service} has no such {what}: it is gone, or its ARN is misspelt."
    if radius.unreachable:
        return f"The {what} cannot be deleted: not everything could be asked."
    if radius.earliest is None:
        held = [one for one in radius.holding if one.expires_at is None]
        names = ", ".join(dict.fromkeys(clean(_name(one)) for one in held[:3]))
        more = len({one.identity for one in held}) - 3
        holds = "holds" if len(held) == 1 else "hold"
        others = f" and {more:,} more" if more > 0 else ""
        return f"The {what} never goes by itself: {names}{others} {holds} it for good."
    day = f"{radius.earliest:%Y-%m-%d %H:%M} UTC"
    if radius.deletion_date is not None:
        return f"It is scheduled for deletion, and gone by {day} unless that is cancelled."
    if not radius.window_days:
        return "It can go now." if not radius.holding else f"It can be gone by {day} at the earliest."
    return f"It can be gone by {day} at the earliest ({radius.window_days} days after it is free)."


def _state(radius: BlastRadius) -> str:
    names = [*radius.aliases, *([radius.state] if radius.state else [])]
    return f" ({', '.join(map(clean, names))})" if names else ""


def _heading(radius: BlastRadius, loss: Loss, heading: str) -> str:
    number = sum(radius.counts(loss).values())
    return f"{heading}: {count_text(number, 'object')}, {bytes_text(radius.bytes)}"


def _groups(found: Sequence[Dependent]) -> list[tuple[str, list[Dependent]]]:
    groups: dict[str, dict[str, Dependent]] = {}
    for one in found:
        groups.setdefault(one.group, {}).setdefault(one.identity, one)
    return [(group, sorted(each.values(), key=lambda one: one.name)) for group, each in groups.items()]


def _group_lines(group: tuple[str, list[Dependent]]) -> list[str]:
    name, found = group
    return [f"  {_count(name, len(found))}:", *(f"    {_line(one)}" for one in found)]


def _line(one: Dependent) -> str:
    facts = [bytes_text(one.bytes)] if one.loss is Loss.UNREADABLE else []
    if one.region:
        facts.append(one.region)
    if one.escrow is not None:
        facts.append(f"in escrow under {one.escrow}")
    if one.expires_at is not None:
        facts.append(f"expires {one.expires_at:%Y-%m-%d %H:%M} UTC")
    if one.address is None and one.what == "grant" and one.follows is not None:
        facts.append(f"made for {_owner(one.follows)}")
    elif one.address is None:
        facts.append("not managed here")
    elif str(one.address) != one.name:
        facts.append(str(one.address))
    return clean(one.name) + (f" ({clean(', '.join(facts))})" if facts else "")


def _owner(arn: str) -> str:
    """What a service made a grant for, as people call it; its ARN when it is of a kind that is not known here."""
    kind, _, name = arn.split(":", 5)[-1].partition(":")
    cluster, _, snapshot = name.partition("/")
    if kind == "cluster":
        return f"cluster {name}"
    if kind == "snapshot" and snapshot:
        return f"{'automated ' if snapshot.startswith('rs:') else ''}snapshot {snapshot} of cluster {cluster}"
    if kind == "snapshotcopygrant":
        return f"snapshot copy grant {name}"
    match kind.split("/"):
        case ["", "keyspace", keyspace, "table", table]:
            return f"table {keyspace}.{table}"
    return arn


def _name(one: Dependent) -> str:
    return str(one.address or f"{one.group} {one.name}")


def _count(group: str, number: int) -> str:
    return count_text(number, group, _PLURAL.get(group))
