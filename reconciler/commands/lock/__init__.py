"""``reconciler lock``: who holds the state's lock."""

from __future__ import annotations

import click

from reconciler.commands.lazy import LazyGroup

LISTING = {
    "list": "Who holds the lock, and whether that process lives.",
    "break": "Take the lock away from a holder that will not give it back.",
}


@click.group("lock", cls=LazyGroup, package=__name__, listing=LISTING, no_args_is_help=True)
def command() -> None:
    """Look at the lock that apply holds, or break it.

    Example: reconciler lock list
    """
