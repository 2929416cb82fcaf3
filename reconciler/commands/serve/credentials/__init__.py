"""``reconciler serve credentials``: who may call."""

from __future__ import annotations

import click

from reconciler.commands.lazy import LazyGroup

LISTING = {
    "make": "Make an access key for a principal, and print it: its secret is never shown again.",
    "list": "Show the access keys, without their secrets.",
    "revoke": "End an access key, at once and in every process.",
}


@click.group("credentials", cls=LazyGroup, package=__name__, listing=LISTING, no_args_is_help=True)
def command() -> None:
    """Make, list or revoke the access keys with which clients of serve sign their requests.

    Example: reconciler serve credentials list
    """
