"""``reconciler blast-radius``: everything that ends with a key, managed or not, and when the key can go."""

from __future__ import annotations

import sys

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.blast_radius import BlastRadius
from reconciler.providers.root_arns import is_root

FORMATS = ("text", "json", "markdown")


@click.command("blast-radius")
@click.argument("key", metavar="ADDRESS|ARN|ALIAS")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, key: str, form: str) -> int:
    """Say what becomes unreadable without a key, or without a partition of an HSM: clusters, snapshots, copies, tables,
    grants, our own state.

    Asks every declared Provider; one that cannot be asked counts as using the key, and is named.

    Example: reconciler blast-radius Key/orders --format json
    """
    from reconciler.planning.blast_radius import blast_radius

    with Session(flags) as session:
        output.explain(session.settings.warnings)
        arn = _arn(session, key)
        found = blast_radius(session.inventory([arn]), arn, session.clock.now())
    _show(found, form)
    return 0


def _arn(session: Session, key: str) -> str:
    """The ARN of the key, or of the HSM's partition, that is meant. UsageError."""
    if key.startswith("arn:") and is_root(key):
        return key
    if "/" in key and not key.startswith(("alias/", "arn:")):
        return _of_resource(session, key)
    return _by_alias(session, key)


def _of_resource(session: Session, text: str) -> str:
    """A Key's or HsmPartition's own ARN; that of the one which anything else is about or under."""
    meant = address(text)
    row = session.reader.get(meant)
    if row is None or row.identity is None:
        raise UsageError(
            f"{meant} is not in the state",
            suggestion="`reconciler state list` shows what is recorded; a key that is not managed here goes by its ARN "
            "or an alias.",
        )
    for name in ("key_arn", "partition", "arn"):
        if is_root(str(row.attributes.get(name))):
            return str(row.attributes[name])
    if row.identity.startswith("alias/"):
        return _by_alias(session, row.identity)
    raise UsageError(
        f"{meant} is no key or partition, and under none of one's own",
        suggestion="Name a Key or HsmPartition, or a key's ARN or alias.",
    )


def _by_alias(session: Session, alias: str) -> str:
    inventory = session.inventory()
    found = [
        arn
        for arn, facts in inventory.keys.items()
        if alias.rpartition(":")[2] in facts.aliases
        or f"alias/{alias}" in facts.aliases
        or arn.rpartition("/")[2] == alias
    ]
    if len(found) != 1:
        several = f" in several places: {', '.join(found)}" if found else ""
        raise UsageError(
            f'"{alias}" names no key' if not found else f'"{alias}" names a key{several}',
            suggestion="Name the key as Key/name, by its ARN, or by an alias of one of this project's Providers.",
        )
    return found[0]


def _show(found: BlastRadius, form: str) -> None:
    if form == "json":
        from reconciler.views.blast_radius_json import blast_radius_document

        output.tell_json(blast_radius_document(found))
    elif form == "markdown":
        from reconciler.views.blast_radius_markdown import render_blast_radius_markdown

        output.tell(render_blast_radius_markdown(found))
    else:
        from reconciler.views.blast_radius_text import render_blast_radius

        output.tell(render_blast_radius(found, colour=output.has_colour(sys.stdout)))
