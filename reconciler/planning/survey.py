"""What `drift` sees beyond the records: each kind's survey, and objects that nobody manages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from reconciler.errors import AccessDeniedException
from reconciler.model.address import Address
from reconciler.model.plan import Finding
from reconciler.planning.drift import ranked
from reconciler.resources import registry
from reconciler.resources.estate import Estate

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # what a manifest may be called


def survey(estate: Estate) -> list[Finding]:
    """Findings of no single record, gravest first. An unmanaged object of which something graver is told is not told
    of a second time."""
    kinds = [registry.kind(name) for name in registry.kind_names() if name != registry.PROVIDER]
    found = [finding for kind in kinds for finding in kind.survey(estate)]
    told = {str(finding.address) for finding in found} | {finding.path.removeprefix("grants.") for finding in found}
    unmanaged = [
        one
        for one in _unmanaged(estate)
        if told.isdisjoint((one.address, one.path, *(row.address for row in estate.named(one.path))))
    ]
    return ranked([*found, *unmanaged])


def _unmanaged(estate: Estate) -> Iterator[Finding]:
    managed = {(row.address.kind, row.identity) for row in estate.rows.values()}
    managed |= {(row.address.kind, row.attributes.get("replaces")) for row in estate.rows.values()}
    for name in registry.kind_names():
        kind = None if name == registry.PROVIDER else registry.kind(name)
        if kind is None or kind.existing is None:
            continue
        seen: set[str] = set()
        for provider in estate.serving(kind.provider_protocol):
            try:
                existing = kind.existing(provider, estate.services)
            except AccessDeniedException as error:
                estate.unseen.append(f"{name} objects of Provider/{provider} cannot be listed: {error.summary}")
                continue
            for one in existing:
                is_ours = (name, one.identity) in managed or one.belongs_to is not None or one.identity in seen
                seen.add(one.identity)
                if not is_ours:
                    address = Address.of(name, one.name)
                    called = address if _NAME.fullmatch(one.name) else Address.of(name, "NAME")
                    yield estate.finding(
                        address,
                        "resource-unmanaged",
                        one.identity,
                        None,
                        f"{one.identity} at Provider/{provider}",
                        f"`reconciler import {called} {one.identity} --provider {provider}` takes it over, or writes "
                        "the manifest that does; else remove it at its provider",
                    )
