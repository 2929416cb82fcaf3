"""What frees a key of everything that holds it, in order: the way out of its guard, in commands that exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from reconciler.model.blast_radius import NOT_FOUND, Dependent
from reconciler.planning.inventory import KeyFacts
from reconciler.providers.at_home import Place
from reconciler.providers.root_arns import is_partition

_MOST_NAMES = 5
_PUT_BACK_PARTITION = "Put the HSM provider's store back from a backup: nothing else knows what is in the partition."
_PUT_BACK = "Put the key store back from a backup that has the key: nothing else opens what is under it."


def way_forward(holding: Iterable[Dependent], unreachable: Sequence[str], facts: KeyFacts) -> tuple[str, ...]:
    """The steps after which the key can be deleted; empty when it is on its way already and nothing holds it."""
    held = list({one.identity: one for one in holding}.values())
    clusters = {one.identity for one in held if one.what == "cluster"}
    # Snapshots follow their cluster to another key: nothing is to be done about them.
    left = [one for one in held if one.follows not in clusters]
    ways = _undeclared(held)
    for belongs, way in _WAYS:
        mine = [one for one in left if belongs(one)]
        left = [one for one in left if not belongs(one)]
        ways += way(mine) if mine else []
    ways += [f"Make sure that {name} can be asked: until then it counts as using the key." for name in unreachable]
    if facts.deletion_date is not None and not ways:
        return ()
    if facts.state == NOT_FOUND:
        return (_PUT_BACK_PARTITION if is_partition(facts.arn) else _PUT_BACK,) if held else ()
    is_hsm = is_partition(facts.arn)
    window = "it goes with that" if is_hsm else f"it goes {facts.window_days} days after that"
    if facts.address is None:
        noun = "partition" if is_hsm else "key"
        bring = (
            f"Bring the {noun} in: `reconciler import --generate` writes its manifest; add `lifecycle: "
            "{preventDestroy: false}`, and apply."
        )
        return (*ways, bring, f"Then remove that manifest, and apply: {window}.")
    freed = "`lifecycle: {preventDestroy: false}`, applied, lets it"
    last = f"emove the manifest of {facts.address} ({freed}), and apply: {window}."
    return (*ways, f"Then r{last}" if ways else f"R{last}")


def _undeclared(found: Sequence[Dependent]) -> list[str]:
    places = {one.provider: place for one in found if (place := Place.named(one.provider)) is not None}
    return [
        f"Declare a Provider for what lies at home and no manifest speaks of: plugin {place.plugin}, account "
        f"'{place.account}', region {place.region}."
        for place in places.values()
    ]


def _clusters(found: Sequence[Dependent]) -> list[str]:
    managed, foreign = _parted(found)
    ways = []
    if managed:
        ways.append(
            f"Put {_named(managed)} under another root (`encryption.key`, `encryption.hsm`, or `owned: true`), and "
            "apply: snapshots follow."
        )
    if foreign:
        ways.append(
            f"Bring in {_named(foreign)} (`reconciler import --generate` writes manifests), and apply. Name another "
            "root in its manifest, and apply again."
        )
    return ways


def _escrows(found: Sequence[Dependent]) -> list[str]:
    clusters = ", ".join(sorted({one.name for one in found}))
    return [
        f"Let another key be the escrow of cluster {clusters} (`encryption.escrow`), or take the line away, and apply: "
        "what is wrapped under this one goes."
    ]


def _tables(found: Sequence[Dependent]) -> list[str]:
    managed, foreign = _parted(found)
    ways = []
    if managed:
        ways.append(f"Put {_named(managed)} under another key (`encryption`), and apply.")
    if foreign:
        ways.append(
            f"Bring in {_named(foreign)} (`reconciler import --generate` writes manifests), and apply. Name another "
            "key in its manifest, and apply again."
        )
    return ways


def _copy_grants(found: Sequence[Dependent]) -> list[str]:
    managed, foreign = _parted(found)
    ways = []
    if managed:
        ways.append(
            f"Declare a second SnapshotCopyGrant under another key, let the SnapshotCopy name it, remove "
            f"{_named(managed)}, and apply."
        )
    if foreign:
        ways.append(_let_go(foreign))
    return ways


def _snapshots(found: Sequence[Dependent]) -> list[str]:
    expiring = [one for one in found if one.expires_at is not None]
    managed, foreign = _parted([one for one in found if one.expires_at is None])
    ways = []
    if managed:
        ways.append(
            f"Let {_named(managed)} go: `lifecycle: {{preventDestroy: false}}`, and apply; remove the manifest, and "
            "apply again."
        )
    if foreign:
        ways.append(_let_go(foreign))
    if expiring:
        last = max(one.expires_at for one in expiring if one.expires_at is not None)
        ways.append(
            f"Wait until {last:%Y-%m-%d %H:%M} UTC for {_named(expiring)}, and apply: what has expired is removed then."
        )
    return ways


def _leftovers(found: Sequence[Dependent]) -> list[str]:
    return [f"Run `reconciler apply`: it ends what an interrupted change left ({_named(found)})."]


def _grants(found: Sequence[Dependent]) -> list[str]:
    managed, foreign = _parted(found)
    ways = [f"Remove {_named(managed)}, which a service holds, and apply."] if managed else []
    if not foreign:
        return ways
    return [
        *ways,
        f"Find out what {_named(foreign)} is for: a service has data under the key that no declared Provider knows of. "
        "Declare the Provider that has it; or, if there is none, bring the grant in as a Grant (`reconciler import "
        "--generate` writes manifests), apply, remove its manifest, and apply again.",
    ]


def _replicas(found: Sequence[Dependent]) -> list[str]:
    managed, foreign = _parted(found)
    ways = []
    if managed:
        ways.append(
            f"Let {_named(managed)} go first: `lifecycle: {{preventDestroy: false}}`, and apply; remove the manifest, "
            "and apply again. Or let another be the primary: `replicaOf` says of whom this one is a replica."
        )
    if foreign:
        ways.append(
            f"Let {_named(foreign)} go first: declare a Provider of its Region, bring it in (`reconciler import "
            "--generate` writes manifests), apply, remove its manifest, and apply again."
        )
    return ways


def _key_stores(found: Sequence[Dependent]) -> list[str]:
    """A key store is named after its Provider."""
    return [
        f"Seal the key store of Provider/{one.name} otherwise: change config.seal of its manifest, then "
        f"`reconciler keystore reseal {one.name}`. Without this key nothing in that store can be opened."
        for one in found
    ]


def _keys(found: Sequence[Dependent]) -> list[str]:
    """Keys of kind Key that live in a partition: gone once their deletion window is over."""
    going = [one for one in found if one.expires_at is not None]
    managed, foreign = _parted([one for one in found if one.expires_at is None])
    ways = []
    if managed:
        ways.append(
            f"Let {_named(managed)} go: `lifecycle: {{preventDestroy: false}}`, and apply; remove the manifest, and "
            "apply again. Its deletion window comes before the partition can go."
        )
    if foreign:
        ways.append(_let_go(foreign))
    if going:
        last = max(one.expires_at for one in going if one.expires_at is not None)
        ways.append(f"Wait until {last:%Y-%m-%d %H:%M} UTC for the deletion of {_named(going)}, and apply.")
    return ways


def _others(found: Sequence[Dependent]) -> list[str]:
    return [f"Let go of {_named(found)}."]


_WAYS: tuple[tuple[Callable[[Dependent], bool], Callable[[Sequence[Dependent]], list[str]]], ...] = (
    (lambda one: one.what == "cluster-key", _leftovers),
    (lambda one: one.what == "cluster", _clusters),
    (lambda one: one.what == "escrow", _escrows),
    (lambda one: one.what == "table", _tables),
    (lambda one: one.what == "snapshot-copy-grant", _copy_grants),
    (lambda one: one.what == "snapshot", _snapshots),
    (lambda one: one.what == "grant", _grants),
    (lambda one: one.what == "replica", _replicas),
    (lambda one: one.what == "key-store", _key_stores),
    (lambda one: one.what == "key", _keys),
    (lambda one: True, _others),
)


def _let_go(foreign: Sequence[Dependent]) -> str:
    return (
        f"Bring in {_named(foreign)} (`reconciler import --generate` writes manifests; add `lifecycle: "
        "{{preventDestroy: false}}`), apply; remove the manifest, and apply again: that deletes it."
    )


def _parted(found: Iterable[Dependent]) -> tuple[list[Dependent], list[Dependent]]:
    """What is managed here, and what is not."""
    every = list(found)
    return [one for one in every if one.address is not None], [one for one in every if one.address is None]


def _named(found: Sequence[Dependent]) -> str:
    names = [str(one.address or f"{one.group} {one.name}") for one in found]
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
