"""What differs about a key's imported material: to come, gone, or to expire at another time. Pure.

What the bytes are is not compared: nobody can look. The service takes the same material only (reference, "import").
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from reconciler.model.change import Action, DiffEntry, Impact, Operation, Step, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.field_types import write_moment
from reconciler.resources.key.material_steps import ImportMaterial
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import KeySpec, Material
from reconciler.resources.kind import DiffInput

Given = DiffInput[KeySpec, KeyObservation]
SOON: Final = timedelta(days=30)
"""How long before it expires a material is told of."""
LONGEST: Final = timedelta(days=365)
"""The longest that a service lets imported material live, if it is to expire at all."""


def first_import(given: Given, desired: KeySpec) -> list[Step]:
    """The steps that give a new key its material."""
    return [] if desired.material is None else [_import(given, desired.material)]


def material(given: Given, desired: KeySpec, observed: KeyObservation) -> Verdict:
    """The import that is called for now, if any."""
    if observed.origin != "EXTERNAL":
        return verdicts.NOTHING
    declared = desired.material
    if declared is None:
        waits = f"{given.address} has no key material, and nothing can use it: import it, or declare spec.material"
        return Verdict(warnings=(waits,)) if observed.lacks_material else _expiring(given, observed)
    if not observed.lacks_material and observed.material_expires_at == declared.expires:
        return _expiring(given, observed)
    wrong = refused(given, desired)
    if wrong is not None:
        return wrong
    if observed.lacks_material:
        verb, reason = Verb.RESTORE, "its imported material is not there; the same is imported again"
        entry = DiffEntry(path="spec.material", before=None, after="imported")
    else:
        verb, reason = Verb.UPDATE, "its material is to expire at another time; the same is imported again"
        before, after = _when(observed.material_expires_at), _when(declared.expires)
        entry = DiffEntry(path="spec.material.expires", before=before, after=after)
    step = _import(given, declared)
    return verdicts.changed(
        [Operation(verb=verb, reason=reason, steps=(step,), impact=Impact(key_service_calls=2))], [entry]
    )


def refused(given: Given, desired: KeySpec) -> Verdict | None:
    """The refusal to import what would be gone at once, or stay longer than a service lets it; None when nothing is
    wrong with its time."""
    expires = None if desired.material is None else desired.material.expires
    if expires is None or given.now < expires <= given.now + LONGEST:
        return None
    over = f"more than {LONGEST.days} days ahead: no service lets material live longer, unless it never expires"
    if expires <= given.now:
        over = "over: no service takes material that has expired"
    return verdicts.blocked(
        "material-expires",
        f"{given.address}: spec.material.expires is {expires:%Y-%m-%d %H:%M} UTC, which is {over}",
        f"Write a time within the next {LONGEST.days} days, or none at all, and apply: the same material is imported.",
        f"Or let the key rest without it: remove spec.material of {given.address}.",
        action=Action.CREATE if given.recorded is None else Action.NOOP,
    )


def _expiring(given: Given, observed: KeyObservation) -> Verdict:
    expires = observed.material_expires_at
    if expires is None or observed.lacks_material or expires - given.now > SOON:
        return verdicts.NOTHING
    told = (
        f"The material of {given.address} expires on {expires:%Y-%m-%d %H:%M} UTC; from then on nothing opens what the "
        "key wraps. A later spec.material.expires imports it again."
    )
    return Verdict(warnings=(told,))


def _import(given: Given, declared: Material) -> ImportMaterial:
    source = declared.source
    where = source.file or (f"descriptor {source.fd}" if source.command is None else f"command {source.command[0]}")
    until = "" if declared.expires is None else f"; it expires on {declared.expires:%Y-%m-%d %H:%M} UTC"
    return ImportMaterial(
        id="import-material",
        summary=f"import its key material from {where}{until}",
        address=given.address,
        provider=given.provider,
        file=source.file,
        descriptor=source.fd,
        command=source.command,
        expires_at=declared.expires,
    )


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else write_moment(moment)
