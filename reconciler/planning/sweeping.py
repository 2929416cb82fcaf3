"""The providers' part of the inventory: data planes say what is sealed under keys, key services what else is on them.

Reads only. A provider that cannot be asked is named in ``unreachable``; a key service that cannot be asked about a key
leaves out what it alone knows, and its key is still answered for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, NotFoundException, ReconcilerError
from reconciler.model.blast_radius import NOT_FOUND
from reconciler.model.ports import Services
from reconciler.planning.inventory import POLICY, Entry, Inventory, KeyFacts
from reconciler.providers.census import Census
from reconciler.providers.data import KeyUse
from reconciler.providers.keys import (
    GrantDescription,
    HoldsPolicies,
    IssuesGrants,
    KeyDescription,
    KeyProvider,
    NamesKeys,
)
from reconciler.providers.plugin import serves
from reconciler.providers.root_arns import is_key, is_partition
from reconciler.providers.typed import caller, hsm_provider, key_provider, warehouse_provider
from reconciler.providers.warehouse import SharesData
from reconciler.resources import registry
from reconciler.resources.elsewhere import is_going

SERVICE = ".amazonaws.com"
ESCROW = "escrow"
_SEALS_NOTHING = ("snapshot-copy-grant", ESCROW)  # what it stands for is sealed under another key
PARTITION_STATE = "Adopted"
"""What stands for the state of an HSM's partition where that of a key would."""


def of_data(census: Census) -> Inventory:
    """What data planes hold under keys. ``census`` is of all keys, or of those that are asked about."""
    entries = []
    for use, provider in zip(census.uses, census.by or [""] * len(census.uses), strict=True):
        entries.append(
            Entry(
                what=use.what,
                name=use.name,
                identity=_identity(use),
                needs=(use.key_arn,),
                sealed_by=None if use.what in _SEALS_NOTHING else use.key_arn,
                holds=True,
                provider=provider,
                region=_region(use.arn or use.key_arn),
                bytes=use.bytes,
                follows=use.of,
                automated=use.automated,
                source_region=use.source_region,
                expires_at=use.expires_at,
                grant_id=use.grant_id,
                escrow=use.escrow_arn,
            )
        )
    return Inventory(entries=tuple(entries), unreachable=tuple(f"Provider/{name}" for name in census.unreachable))


def _identity(use: KeyUse) -> str:
    """Its ARN. What is wrapped under an escrow key is something of its own: letting go of it lets go of no data."""
    if use.what == ESCROW:
        return f"{use.arn}/{ESCROW}"
    return use.arn or f"{use.key_arn}/{use.what}/{use.name}"


def of_copying(census: Census, services: Services) -> Inventory:
    """Copying of snapshots that ends with a cluster or with a copy grant that a key opens, and shares that end with one
    of their clusters."""
    by: dict[str, list[KeyUse]] = {}
    for use, provider in zip(census.uses, census.by, strict=False):
        by.setdefault(provider, []).append(use)
    entries: list[Entry] = []
    for provider, uses in by.items():
        grants = {use.name for use in uses if use.what == "snapshot-copy-grant"}
        clusters = {use.name for use in uses if use.what == "cluster"}
        if not grants and not clusters:
            continue
        try:
            entries += _copying(provider, services, grants, clusters)
            entries += _shares(provider, services, clusters)
        except ReconcilerError:
            continue  # whatever holds the key has been counted; this is only what stops working beside it
    return Inventory(entries=tuple(entries))


def _copying(provider: str, services: Services, grants: Collection[str], clusters: Collection[str]) -> Iterator[Entry]:
    warehouse, who = warehouse_provider(services, provider), caller(services, provider)
    for found in warehouse.describe_clusters(who, clusters) if clusters else ():
        if found.copy is not None:
            yield _copying_of(found.arn, found.copy.region, found.arn, provider)
    for grant in warehouse.describe_snapshot_copy_grants(who, grants) if grants else ():
        for cluster in grant.copying:
            yield _copying_of(cluster, warehouse.region, grant.arn, provider)


