"""Multi-Region keys and keys of imported material: what differs, and how it is told (KM1, KM7; CONTRACT 5, 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from reconciler.model.change import Action, Verb, Verdict
from reconciler.model.recorded import Recorded
from reconciler.resources.key.diff import diff, due_at
from reconciler.resources.key.drift import drift
from reconciler.resources.key.material_steps import ImportMaterial
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.replica_steps import HandOver, ReplicateKey
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DiffInput, DriftInput
from reconciler.resources.reference import Reference
from reconciler.resources.spec import Spec
from tests.resources.keys import KEY, NOW, seen, spec

MRK = "mrk-00000000000000000000000000000001"
HERE, THERE, THIRD = (
    f"arn:aws:kms:{region}:111122223333:key/{MRK}" for region in ("us-east-1", "eu-west-1", "ap-south-1")
)
MATERIAL = {"from": {"file": "/keys/k"}}
EXTERNAL = {"origin": "EXTERNAL", "material": MATERIAL}


REPLICA = {"multi_region": True, "primary_arn": THERE, "replica_arns": (HERE,)}
PRIMARY = {"multi_region": True, "primary_arn": HERE, "replica_arns": (THERE,)}
IMPORTED = {"origin": "EXTERNAL"}
EMPTY = {**IMPORTED, "state": "PendingImport", "material_id": ""}


def verdict(
    desired: KeySpec | None,
    observed: KeyObservation | None,
    *,
    primary: str | None = THERE,
    declared: Spec | None = None,
) -> Verdict:
    attributes: Mapping[str, Any] | None = None if primary is None else {"id": primary, "arn": primary}
    recorded = Recorded(address=KEY, uid="u", provider="kms", attributes={"id": HERE, "arn": HERE})
    resolve: Callable[[Reference], Mapping[str, Any] | None] = lambda reference: attributes  # noqa: E731
    return diff(
        DiffInput(
            address=KEY,
            name="k",
            provider="kms",
            desired=desired,
            recorded=None if observed is None else recorded,
            observed=observed,
            now=NOW,
            resolve=resolve,
            declared=lambda reference: declared,
        )
    )


@dataclass(frozen=True)
class Case:
    declared: dict[str, Any]
    observed: dict[str, Any] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    warned: str = ""
    verbs: tuple[Verb, ...] | None = None


def day(days: float) -> str:
    return (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


CASES = {
    "a replica as declared": Case({"replicaOf": "p"}, REPLICA),
    "what it has from its primary is not compared": Case(
        {"replicaOf": "p"}, {**REPLICA, "key_spec": "RSA_2048", "key_usage": "SIGN_VERIFY", "rotation_period_days": 90}
    ),
    "and not rotated, however old": Case({"replicaOf": "p"}, {**REPLICA, "rotated_at": NOW - timedelta(days=9000)}),
    "its own settings are": Case(
        {"replicaOf": "p", "description": "x", "enabled": "false", "tags": {"a": "1"}},
        REPLICA,
        steps=("describe", "tag", "disable"),
    ),
    "a primary that is declared a replica of its replica hands over": Case(
        {"replicaOf": "p"}, PRIMARY, steps=("hand-over",)
    ),
    "what was interrupted in handing over is carried through": Case(
        {"replicaOf": "p"}, {**REPLICA, "state": "Updating"}, steps=("hand-over",)
    ),
    "a replica of a third one waits for that": Case({"replicaOf": "p"}, {**REPLICA, "primary_arn": THIRD}),
    "a key of one Region is no replica": Case({"replicaOf": "p"}, {}, blocked=("key-replacement",)),
    "a primary as declared": Case({"multiRegion": "true"}, PRIMARY),
    "a replica that is declared a primary is told who hands over": Case(
        {"multiRegion": "true"}, REPLICA, warned="until the manifest of that one says `replicaOf: k`"
    ),
    "and nothing that only a primary can do is asked of it": Case(
        {"multiRegion": "true", "rotation": {"every": "90d", "trigger": "x"}},
        {**REPLICA, "rotated_at": NOW - timedelta(days=9000)},
        warned="until the manifest of that one says",
    ),
    "a replica's deletion is cancelled as any key's": Case(
        {"replicaOf": "p"}, {**REPLICA, "state": "PendingDeletion"}, steps=("cancel-deletion", "enable")
    ),
    "a primary that waits for its replicas to go is called back": Case(
        {"multiRegion": "true"}, {**PRIMARY, "state": "PendingReplicaDeletion"}, steps=("cancel-deletion", "enable")
    ),
    "imported material as declared": Case(EXTERNAL, IMPORTED),
    "material that is gone is imported again": Case(EXTERNAL, EMPTY, steps=("import-material",), verbs=(Verb.RESTORE,)),
    "into a key that is to be disabled, too": Case(
        {**EXTERNAL, "enabled": "false"}, EMPTY, steps=("import-material", "disable")
    ),
    "material that others import is waited for": Case(
        {"origin": "EXTERNAL"}, EMPTY, warned="no key material, and nothing can use it"
    ),
    "and nothing is asked of such a key meanwhile": Case(
        {"origin": "EXTERNAL", "enabled": "false"}, EMPTY, warned="no"
    ),
    "a later end is another import of the same": Case(
        {"origin": "EXTERNAL", "material": {**MATERIAL, "expires": day(90)}},
        {**IMPORTED, "material_expires_at": NOW + timedelta(days=60)},
        steps=("import-material",),
        verbs=(Verb.UPDATE,),
    ),
    "and so is none": Case(
        EXTERNAL, {**IMPORTED, "material_expires_at": NOW + timedelta(days=60)}, steps=("import-material",)
    ),
    "what expires within thirty days is told": Case(
        {"origin": "EXTERNAL", "material": {**MATERIAL, "expires": day(30)}},
        {**IMPORTED, "material_expires_at": NOW + timedelta(days=30)},
        warned="expires on 2026-07-01 00:00 UTC",
    ),
    "not before": Case(
        {"origin": "EXTERNAL", "material": {**MATERIAL, "expires": day(31)}},
        {**IMPORTED, "material_expires_at": NOW + timedelta(days=31)},
    ),
    "what would be gone at once is not imported": Case(
        {"origin": "EXTERNAL", "material": {**MATERIAL, "expires": day(-1)}}, EMPTY, blocked=("material-expires",)
    ),
    "nor what no service lets live so long": Case(
        {"origin": "EXTERNAL", "material": {**MATERIAL, "expires": day(366)}}, EMPTY, blocked=("material-expires",)
    ),
    "a key that waits for deletion and lost its material gets both back": Case(
        EXTERNAL,
        {**IMPORTED, "state": "PendingDeletion", "material_id": ""},
        steps=("cancel-deletion", "import-material", "enable"),
    ),
    "a key's origin is for ever": Case({}, IMPORTED, blocked=("key-replacement",)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_key_is_brought_to_what_is_declared(case: str) -> None:
    given = CASES[case]
    found = verdict(spec(**given.declared), seen(HERE, **given.observed))
    assert tuple(step.id for operation in found.operations for step in operation.steps) == given.steps
    assert tuple(block.guard for block in found.blocked) == given.blocked
    assert given.warned in " ".join(found.warnings)
    assert bool(found.warnings) is bool(given.warned)
    if given.verbs is not None:
        assert tuple(operation.verb for operation in found.operations) == given.verbs


def test_a_replica_is_made_of_its_primary_and_never_as_a_key_of_its_own() -> None:
    found = verdict(spec(replicaOf="p", description="x", enabled=False), None, declared=spec(multiRegion=True))
    assert found.action is Action.CREATE
    (operation,) = found.operations
    assert operation.verb is Verb.REPLICATE_KEY
    replicate, disable = operation.steps
    assert isinstance(replicate, ReplicateKey)
    assert (replicate.primary, replicate.description, disable.id) == (Reference("Key", "p"), "x", "disable")


UNFIT: dict[str, tuple[str | None, KeySpec | None]] = {
    "a key of one Region": (None, spec()),
    "another replica": (None, spec(replicaOf="q")),
    "a key of one Region that nobody declares": ("arn:aws:kms:eu-west-1:111122223333:key/1-2", None),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_replica_is_made_of_nothing_but_a_multi_region_primary(case: str) -> None:
    primary, declared = UNFIT[case]
    found = verdict(spec(replicaOf="p"), None, primary=primary, declared=declared)
    assert [block.guard for block in found.blocked] == ["replica"]
    assert found.operations == ()


def test_a_new_key_gets_its_material_before_anything_uses_it() -> None:
    (operation,) = verdict(spec(**EXTERNAL, enabled=False), None).operations
    create, imports, disable = operation.steps
    assert (create.id, disable.id) == ("create-key", "disable")
    assert isinstance(imports, ImportMaterial)
    assert (imports.file, imports.descriptor, imports.expires_at) == ("/keys/k", None, None)


def test_a_new_key_is_not_made_for_material_that_has_expired() -> None:
    found = verdict(spec(origin="EXTERNAL", material={**MATERIAL, "expires": day(0)}), None)
    assert [block.guard for block in found.blocked] == ["material-expires"]


def test_a_primary_goes_after_its_replica_which_says_that_it_lets_go() -> None:
    assert verdict(None, seen(HERE, **REPLICA)).operations[0].lets_go == (HERE,)
    assert verdict(None, seen(HERE, **PRIMARY)).operations[0].lets_go == ()
    assert verdict(None, seen(HERE, **{**PRIMARY, "state": "PendingReplicaDeletion"})) == Verdict()


def test_handing_over_names_the_successor() -> None:
    (operation,) = verdict(spec(replicaOf="p"), seen(HERE, **PRIMARY)).operations
    (step,) = operation.steps
    assert isinstance(step, HandOver)
    assert step.successor == Reference("Key", "p")


def test_time_asks_again_thirty_days_before_material_expires() -> None:
    expires = NOW + timedelta(days=100)
    observed = seen(HERE, **IMPORTED, material_expires_at=expires)
    assert due_at(spec(**EXTERNAL), {}, observed) == (expires - timedelta(days=30)).timestamp()


def moved(before: dict[str, Any], after: dict[str, Any], declared: KeySpec) -> dict[str, str]:
    """Class and severity of what drift finds."""
    row = Recorded(address=KEY, uid="u", provider="kms", attributes={"id": HERE, "arn": HERE})
    given = DriftInput(
        address=KEY, recorded=row, spec=declared, expected=seen(HERE, **before), observed=seen(HERE, **after), now=NOW
    )
    return {one.drift_class: str(one.severity) for one in drift(given)}


DRIFT: dict[str, tuple[dict[str, Any], dict[str, Any], KeySpec, dict[str, str]]] = {
    "material gone": (IMPORTED, EMPTY, spec(**EXTERNAL), {"key-disabled": "security"}),
    "material that came is none": (EMPTY, IMPORTED, spec(origin="EXTERNAL"), {}),
    "material expires soon": (
        {**IMPORTED, "material_expires_at": NOW + timedelta(days=5)},
        {**IMPORTED, "material_expires_at": NOW + timedelta(days=5)},
        spec(**EXTERNAL),
        {"material-expiring": "functional"},
    ),
    "a replica more is none: it is a resource of its own": (
        PRIMARY,
        {**PRIMARY, "replica_arns": (THERE, THIRD)},
        spec(multiRegion=True),
        {},
    ),
    "nor is the primary's rotation of a replica": (
        REPLICA,
        {**REPLICA, "rotation_period_days": 90},
        spec(replicaOf="p"),
        {},
    ),
    "another is the primary now": (PRIMARY, REPLICA, spec(multiRegion=True), {"attribute-changed": "benign"}),
    "as it was declared": (PRIMARY, REPLICA, spec(replicaOf="p"), {}),
    "a primary was scheduled for deletion": (
        PRIMARY,
        {**PRIMARY, "state": "PendingReplicaDeletion"},
        spec(multiRegion=True),
        {"key-pending-deletion": "security"},
    ),
}


@pytest.mark.parametrize("case", DRIFT)
def test_what_moved_is_told_by_its_consequence(case: str) -> None:
    before, after, declared, told = DRIFT[case]
    assert moved(before, after, declared) == told
