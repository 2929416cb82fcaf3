"""``reconciler workers``: processes that do a warehouse's long work beside the command."""

from __future__ import annotations

import click

from reconciler.commands.lazy import LazyGroup

LISTING = {
    "init": "Make the certificates by which scheduler, workers and commands know each other.",
    "schedule": "Hand work to workers.",
    "run": "Be a worker.",
}


@click.group("workers", cls=LazyGroup, package=__name__, listing=LISTING)
def command() -> None:
    """Let several processes change a cluster's encryption, over mutual TLS.

    The Provider's config names them: `migration: {distributed: {scheduler: tls://HOST:PORT, certificates: DIR}}`.

    Example: reconciler workers init dwh-eu; reconciler workers schedule dwh-eu & reconciler workers run dwh-eu &
    """
