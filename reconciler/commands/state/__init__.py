"""``reconciler state``: what the state records."""

from __future__ import annotations

import click

from reconciler.commands.lazy import LazyGroup

LISTING = {
    "list": "The address of every recorded resource.",
    "show": "What is recorded of one resource.",
    "rm": "Forget resources, and leave the objects as they are.",
}


@click.group("state", cls=LazyGroup, package=__name__, listing=LISTING, no_args_is_help=True)
def command() -> None:
    """Look at what the state records, or forget some of it.

    Example: reconciler state show Key/orders
    """
