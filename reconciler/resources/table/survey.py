"""What a table's record does not tell: whether its key can be used, and whether its rows are ciphertext."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.address import Address
from reconciler.model.plan import Finding
from reconciler.resources.estate import Estate
from reconciler.resources.raw import found_in_plaintext, unusable_root
from reconciler.resources.table.drift import INACCESSIBLE
from reconciler.resources.table.observe import TableObservation

KIND = "Table"


def survey(estate: Estate) -> Sequence[Finding]:
    """``warehouse-inaccessible`` by the key's state, and ``data-plaintext-found``."""
    found: list[Finding] = []
    for address, _ in estate.of_kind(KIND):
        observed = estate.observed.get(address)
        if isinstance(observed, TableObservation) and observed.status != INACCESSIBLE:
            found += unusable_root(estate, address, observed.key_arn)

    def address_of(arn: str) -> Address | None:
        service, _, name = arn.partition(":/keyspace/")
        return estate.address_of(KIND, arn, name.replace("/table/", ".")) if ":cassandra:" in service else None

    return [*found, *found_in_plaintext(estate, address_of)]
