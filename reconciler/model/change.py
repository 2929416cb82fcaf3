"""What a plan is made of: steps, operations, changes. Plain data that can be printed, compared and refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.model.address import Address
from reconciler.model.blast_radius import BlastRadius
from reconciler.model.ports import Services, StepServices

KNOWN_AFTER_APPLY = "(known after apply)"


class Action(StrEnum):
    """What happens to one resource as a whole (the symbol that a plan prints before it)."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    NOOP = "noop"
    RETAIN = "retain"
    FORGET = "forget"
    IMPORT = "import"


class Verb(StrEnum):
    """The domain operations of CONTRACT 4: not only create, update and delete (PS3)."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    ROTATE = "rotate"
    SWITCH_KEY = "switch-key"
    RE_WRAP = "re-wrap"
    RE_ENCRYPT = "re-encrypt"
    SNAPSHOT = "snapshot"
    COPY_SNAPSHOT = "copy-snapshot"
    ENABLE_COPY = "enable-copy"
    DISABLE_COPY = "disable-copy"
    RENAME = "rename"
    REPLICATE_KEY = "replicate-key"
    RESTORE = "restore"
    LOAD = "load"
    REPLACE = "replace"
    IMPORT = "import"
    FORGET = "forget"
    RETAIN = "retain"
    GRANT = "grant"
    RETIRE = "retire"
    SCHEDULE_DELETION = "schedule-deletion"
    CANCEL_DELETION = "cancel-deletion"
    ENABLE = "enable"
    DISABLE = "disable"


class Availability(StrEnum):
    """What users of the resource notice while an operation runs."""

    NONE = "none"
    READ_ONLY = "read-only"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What an operation costs. ``bytes`` of data rewritten; ``key_service_calls`` as the plan can count them;
    ``seconds`` by what was measured at its provider so far, None where nothing was."""

    availability: Availability = Availability.NONE
    bytes: int = 0
    key_service_calls: int = 0
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a finished step leaves in the state.

    ``attributes`` are merged into the resource's row (``id`` is its identity at the provider; None removes an
    attribute); ``gone`` removes the row; ``leaving`` keeps it until the object's deletion window is over. Never holds
    key material.
    """

    attributes: Mapping[str, Any] = field(default_factory=dict)
    gone: bool = False
    leaving: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call (or one that a provider carries through by itself), safe to repeat (I11).

    ``id`` is stable and unique within its change: it names the step in plan JSON and in the journal. Subclasses carry
    the fact that they were planned on, so that a rerun after a crash does nothing more.
    """

    id: str
    summary: str
    reversible: bool = True

    def check(self, services: Services) -> None:
        """Asked when it is planned: MissingCapability when its provider does nothing of the sort."""

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """Whether an interrupted step of the same resource and id, begun on the facts ``begun``, is this very request,
        made on the facts ``now``: then it is taken up with its token. Else this is another, under a token of its own.
        A step whose facts move while it is carried out says which of them make the request."""
        return begun == now

    def run(self, services: StepServices) -> Outcome:
        """Carry it out; running it twice equals running it once."""
        raise TypeError(f"{type(self).__name__} does not say how it runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A domain operation on one resource: a verb, a reason that a person would give, and its steps in order.

    ``waits_for_references``: whether it starts only after the changes of the resources that this one refers to.
    ``before``: resources whose changes start only after this operation (copying off before a rename, SC3).
    ``cuts_off``: ARNs of keys that open nothing any more once it is done; guards ask the census what would be lost
    (I3). ``lets_go``: ARNs of objects that no longer need their present key once it is done; ``followers_stay``: what
    follows them to another key does not this time; ``takes_automated``: what their service made of them by itself goes
    with them. ``concerns_dependents``: whether what refers to the resource is to
    be asked again in the same plan. ``revokes``: ids of grants that end.
    """

    verb: Verb
    reason: str
    steps: tuple[Step, ...]
    impact: Impact = Impact()
    waits_for_references: bool = True
    before: tuple[Address, ...] = ()
    cuts_off: tuple[str, ...] = ()
    lets_go: tuple[str, ...] = ()
    followers_stay: bool = False
    takes_automated: bool = False
    concerns_dependents: bool = False
    revokes: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether what it does can never be undone."""
        return any(not step.reversible for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffEntry:
    """One field that differs. Values are JSON values or ``KNOWN_AFTER_APPLY``; never a secret."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A guard's refusal with the ordered way out (CONTRACT 5)."""

    guard: str
    reason: str
    way_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a kind's diff answers for one resource. Empty: nothing to do."""

    action: Action = Action.NOOP
    operations: tuple[Operation, ...] = ()
    diff: tuple[DiffEntry, ...] = ()
    blocked: tuple[Block, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The verdict on one resource, as it stands in the plan. ``blast_radius`` is that of each key that it is about."""

    address: Address
    action: Action
    operations: tuple[Operation, ...] = ()
    diff: tuple[DiffEntry, ...] = ()
    blocked: tuple[Block, ...] = ()
    blast_radius: tuple[BlastRadius, ...] = ()
