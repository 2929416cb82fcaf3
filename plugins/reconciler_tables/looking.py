"""What drift is shown beside descriptions: grants that are held, raw bytes of rows. Uses no key, opens nothing, writes
nothing."""

from __future__ import annotations

from typing import Final

from reconciler.providers.inspection import SAMPLE_BYTES, HeldGrant, PlaintextFound, readable
from reconciler_tables import catalogue, keyring
from reconciler_tables.roots import OPERATIONS
from reconciler_tables.site import Site

_SAMPLED: Final = 256  # rows of each table
_SEALED: Final = 92  # bytes that a sealed message is longer than what is in it


def held_grants(site: Site) -> list[HeldGrant]:
    """See ``HoldsGrants.held_grants``. A wrap that is not live waits for its table, or to be retired."""
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.all_wraps(ring)
    with site.catalogue.read() as reading:
        dropped = set() if reading is None else catalogue.dropped_tables(reading)
    found = []
    for wrap in wraps:
        if wrap.grant_id is not None:
            is_live = wrap.stage == keyring.LIVE and wrap.table_uid not in dropped
            held = HeldGrant(
                grant_id=wrap.grant_id,
                key_arn=wrap.key_arn,
                what="table" if is_live else "",
                name=str(wrap.name) if is_live else "",
                arn=site.arn(wrap.name) if is_live else "",
                grantee=site.service,
                operations=OPERATIONS,
                context=dict(wrap.context),
            )
            found.append(held)
    return sorted(found, key=lambda one: one.grant_id)


def plaintext_found(site: Site) -> list[PlaintextFound]:
    """See ``SamplesStorage.plaintext_found``: the first rows of each table; every row is to be one sealed message."""
    found: list[PlaintextFound] = []
    with site.catalogue.read() as reading:
        if reading is None:
            return []
        for record in catalogue.all_tables(reading):
            for number, (length, sample) in enumerate(
                reading.execute(
                    "SELECT length(sealed), substr(sealed, 1, ?) FROM sealed_row WHERE table_uid = ? LIMIT ?",
                    (SAMPLE_BYTES, record.uid, _SAMPLED),
                ),
                start=1,
            ):
                why = "it is too short to be sealed" if length < _SEALED else readable(sample)
                if why is not None:
                    found.append(PlaintextFound(arn=site.arn(record.name), where=f"stored row {number}", why=why))
                    break
    return sorted(found, key=lambda one: one.arn)
