"""``reconciler access``: who may do what with a key."""

from __future__ import annotations

import click

from reconciler.commands.lazy import LazyGroup

LISTING = {
    "check": "Whether a principal may do something with a key, and what decides it.",
}


@click.group("access", cls=LazyGroup, package=__name__, listing=LISTING, no_args_is_help=True)
def command() -> None:
    """Ask who may do what with a key, without using it.

    Example: reconciler access check arn:aws:iam::111122223333:role/app kms:Decrypt Key/orders
    """
