"""``reconciler serve``: the key service for clients on the network."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands.context import Globals
from reconciler.commands.lazy import LazyGroup

LISTING = {"credentials": "Make, list or revoke the access keys that clients sign with."}


@click.group("serve", cls=LazyGroup, package=__name__, listing=LISTING, invoke_without_command=True)
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8700", help="Where; port 0 is any that is free.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="PEM file: the certificate with its chain.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="PEM file: the certificate's private key.")
@click.option("--insecure-listen", is_flag=True, help="Listen beyond this machine without TLS all the same.")
@click.option("--ephemeral", is_flag=True, help="On an empty home that is removed at the end; POST /_reset empties it.")
@click.option(
    "--principal",
    "principals",
    metavar="WHO[=ID:SECRET]",
    multiple=True,
    help="With --ephemeral: an ARN or a user's name, and its access key; without one it is made and printed.",
)
@click.option("--administrator", "administrators", metavar="WHO", multiple=True, help="With --ephemeral: may do all.")
@click.option(
    "--tag", "tags", metavar="WHO:KEY=VALUE", multiple=True, help="With --ephemeral: a tag (aws:PrincipalTag/KEY)."
)
@click.option("--account", default="123456789012", help="With --ephemeral: the account of principals given by name.")
@click.pass_context
def command(  # noqa: PLR0917  # click hands options over by name
    ctx: click.Context,
    /,
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure_listen: bool,
    ephemeral: bool,
    principals: tuple[str, ...],
    administrators: tuple[str, ...],
    tags: tuple[str, ...],
    account: str,
) -> int:
    """Answer the public key-service API (JSON 1.1, SigV4), so that boto3, the aws CLI and encryption SDKs work
    unchanged.

    All Regions are on one port: the Region is that of the signature, the account the principal's. Declared Providers
    answer for their account and Region, stores of the same home for all others. GET /metrics and /healthz are for
    operators. SIGTERM or Ctrl-C once lets running requests finish.

    Example: reconciler serve --ephemeral --principal admin=testing:testing
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from reconciler.commands.serve.running import Asked, run

    flags: Globals = ctx.obj
    asked = Asked(
        listen=listen,
        tls_cert=tls_cert,
        tls_key=tls_key,
        is_insecure=insecure_listen,
        is_ephemeral=ephemeral,
        principals=principals,
        administrators=administrators,
        tags=tags,
        account=account,
    )
    return run(flags, asked)
