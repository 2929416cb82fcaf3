"""What a writer knows of the state's proofs, so that each of its writes costs the same however large the state is.

Read and checked once, when the lock is taken; from then on nobody else may write. Before each transaction the meta row
must be the very one that this writer left; when it is not, all of it is read and checked again. So what was changed
behind our back is never built upon.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.model.address import Address
from reconciler.model.recorded import Intent
from reconciler.state import meta
from reconciler.state.meta import Found, Meta
from reconciler.state.proofs import Proofs, added, summand, tag


@dataclass(slots=True)
class Ledger:
    """The proofs of one state, between two of its writes. ``found`` is the meta row as it lies there,
    ``told_of`` the fencing token of the run that the journal already tells of."""

    proofs: Proofs
    found: Found
    rows: dict[Address, bytes] = field(default_factory=dict)
    open: dict[tuple[str, str], tuple[Intent, bytes]] = field(default_factory=dict)
    plans: dict[str, bytes] = field(default_factory=dict)
    serial: int = 0
    dropped: tuple[int, bytes] = (0, b"")
    last: tuple[int, bytes] = (0, b"")
    told_of: int = 0
    _rows_sum: int = 0
    _open_sum: int = 0
    _plans_sum: int = 0
    _changed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        known = self.found.meta
        self.serial = known.serial
        self.dropped, self.last = (known.dropped, known.dropped_tag), (known.last, known.last_tag)
        self._rows_sum = total(self.rows.values())
        self._open_sum = total(proof for _, proof in self.open.values())
        self._plans_sum = total(self.plans.values())

    def next_serial(self) -> int:
        """One more."""
        self.serial += 1
        return self.serial

    def put_row(self, address: Address, proof: bytes) -> None:
        """A row was written."""
        self._rows_sum = added(self._rows_sum, put=proof, taken=self.rows.get(address))
        self.rows[address] = proof
        self._changed.add(meta.ROWS)

    def take_row(self, address: Address) -> None:
        """A row was removed."""
        self._rows_sum = added(self._rows_sum, taken=self.rows.pop(address))
        self._changed.add(meta.ROWS)

    def put_open(self, intent: Intent, proof: bytes) -> None:
        """An intent was begun."""
        self.open[str(intent.address), intent.step] = (intent, proof)
        self._open_sum = added(self._open_sum, put=proof)
        self._changed.add(meta.OPEN)

    def take_open(self, intent: Intent) -> None:
        """An intent was closed."""
        _, proof = self.open.pop((str(intent.address), intent.step))
        self._open_sum = added(self._open_sum, taken=proof)
        self._changed.add(meta.OPEN)

    def put_plan(self, plan_id: str, proof: bytes) -> None:
        """A saved plan was used."""
        self.plans[plan_id] = proof
        self._plans_sum = added(self._plans_sum, put=proof)
        self._changed.add(meta.PLANS)

    def add_entry(self, number: int, proof: bytes) -> None:
        """The journal has one entry more."""
        self.last = (number, tag(proof))

    def meta(self) -> Meta:
        """The meta row that stands for all this."""
        known = self.found.meta
        changed, prove = self._changed, self.proofs.sum
        made = Meta(
            known.lineage,
            self.serial,
            known.seal,
            prove(meta.ROWS, self._rows_sum) if meta.ROWS in changed else known.rows,
            prove(meta.OPEN, self._open_sum) if meta.OPEN in changed else known.open,
            prove(meta.PLANS, self._plans_sum) if meta.PLANS in changed else known.plans,
            *self.dropped,
            *self.last,
        )
        changed.clear()
        return made


def total(proofs: Iterable[bytes]) -> int:
    """The sum of these proofs' summands."""
    return sum(map(summand, proofs)) % (1 << 128)
