"""``reconciler state``: what the state records."""

from __future__ import annotations

import click

from reconciler.commands.lazy import LazyGroup

LISTING = {
    "list": "The address of every recorded resource.",
    "show": "What is recorded of one resource.",
    "mv": "Give a recorded resource another address.",
    "rm": "Forget resources, and leave the objects as they are.",
    "history": "What was begun, how it ended, and which run did it.",
    "reseal": "Prove a state anew that is not what was written, from what the providers confirm.",
}


@click.group("state", cls=LazyGroup, package=__name__, listing=LISTING, no_args_is_help=True)
def command() -> None:
    """Look at what the state records, correct it, or prove it anew.

    Example: reconciler state show Key/orders
    """
