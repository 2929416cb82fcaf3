"""Key stores, their checks and backups, for people."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.providers.at_home import title
from reconciler.providers.key_store import BackupDescription, ResealedStore, RestoredStore, StoreCheck, StoreDescription
from reconciler.views.ink import Ink
from reconciler.views.json_text import timestamp
from reconciler.views.quantity import bytes_text, count_text
from reconciler.views.safe_text import clean


def render_keystores(found: Mapping[str, StoreDescription | None], *, colour: bool) -> str:
    """A block for each Provider."""
    ink = Ink(colour=colour)
    if not found:
        return "No Provider of this project keeps a key store.\n"
    lines = []
    for name, store in found.items():
        lines.append(ink.bold(title(name)))
        if store is None:
            lines.append("  no key yet")
            continue
        sealed = "not sealed yet" if store.seal is None else f"sealed by {clean(store.seal)}"
        lines.append(f"  {sealed}, generation {store.generation}")
        if not store.is_as_declared:
            lines.append(f"  not as declared: reconciler keystore reseal {name}")
        lines.append(
            f"  {count_text(store.keys, 'key')} with {count_text(store.materials, 'material')}, "
            f"{count_text(store.position, 'record')}, {bytes_text(store.size)}"
        )
        lines.append(f"  {clean(str(store.path))}")
    return "\n".join(lines) + "\n"


def render_check(found: StoreCheck) -> str:
    """What was opened and proved, and what is wrong."""
    told = (
        f"{count_text(found.opened, 'key material')} opened, {count_text(found.marks, 'mark')} and "
        f"{count_text(found.audit_records, 'audit record')} proved.\n"
    )
    if not found.problems:
        return told + "Everything is what was written.\n"
    return told + "".join(f"Not what was written: {clean(problem)}\n" for problem in found.problems)


def render_resealed(done: ResealedStore) -> str:
    """What a re-seal has done."""
    if not done.changed:
        return f"The key store is sealed by {clean(done.seal)}, as declared; nothing was changed.\n"
    renewed = f" {count_text(done.renewed, 'key material')} under a new store key." if done.renewed else ""
    return f"The key store is sealed by {clean(done.seal)} now, generation {done.generation}.{renewed}\n"


def render_backup(made: BackupDescription) -> str:
    """What a backup says of itself."""
    key = "its seal key is in it" if made.has_seal_key else "what opens it is not in it"
    return (
        f"A whole backup of account {clean(made.account)} in {clean(made.region)}, made {timestamp(made.made_at)}: "
        f"{count_text(made.keys, 'key')}, up to record {made.position}, {bytes_text(made.size)}, and "
        f"{count_text(made.identity_policies, 'identity policy', 'identity policies')} of the account; "
        f"sealed by {clean(made.seal)}, and {key}.\n"
    )


def render_restored(done: RestoredStore) -> str:
    """What was put in place."""
    told = (
        f"The key store at {clean(str(done.description.path))} is the backup of {timestamp(done.backup.made_at)} now: "
        f"{count_text(done.description.keys, 'key')}, sealed by {clean(done.description.seal or '')}, generation "
        f"{done.description.generation}.\n"
    )
    if not done.identity_policies:
        told += "The account's identity policies are as they were, and not those of the backup (--identity-policies).\n"
    return told if done.kept is None else told + f"What was there before is kept at {clean(str(done.kept))}\n"