def _shares(provider: str, services: Services, clusters: Collection[str]) -> Iterator[Entry]:
    """Shares whose producer or consumer is among those: without either nobody queries them (RE8)."""
    warehouse = services.provider(provider)
    if not clusters or not isinstance(warehouse, SharesData):
        return
    for share in warehouse.describe_data_shares(caller(services, provider)):
        place = ":".join(share.arn.split(":")[:5])
        yield Entry(
            what="data-share",
            name=share.name,
            identity=share.arn,
            needs=tuple(f"{place}:cluster:{name}" for name in (share.producer, share.consumer)),
            provider=provider,
            region=_region(share.arn),
        )


def _copying_of(cluster: str, region: str, needs: str, provider: str) -> Entry:
    return Entry(
        what="copying",
        name=f"{cluster.rpartition(':')[2]} to {region}",
        identity=f"{cluster}/snapshot-copy/{region}",
        needs=(needs,),
        provider=provider,
        region=_region(cluster),
    )


def of_keys(provider: str, services: Services, keys: Collection[str] | None, known: Mapping[str, str]) -> Inventory:
    """What a key service says of those keys (ARNs), or of all it has: state, aliases, policies, grants. ``known``
    maps the grants that data planes are known to work from to what they are for: a grant that a service holds and no
    data plane knows of keeps its key from being deleted."""
    service, who = key_provider(services, provider), caller(services, provider)
    mine = None if keys is None else [arn for arn in keys if is_key(arn) and _is_of(arn, service)]
    if mine is not None and not mine:
        return Inventory()
    denied: set[str] = set()
    described = service.list_keys(who) if mine is None else _described(service, who, mine, denied)
    names = _aliases(service, who)
    entries: list[Entry] = []
    missing = set(mine or ()) - denied - {key.arn for key in described}
    facts = {arn: KeyFacts(arn=arn, state=NOT_FOUND) for arn in sorted(missing)}
    for key in described:
        facts[key.arn] = KeyFacts(
            arn=key.arn,
            state=str(key.state),
            deletion_date=key.deletion_date,
            aliases=tuple(name for name, _ in names.get(key.key_id, ())),
        )
        entries += [
            Entry(what="alias", name=name, identity=arn, needs=(key.arn,), provider=provider, region=key.region)
            for name, arn in names.get(key.key_id, ())
        ]
        if isinstance(service, HoldsPolicies):
            entries.append(
                Entry(
                    what="policy",
                    name=key.key_id,
                    identity=f"{key.arn}{POLICY}",
                    needs=(key.arn,),
                    provider=provider,
                    region=key.region,
                )
            )
        if key.primary_arn == key.arn:
            entries += [_replica(arn, key, provider, services) for arn in key.replica_arns]
        entries += [_grant(one, provider, key.region, known) for one in _grants(service, who, key)]
    return Inventory(entries=tuple(entries), keys=facts)


def of_partitions(provider: str, services: Services, keys: Collection[str] | None) -> Inventory:
    """What an HSM provider says of those partitions (among ``keys``, ARNs), or of all it has: which keys of kind Key
    live there. Asks no HSM."""
    service, who = key_provider(services, provider), caller(services, provider)
    mine = None if keys is None else [arn for arn in keys if is_partition(arn) and _is_of(arn, service)]
    if mine is not None and not mine:
        return Inventory()
    there = {one.arn: one.name for one in hsm_provider(services, provider).describe_partitions(who)}
    facts = {
        arn: KeyFacts(arn=arn, state=PARTITION_STATE if arn in there else NOT_FOUND, window_days=0)
        for arn in sorted(there if mine is None else mine)
    }
    arns = {name: arn for arn, name in there.items()}
    entries = [
        Entry(
            what="key",
            name=key.key_id,
            identity=key.arn,
            needs=(arns[key.partition],),
            sealed_by=arns[key.partition],
            holds=True,
            provider=provider,
            region=key.region,
            expires_at=key.deletion_date,
        )
        for key in service.list_keys(who)
        if key.partition in arns and arns[key.partition] in facts
    ]
    return Inventory(entries=tuple(entries), keys=facts)


