"""A cluster as ``show`` tells of it: status, root, schedule, copying, what is under way, what happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.shown import Happening, Shown
from reconciler.providers.data import ClusterDescription, RootKind
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.providers.warehouse import ChangeProgress, EstimatesChanges, TellsEvents
from reconciler.resources.cluster.inaccessible import words
from reconciler.resources.cluster.observe import observation_of
from reconciler.resources.cluster.root import in_words
from reconciler.resources.cluster.schedule import in_words as schedule_words
from reconciler.resources.field_types import write_duration, write_moment
from reconciler.resources.kind import Target
from reconciler.resources.reference import name_of


def describe(target: Target, services: Services) -> Shown | None:
    """What the warehouse says of it now; None when it is not there. Asks no key service."""
    warehouse = warehouse_provider(services, target.provider)
    name = name_of(target.attributes)
    found = next(iter(warehouse.describe_clusters(caller(services, target.provider), [name])), None)
    if found is None:
        return None
    change = warehouse.change_progress(name) if isinstance(warehouse, EstimatesChanges) else None
    events = warehouse.events(name) if isinstance(warehouse, TellsEvents) else []
    return Shown(
        facts=_facts(found, change),
        lines=tuple(_lines(found, change, services.clock.now())),
        events=tuple(
            Happening(at=one.at, category=one.category, severity=str(one.severity), message=one.message)
            for one in events
        ),
    )


def _facts(found: ClusterDescription, change: ChangeProgress | None) -> dict[str, Any]:
    schedule, copy, lost = found.schedule, found.copy, found.inaccessible
    return {
        "arn": found.arn,
        "status": found.status,
        "nodeType": found.node_type,
        "nodes": found.nodes,
        "database": found.database,
        "createdAt": write_moment(found.created_at),
        "root": str(found.root.kind),
        "keyArn": found.root.key_arn or found.root.partition,
        "escrowArn": found.escrow_arn,
        "rotatedAt": None if found.rotated_at is None else write_moment(found.rotated_at),
        "awaitsSnapshot": found.awaits_snapshot,
        "snapshots": None
        if schedule is None
        else {"every": write_duration(schedule.every), "retention": write_duration(schedule.retention)},
        "copy": None
        if copy is None
        else {"region": copy.region, "grant": copy.grant_name, "retentionDays": copy.retention_days},
        "inaccessible": None
        if lost is None
        else {
            "since": write_moment(lost.since),
            "deadline": write_moment(lost.deadline),
            "cause": str(lost.cause),
            "backup": lost.backup,
            "escrowArn": lost.escrow_arn,
        },
        "change": None if change is None else _change_facts(change),
        "tables": [
            {"name": table.name, "rows": table.rows, "bytes": table.bytes, "backup": table.backup}
            for table in sorted(found.tables, key=lambda table: table.name)
        ],
    }


def _change_facts(change: ChangeProgress) -> dict[str, Any]:
    return {
        "verb": change.verb,
        "begunAt": write_moment(change.begun_at),
        "bytesDone": change.bytes_done,
        "bytesTotal": change.bytes_total,
        "segmentsDone": change.segments_done,
        "segmentsTotal": change.segments_total,
        "bytesPerSecond": change.bytes_per_second,
        "secondsLeft": change.seconds_left,
    }


def _lines(found: ClusterDescription, change: ChangeProgress | None, now: datetime) -> list[tuple[str, str]]:
    lines = [
        ("arn", found.arn),
        ("status", found.status),
        ("nodes", f"{found.node_type} × {found.nodes}"),
        ("database", found.database),
        ("created", _moment_words(write_moment(found.created_at))),
        ("root", in_words(found.root.kind, found.root.key_arn or found.root.partition)),
    ]
    if found.encrypted:
        none = "none" if found.root.kind is RootKind.OWNED else "none: unrecoverable should the root be lost (RE14)"
        lines.append(("escrow", found.escrow_arn or none))
    if found.rotated_at is not None:
        lines.append(("keys made", _moment_words(write_moment(found.rotated_at))))
    if found.awaits_snapshot:
        lines.append(("encryption", "no snapshot of it was completed yet: not done, and not failed (RE10)"))
    schedule, copy = found.schedule, found.copy
    lines.append(
        ("snapshots", "none by itself" if schedule is None else schedule_words(schedule.every, schedule.retention))
    )
    if copy is not None:
        through = f"through grant {copy.grant_name}" if copy.grant_name else "under the owned key there"
        lines.append(("copies", f"to {copy.region}, {through}, kept for {copy.retention_days}d"))
    if found.inaccessible is not None:
        lines.append(("root key", words(observation_of(found), now)))
    if change is not None:
        lines.append(("under way", progress_words(change)))
    lines += [
        (f"table {table.name}", f"{table.rows:,} rows, {table.bytes:,} bytes{'' if table.backup else ', BACKUP NO'}")
        for table in sorted(found.tables, key=lambda table: table.name)
    ]
    return lines


def progress_words(change: ChangeProgress) -> str:
    """How far an unfinished change is, how fast, and how long it will take by that."""
    text = (
        f"{change.verb}, {change.bytes_done:,} of {change.bytes_total:,} bytes, {change.segments_done:,} of "
        f"{change.segments_total:,} segments"
    )
    if change.bytes_per_second is not None:
        text += f", {change.bytes_per_second:,.0f} bytes a second"
    if change.seconds_left is not None:
        text += f", about {change.seconds_left:,.0f} s left"
    return text


def _moment_words(moment: str) -> str:
    return moment.replace("T", " ").replace("Z", " UTC")
