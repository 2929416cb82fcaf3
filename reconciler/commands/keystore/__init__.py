"""``reconciler keystore``: the stores that key providers keep on this machine."""

from __future__ import annotations

import click

from reconciler.commands.lazy import LazyGroup

LISTING = {
    "list": "What each key store is sealed by, and how it stands.",
    "check": "Open every key and prove every record, of a store or a backup.",
    "reseal": "Seal a key store as its manifest declares; --renew makes its keys anew.",
    "backup": "Write a backup of a key store to a new file.",
    "restore": "Put a backup in a key store's place.",
}


@click.group("keystore", cls=LazyGroup, package=__name__, listing=LISTING, no_args_is_help=True)
def command() -> None:
    """Look at the key stores of this project's Providers, seal them anew, back them up and restore them. Stores that
    `serve` made without a Provider go by their place: softkms/ACCOUNT/REGION.

    Example: reconciler keystore list
    """