def beside(inventory: Inventory, protocols: Mapping[str, str], services: Services) -> Inventory:
    """Everything else that is there, of every kind, sealed or not: what a complete inventory has beyond the keys.
    ``protocols`` is that of each declared Provider."""
    known = {entry.identity for entry in inventory.entries} | set(inventory.keys)
    known |= {arn.rpartition("/")[2] for arn in inventory.keys}
    entries: list[Entry] = []
    unreachable: list[str] = []
    for kind in (registry.kind(name) for name in registry.kind_names() if name != registry.PROVIDER):
        told: set[str] = set()
        for provider in sorted(name for name, found in protocols.items() if serves(found, kind.provider_protocol)):
            if kind.existing is None:
                continue
            try:
                found = kind.existing(provider, services)
            except ReconcilerError:
                unreachable.append(f"Provider/{provider}")
                continue
            entries += [
                Entry(
                    what=kind.name.lower(),
                    name=one.name,
                    identity=one.identity,
                    provider=provider,
                    region=_region(str(one.attributes.get("arn", ""))),
                )
                for one in found
                if one.identity not in known
                and str(one.attributes.get("arn")) not in known
                and not (kind.of_account and one.identity in told)
            ]
            told |= {one.identity for one in found}
    return Inventory(entries=tuple(entries), unreachable=tuple(unreachable))


def _described(service: KeyProvider, who: Caller, arns: Sequence[str], denied: set[str]) -> list[KeyDescription]:
    """Those that are there; those that ``who`` may not look at are added to ``denied``."""
    try:
        return list(service.describe_keys(who, arns).values())
    except AccessDeniedException:
        if len(arns) == 1:
            denied.update(arns)
            return []
        return [key for arn in arns for key in _described(service, who, [arn], denied)]


def _aliases(service: KeyProvider, who: Caller) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    if isinstance(service, NamesKeys):
        try:
            for alias in service.list_aliases(who):
                found.setdefault(alias.target_key_id, []).append((alias.name, alias.arn))
        except AccessDeniedException:
            return {}
    return found


def _grants(service: KeyProvider, who: Caller, key: KeyDescription) -> list[GrantDescription]:
    if not isinstance(service, IssuesGrants):
        return []
    try:
        return service.list_grants(who, key.arn)
    except (AccessDeniedException, NotFoundException):
        return []


def _replica(arn: str, primary: KeyDescription, provider: str, services: Services) -> Entry:
    """A replica opens what its primary opened; but a primary goes after its replicas."""
    return Entry(
        what="replica",
        name=arn,
        identity=arn,
        needs=(primary.arn,),
        holds=not is_going(services, arn),
        outlives=True,
        provider=provider,
        region=_region(arn),
    )


def _grant(grant: GrantDescription, provider: str, region: str, known: Mapping[str, str]) -> Entry:
    made_for = known.get(grant.grant_id)
    is_of_unknown = made_for is None and grant.grantee_principal.endswith(SERVICE)
    return Entry(
        what="grant",
        name=grant.name or f"{grant.grant_id[:12]}… of {grant.grantee_principal}",
        identity=grant.grant_id,
        needs=(grant.key_arn,),
        holds=is_of_unknown,
        provider=provider,
        region=region,
        follows=made_for,
        grant_id=grant.grant_id,
    )


def _is_of(arn: str, service: KeyProvider) -> bool:
    return arn.split(":")[3:5] == [service.region, service.account]


def _region(arn: str) -> str:
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 else ""
