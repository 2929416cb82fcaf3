"""The rows that an apply writes: in the middle of a change, and when it is settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model.address import Address
from reconciler.model.change import Outcome
from reconciler.model.readdress import MARK
from reconciler.model.recorded import Intent, Recorded, Standing, links
from reconciler.resources import registry
from reconciler.resources.kind import Observation
from reconciler.resources.resource import Resource

Identity = Callable[[Address], str | None]


def after_step(row: Recorded | None, resource: Resource | None, intent: Intent, outcome: Outcome) -> Recorded | None:
    """The row after a step that is not the last of its change; None when the object is gone.

    Until the change is settled it refers to both what it did and what it will: neither may be removed under it.
    """
    if outcome.gone:
        return None
    before = row or Recorded(
        address=intent.address,
        uid=intent.uid,
        provider=intent.provider,
        protected=resource is not None and _is_protected(resource),
    )
    attributes = {**before.attributes, **outcome.attributes}
    references = before.references
    if resource is not None:
        references = tuple(dict.fromkeys((*references, *resource.references)))
    return replace(
        before,
        attributes={name: value for name, value in attributes.items() if value is not None},
        references=references,
        settled=False,
        standing=Standing.LEAVING if outcome.leaving else before.standing,
    )


def settled(row: Recorded, resource: Resource, observation: Observation | None, identity: Identity) -> Recorded:
    """The row of a resource that is as declared: what the next plan compares with."""
    kind = registry.kind(row.address.kind)
    spec = resource.spec
    return replace(
        row,
        attributes={name: value for name, value in row.attributes.items() if name != MARK},
        spec=spec.canonical_json(),
        digest=resource.digest,
        observed=None if observation is None else observation.recorded_after(row.observed).model_dump_json(),
        links=links(resource.references, identity),
        due_at=kind.due_at(spec, row.attributes, observation),
        settled=True,
        protected=_is_protected(resource),
        standing=Standing.MANAGED,
        references=resource.references,
    )


def _is_protected(resource: Resource) -> bool:
    declared = resource.spec.lifecycle.prevent_destroy
    return registry.kind(resource.address.kind).protected if declared is None else declared


def attributes_of(row: Recorded | None) -> Mapping[str, Any]:
    """What is recorded of an object; KeyError when there is none."""
    if row is None or row.identity is None:
        raise KeyError("nothing is recorded")
    return row.attributes
