"""Whether the Providers that manifests name can serve what is declared and planned, all reasons with their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pydantic.alias_generators import to_camel

from reconciler.commands.session import Session
from reconciler.commands.source import find_place
from reconciler.errors import AlreadyExistsException, Diagnostic, InvalidManifests, MissingCapability, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.article import a
from reconciler.model.change import Change
from reconciler.resources.reference import Reference
from reconciler.resources.resource import Resource
from reconciler.resources.spec import Spec

_NOUNS = {
    "Cluster": "cluster",
    "HsmPartition": "partition",
    "HsmClientCertificate": "certificate",
    "Snapshot": "snapshot",
}


def misfits(session: Session, addresses: Iterable[Address], *, providers: Iterable[str] = ()) -> list[Diagnostic]:
    """Why the Providers of these declared resources (and ``providers``) cannot serve: a plugin that is unknown or
    broken, a wrong config, a provider of another protocol. Makes no provider ready."""
    from reconciler.resources import registry

    wanted = [(address, session.declared[address].provider or "") for address in addresses]
    problems = list(session.pool.problems({*providers, *(name for _, name in wanted)}))
    broken = {problem.address for problem in problems}
    for address, name in wanted:
        protocol = registry.kind(address.kind).provider_protocol
        for path, provider in [("spec.provider", name), *_other_providers(session, address)]:
            if f"Provider/{provider}" not in broken:
                try:
                    session.pool.check(provider, protocol, address)
                except InvalidManifests as error:
                    problems.extend(replace(problem, path=path) for problem in error.diagnostics())
        problems += list(_misplaced(session, address)) or list(_at_another_hsm(session, address))
    return [_located(session, problem) for problem in problems]


def _misplaced(session: Session, address: Address) -> Iterator[Diagnostic]:
    """References to an account or Region to which no service leads them: keys are regional (KM7)."""
    spec = session.declared[address].spec
    own = session.manifests.providers.get(spec.provider)
    for field in (*spec.same_place, *spec.other_region) if own is not None else ():
        reference = _reference(spec, field)
        there = None if reference is None else _place(session, reference)
        if own is None or reference is None or there is None:
            continue
        is_elsewhere = field in spec.other_region
        if there[0] == own.account and (there[1] == own.region) is not is_elsewhere:
            continue
        must = "in another Region of the same account" if is_elsewhere else "of the same account and Region"
        path = f"spec.{'.'.join(map(to_camel, field.split('.')))}"
        noun = _NOUNS.get(reference.kind, "key")
        yield Diagnostic(
            code="misplaced-reference",
            summary=f"{address}: {path} names {reference}, {a(noun)} of account {there[0]} in {there[1]}; Provider/"
            f"{spec.provider} is for account {own.account} in {own.region}, and the {noun} must be {must} (KM7)",
            suggestion=f"Name another {noun}, or another Provider in spec.provider.",
            address=address,
            path=path,
        )


def _reference(spec: Spec, field: str) -> Reference | None:
    """What a field names, which may stand within another (``encryption.hsm``)."""
    found: Any = spec
    for name in field.split("."):
        found = None if found is None else getattr(found, name)
    return found if isinstance(found, Reference) else None


def _place(session: Session, reference: Reference) -> tuple[str, str] | None:
    """Account and Region of what a reference names."""
    if reference.address is None:
        parts = str(reference.arn).split(":")
        return parts[4], parts[3]
    target = session.declared.get(reference.address)
    provider = None if target is None else session.manifests.providers.get(target.provider or "")
    return None if provider is None else (provider.account, provider.region)


def _at_another_hsm(session: Session, address: Address) -> Iterator[Diagnostic]:
    """References to what lives at an HSM that the resource's own Provider does not reach: its own things an HSM finds
    in itself, and a data plane reaches one HSM (``config.hsm``)."""
    from reconciler.loading.shapes import shape
    from reconciler.providers.plugin import HSM
    from reconciler.resources import registry

    for path, reference in shape(address.kind).placed_references(session.declared[address].spec):
        target = None if reference.address is None else session.declared.get(reference.address)
        if reference.kind == registry.PROVIDER or registry.kind(reference.kind).provider_protocol != HSM:
            yield from _key_in_an_hsm(session, address, ".".join(map(str, path)), target)
            continue
        own = session.declared[address].provider or ""
        try:
            is_hsm = session.pool.protocol_of(own) == HSM
            reached = own if is_hsm else session.pool.hsm_of(own, session.manifests.providers[own].config.get("hsm"))
        except ReconcilerError as error:
            yield from error.diagnostics()
            continue
        if target is None or reached == target.provider:
            continue
        field = ".".join(map(str, path))
        yield Diagnostic(
            code="misplaced-reference",
            summary=f"{address}: {field} names {reference} of Provider/{target.provider}, and Provider/{own} reaches "
            f"Provider/{reached}",
            suggestion=f"Name one of Provider/{reached}, or let "
            + ("spec.provider name the other." if reached == own else f"config.hsm of Provider/{own} name the other."),
            address=address,
            path=field,
        )


def _key_in_an_hsm(session: Session, address: Address, path: str, target: Resource | None) -> Iterator[Diagnostic]:
    """A data plane asks its key service for keys; what lives in an HSM is none of those."""
    from reconciler.providers.plugin import HSM, KEYS, serves

    own = session.declared[address].provider or ""
    try:
        is_there = target is not None and target.provider and session.pool.protocol_of(target.provider) == HSM
        is_lost = is_there and not serves(session.pool.protocol_of(own), KEYS)
    except ReconcilerError:
        return  # a Provider that cannot be loaded is told of by itself
    if target is not None and is_lost:
        yield Diagnostic(
            code="misplaced-reference",
            summary=f"{address}: {path} names {target.address}, which lives in the HSM of Provider/{target.provider}; "
            f"Provider/{own} asks its key service for keys",
            suggestion="Name a Key of its key service; or root it in a partition, where the field has `hsm`.",
            address=address,
            path=path,
        )


def unready(session: Session, addresses: Iterable[Address]) -> list[Diagnostic]:
    """Why the Providers of these declared resources cannot be made ready: no key service in their Region."""
    from reconciler.providers.plugin import KEYS, serves

    problems: list[Diagnostic] = []
    for name in sorted({session.declared[address].provider or "" for address in addresses}):
        try:
            session.pool.provider(name)
            if not serves(session.pool.protocol_of(name), KEYS):
                session.pool.key_provider_for(name, session.manifests.providers[name].config.get("keyService"))
        except ReconcilerError as error:
            problems.extend(error.diagnostics())
    return [_located(session, problem) for problem in problems]


def incapable(session: Session, changes: Iterable[Change]) -> list[Diagnostic]:
    """What a plan asks of a provider that does nothing of the sort (STYLE habit 5)."""
    problems: dict[tuple[Address, str], Diagnostic] = {}
    for change in changes:
        for step in (step for operation in change.operations for step in operation.steps):
            try:
                step.check(session)
            except (MissingCapability, AlreadyExistsException) as error:
                summary = f"{change.address}: {error.summary}"
                problems[change.address, summary] = replace(
                    error.diagnostics()[0], summary=summary, address=change.address, path="spec.provider"
                )
    return [_located(session, problem) for problem in problems.values()]


def _other_providers(session: Session, address: Address) -> Iterator[tuple[str, str]]:
    """Path and name of each further Provider in a spec, such as the one that snapshots are copied to: it serves what
    the resource's own does."""
    from reconciler.loading.shapes import shape
    from reconciler.resources import registry

    for path, reference in shape(address.kind).placed_references(session.declared[address].spec):
        if reference.kind == registry.PROVIDER and reference.name is not None:
            yield ".".join(map(str, path)), reference.name


def _located(session: Session, problem: Diagnostic) -> Diagnostic:
    """The same with its place in the manifest that it is about, unless it has one."""
    declared = session.manifests.by_address.get(Address(problem.address or ""))
    if problem.file is not None or declared is None:
        return problem
    line, column = find_place(session.project / declared.file, declared.line, problem.path or "")
    return replace(problem, file=declared.file, line=line, column=column)
