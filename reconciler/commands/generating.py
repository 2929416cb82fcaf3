"""``import --generate``: the manifests of what exists and nobody manages."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from reconciler.commands import output
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.address import Address
from reconciler.model.nearest import did_you_mean
from reconciler.planning.generating import Draft, Generated
from reconciler.views.quantity import count_text


def generate(session: Session, words: Sequence[str], provider: str | None, out: str) -> int:
    """Write manifests of everything of these kinds (all, when none is named) to ``out``, what is left out to stderr."""
    from reconciler.resources import registry
    from reconciler.views.manifests_yaml import render_manifests

    known = [name for name in registry.kind_names() if name != registry.PROVIDER]
    kinds = [registry.spelled(word) or word for word in words] or known
    for kind in kinds:
        if kind not in known:
            raise UsageError(
                f'"{kind}" is no kind of object',
                suggestion=did_you_mean(kind, known) or f"Kinds are {', '.join(known)}.",
            )
    written = _generated(session, session.manifests.providers if provider is None else (provider,), kinds)
    text = render_manifests((draft.address, draft.spec) for draft in written.drafts)
    for remark in written.left_out:
        output.remark(f"Left out: {remark}")
    if out == "-":
        output.tell(text)
    else:
        _write(session, Path(os.path.abspath(out)), text)
        found = count_text(len(written.drafts), "manifest")
        output.remark(f"{found} written to {out}. `reconciler plan` shows what adopting means.")
    return 0


def print_one(session: Session, wanted: Address, identity: str, provider: str | None) -> int:
    """Print the manifest that would adopt the object as ``wanted``. Nothing is recorded without one: the next apply
    would take it for something to remove."""
    if provider is None:
        raise UsageError(
            f"No manifest declares {wanted}",
            suggestion=did_you_mean(wanted, session.declared)
            or f"Write one, or have it written: reconciler import {wanted} {identity} --provider NAME",
        )
    from reconciler.planning.importing import everything, managed_by, matching
    from reconciler.views.manifests_yaml import render_manifests

    there = everything(wanted.kind, provider, session)
    ids = {one.identity for one in matching(there, identity)}
    managed = managed_by(session.reader.all())
    for known in filter(None, (managed(wanted.kind, provider, found) for found in sorted(ids))):
        raise UsageError(
            f"{identity} is managed here already, as {known}",
            suggestion=f"To call it {wanted} from now on: `renamedFrom: {known.name}` in its manifest, or "
            f"`reconciler state mv {known} {wanted}`.",
        )
    written = _generated(session, [provider], [wanted.kind])
    drafts = [draft for draft in written.drafts if draft.spec["importId"] in ids]
    if len(drafts) != 1:
        names = [name for one in there for name in (one.identity, one.name)]
        raise UsageError(
            f"Provider/{provider} has {len(drafts) or 'no'} unmanaged {wanted.kind} called {identity}",
            detail="; ".join(written.left_out) or None,
            suggestion=did_you_mean(identity, names) or f"`reconciler import --generate {wanted.kind}` shows them all.",
        )
    output.tell(render_manifests([(wanted, _called(drafts[0], wanted))]))
    output.remark(f"Nothing is recorded yet. Add this to the manifests; then `reconciler apply` adopts {wanted}.")
    return 0


def _called(draft: Draft, wanted: Address) -> dict[str, object]:
    """The draft's spec for another address: the object keeps the name that it has."""
    from reconciler.resources import registry

    spec = dict(draft.spec)
    if registry.kind(wanted.kind).takes_name and draft.address.name != wanted.name:
        spec.setdefault("externalName", draft.address.name)
    return spec


def _generated(session: Session, providers: Collection[str], kinds: Collection[str]) -> Generated:
    from reconciler.planning.generating import Generator, names_declared

    problems = session.pool.problems(set(providers))
    if problems:
        raise UsageError(problems[0].summary, suggestion=problems[0].suggestion, address=problems[0].address)
    generator = Generator(
        services=session,
        rows=session.reader.all(),
        declared=names_declared(session.declared.values()),
        taken=session.declared.keys(),
    )
    return generator.generate({name: session.pool.protocol_of(name) for name in providers}, kinds)


def _write(session: Session, path: Path, text: str) -> None:
    from reconciler.host.durable import write_new
    from reconciler.host.sqlite import explain_os_error

    if session.fs.exists(path):
        raise UsageError(f"{path} is there already; nothing was written", suggestion="Name a new file.", path="-o")
    try:
        write_new(session.fs, path, [text.encode()])
    except OSError as error:
        raise explain_os_error(error, path, "manifest file") from error
