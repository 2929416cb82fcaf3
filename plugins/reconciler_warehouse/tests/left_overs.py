"""What a warehouse keeps without need, or lacks though something refers to it: both must be nothing (T1, I3)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler_warehouse.status import CREATING
from reconciler_warehouse.tests.worlds import HERE, World

_UNREFERRED = {
    "key table": """SELECT id FROM key_table WHERE id NOT IN (SELECT key_table FROM segment
                    UNION SELECT key_table FROM past_segment)""",
    "delete vector": """SELECT id FROM delete_vector WHERE id NOT IN (
                        SELECT delete_vector FROM segment WHERE delete_vector IS NOT NULL
                        UNION SELECT delete_vector FROM past_segment WHERE delete_vector IS NOT NULL)""",
    "inline segment": """SELECT file FROM inline WHERE file NOT IN (SELECT file FROM segment
                         UNION SELECT file FROM past_segment)""",
    "page of a manifest": """SELECT holder FROM manifest_page WHERE holder NOT IN (SELECT uid FROM cluster
                             UNION SELECT uid FROM snapshot)""",
    "past segment": """SELECT uid FROM past_segment s WHERE NOT EXISTS (
                       SELECT 1 FROM snapshot_table t JOIN snapshot p ON p.uid = t.snapshot
                       WHERE t.uid = s.data_table AND p.moment >= s.born AND p.moment < s.died)""",
    "file on its way": "SELECT file FROM pending",
    "holder that is gone": "SELECT holder FROM gone",
}


def left_over(world: World, region: str = HERE) -> dict[str, Sequence[object]]:
    """By kind; empty when everything is as it should be. Leftovers of killed calls are swept before, as by the next."""
    world.warehouse(region).clear_up()
    site = world.warehouse(region)._site
    found: dict[str, Sequence[object]] = {}
    with site.catalogue.read() as catalogue, site.keyring.read() as ring:
        if catalogue is None:
            return {}
        for what, query in _UNREFERRED.items():
            found[what] = [*(one for (one,) in catalogue.execute(query))]
        needed = {file for (file,) in catalogue.execute("SELECT file FROM segment UNION SELECT file FROM past_segment")}
        holders = {
            uid
            for (uid,) in catalogue.execute(
                """SELECT uid FROM cluster WHERE dek IS NOT NULL
                   UNION SELECT uid FROM snapshot WHERE dek IS NOT NULL AND status != ?""",
                (CREATING,),
            )
        }
        begun = {  # goes on with its keys when its call is repeated
            uid
            for (uid,) in catalogue.execute(
                "SELECT uid FROM cluster WHERE status = ?1 UNION SELECT uid FROM snapshot WHERE status = ?1",
                (CREATING,),
            )
        }
        held = set() if ring is None else {uid for (uid,) in ring.execute("SELECT uid FROM holder")}
        bare = [] if ring is None else ring.execute("SELECT holder FROM holding").fetchall()
    there = set(site.segments.names())
    found["file"] = sorted(there - needed)
    found["missing file"] = sorted(needed - there)
    found["key"] = sorted(held - holders - begun)
    found["missing key"] = sorted(holders - held)
    found["key of nobody"] = sorted({uid for (uid,) in bare} - held)
    return {what: kept for what, kept in found.items() if kept}
