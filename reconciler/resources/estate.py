"""Everything there is, as far as drift is concerned: what is recorded, and what providers say beyond that.

A kind's ``drift`` compares one object with its record. Its ``survey`` looks further, at what no record speaks of:
grants that nobody declared, snapshots in plaintext, keys of an earlier version. Each provider is asked for each thing
once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from reconciler.access.caller import Caller
from reconciler.access.request import GrantTerms
from reconciler.errors import AccessDeniedException, NotFoundException, ProviderUnavailable
from reconciler.model.address import Address
from reconciler.model.plan import Finding
from reconciler.model.ports import Services
from reconciler.model.recorded import Recorded
from reconciler.providers.data import ClusterDescription, SnapshotDescription
from reconciler.providers.inspection import (
    CountsKeyVersions,
    HeldGrant,
    HoldsGrants,
    KeyVersion,
    PlaintextFound,
    SamplesStorage,
)
from reconciler.providers.key_access import Dependent, StatesKeyAccess
from reconciler.providers.keys import GrantDescription, HoldsPolicies, IssuesGrants, KeyDescription
from reconciler.providers.plugin import KEYS, TABLES, WAREHOUSE, serves
from reconciler.providers.typed import caller, key_provider, warehouse_provider


@dataclass(kw_only=True)
class Estate:
    """``providers`` maps each declared Provider to its protocol; ``observed`` is what a refresh of ``rows`` saw, as the
    kinds' observations. Reads only."""

    rows: Mapping[Address, Recorded]
    observed: Mapping[Address, Any]
    providers: Mapping[str, str]
    services: Services
    now: datetime
    unseen: list[str] = field(default_factory=list)
    _listed: set[str] = field(default_factory=set)
    _grants: dict[str, list[GrantDescription] | None] = field(default_factory=dict)

    def finding(  # noqa: PLR0917  # a record with the fields of CONTRACT 4, in its order
        self, address: Address, drift_class: str, path: str, expected: Any, observed: Any, fix: str
    ) -> Finding:
        """A finding of now."""
        return Finding(
            address=address,
            drift_class=drift_class,
            path=path,
            expected=expected,
            observed=observed,
            fix=fix,
            observed_at=self.now,
        )

    def of_kind(self, kind: str) -> Iterator[tuple[Address, Recorded]]:
        """The recorded resources of a kind, ordered."""
        return ((address, row) for address, row in sorted(self.rows.items()) if address.kind == kind)

    def named(self, identity: str) -> list[Recorded]:
        """The recorded resources whose id or ARN that is."""
        return self._by_name.get(identity, [])

    def address_of(self, kind: str, arn: str, name: str) -> Address:
        """How the object is called: as recorded, else as ``import`` would call it."""
        rows = self.named(arn)
        return rows[0].address if rows else Address.of(kind, name)

    @cached_property
    def _by_name(self) -> Mapping[str, list[Recorded]]:
        found: dict[str, list[Recorded]] = defaultdict(list)
        for _, row in sorted(self.rows.items()):
            for name in {str(row.identity), str(row.attributes.get("arn"))}:
                found[name].append(row)
        return found

    # --- key services -------------------------------------------------------------------------------------------------

    @cached_property
    def keys(self) -> Mapping[str, tuple[str, KeyDescription]]:
        """ARN → Provider and description of every customer-managed key."""
        found: dict[str, tuple[str, KeyDescription]] = {}
        for name in self.serving(KEYS):
            service = key_provider(self.services, name)
            try:
                listed = service.list_keys(self.caller(name))
            except AccessDeniedException as error:
                self.unseen.append(f"The keys of Provider/{name} cannot be listed: {error.summary}")
                continue
            self._listed.add(f"{service.region}:{service.account}")
            found.update({key.arn: (name, key) for key in listed})
        return found

    def key_state(self, arn: str) -> str | None:
        """The state of a customer-managed key, ``""`` when its service does not have it; None when nobody can say."""
        if arn in self.keys:
            return str(self.keys[arn][1].state)
        return "" if ":".join(arn.split(":")[3:5]) in self._listed else None

    def grants(self, key_arn: str) -> list[GrantDescription] | None:
        """The grants of a key in ``keys``; None when they cannot be listed."""
        if key_arn not in self._grants:
            name, _ = self.keys[key_arn]
            service = self.services.provider(name)
            listed = None
            if isinstance(service, IssuesGrants):
                # Closed to us, which is a finding of its own; or gone this moment.
                with suppress(AccessDeniedException, NotFoundException):
                    listed = service.list_grants(self.caller(name), key_arn)
            self._grants[key_arn] = listed
        return self._grants[key_arn]

    def policies(self, name: str) -> HoldsPolicies | None:
        """The key service of that name, if it has key policies."""
        service = self.services.provider(name)
        return service if isinstance(service, HoldsPolicies) else None

    def caller(self, name: str) -> Caller:
        """Who asks that provider."""
        return caller(self.services, name)

    # --- data planes --------------------------------------------------------------------------------------------------

    @cached_property
    def held(self) -> list[HeldGrant]:
        """Every grant that a service works from."""
        telling = [one for one in self._data if isinstance(one, HoldsGrants)]
        return [grant for one in telling for grant in one.held_grants()]

    def dependents(self, key_arn: str) -> list[Dependent]:
        """Everything under a key, and what it asks of it."""
        telling = [one for one in self._data if isinstance(one, StatesKeyAccess)]
        return [found for one in telling for found in one.list_dependents(key_arn)]

    @cached_property
    def tells_all_grants(self) -> bool:
        """Whether every data plane tells which grants it holds: else one held by a service may be its own."""
        return all(isinstance(one, HoldsGrants) for one in self._data)

    @cached_property
    def versions(self) -> Mapping[str, list[KeyVersion]]:
        """ARN of a cluster → under which versions its keys are."""
        found: dict[str, list[KeyVersion]] = defaultdict(list)
        for one in self._data:
            for version in one.key_versions() if isinstance(one, CountsKeyVersions) else ():
                found[version.owner].append(version)
        return found

    @cached_property
    def plaintext(self) -> Mapping[str, list[PlaintextFound]]:
        """ARN → readable bytes where ciphertext has to be."""
        found: dict[str, list[PlaintextFound]] = defaultdict(list)
        for one in self._data:
            for each in one.plaintext_found() if isinstance(one, SamplesStorage) else ():
                found[each.arn].append(each)
        return found

    @cached_property
    def clusters(self) -> list[ClusterDescription]:
        """Every cluster of every warehouse."""
        return [
            found
            for name in self.serving(WAREHOUSE)
            for found in warehouse_provider(self.services, name).describe_clusters(self.caller(name))
        ]

    @cached_property
    def snapshots(self) -> list[SnapshotDescription]:
        """Every snapshot and copy of every warehouse."""
        return [
            found
            for name in self.serving(WAREHOUSE)
            for found in warehouse_provider(self.services, name).describe_snapshots(self.caller(name))
        ]

    @cached_property
    def _data(self) -> list[object]:
        return [self.services.provider(name) for served in (WAREHOUSE, TABLES) for name in self.serving(served)]

    def serving(self, protocol: str) -> list[str]:
        """Providers of a protocol, one for each account and Region: two names may stand for one service."""
        seen: dict[tuple[str, str, str], str] = {}
        for name, served in sorted(self.providers.items()):
            if serves(served, protocol):
                try:
                    one = key_provider(self.services, name)  # account and Region are in every protocol
                except ProviderUnavailable as error:
                    self.unseen.append(f"Provider/{name} cannot be asked: {error.summary}")
                    continue
                seen.setdefault((served, one.account, one.region), name)
        return list(seen.values())


def terms_of(grant: GrantDescription) -> GrantTerms:
    """What a grant allows."""
    return GrantTerms(
        grantee_principal=grant.grantee_principal,
        operations=grant.operations,
        retiring_principal=grant.retiring_principal,
        context_subset=grant.context_subset,
        context_equals=grant.context_equals,
    )
