"""``reconciler hsm-agent``: one partition of an HSM for clients on the network."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands.context import Globals
from reconciler.commands.lazy import LazyGroup

LISTING = {
    "init": "Make the agent's folder: its key pair and a place for the certificates of clients.",
    "forgive": "Let PINs be tried again that the token refused.",
}


@click.group("hsm-agent", cls=LazyGroup, package=__name__, listing=LISTING, invoke_without_command=True)
@click.option("--folder", metavar="DIR", type=click.Path(path_type=Path), help="What `hsm-agent init` made.")
@click.option("--module", metavar="NAME", help="The PKCS#11 module, as the operator's file calls it.")
@click.option("--token-label", metavar="LABEL", help="The partition, by its label.")
@click.option("--slot", metavar="NUMBER", type=click.IntRange(min=0), help="The partition, by its slot.")
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8711", help="Where; port 0 is any that is free.")
@click.option("--certificate", type=click.Path(path_type=Path), help="PEM file, instead of agent.pem in the folder.")
@click.option("--key", type=click.Path(path_type=Path), help="PEM file (0600), instead of agent.key in the folder.")
@click.option(
    "--client",
    "clients",
    metavar="PEM",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The certificate of a client that is let in; as often as there are clients.",
)
@click.option(
    "--clients",
    "clients_folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A folder of such files, as it is at the time; clients in the agent's folder, if --client is not said either.",
)
@click.option("--rate", type=click.IntRange(min=1), default=500, help="Requests a second of one client.")
@click.option("--plugin", metavar="NAME", default="pkcs11", help="The plugin that serves the partition.")
@click.pass_context
def command(  # noqa: PLR0917  # click hands options over by name
    ctx: click.Context,
    /,
    folder: Path | None,
    module: str | None,
    token_label: str | None,
    slot: int | None,
    listen: str,
    certificate: Path | None,
    key: Path | None,
    clients: tuple[Path, ...],
    clients_folder: Path | None,
    rate: int,
    plugin: str,
) -> int:
    """Serve ONE partition of an HSM over mutual TLS 1.3, to clients whose certificates are registered here.

    They can make, list, use and destroy keys of reconciler's in it, and export none. Each brings the PIN, which is
    never written here; one that the token refused is not tried again. Put the certificate that `hsm-agent init` prints
    into serverCertificate of their HsmPartition. SIGTERM or Ctrl-C once finishes what is being answered.

    Example: reconciler hsm-agent --folder /etc/hsm-agent --module luna --token-label orders --listen 0.0.0.0:8711
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from reconciler.commands.hsm_agent.running import Asked, run

    flags: Globals = ctx.obj
    asked = Asked(
        folder=folder,
        module=module,
        token_label=token_label,
        slot=slot,
        listen=listen,
        certificate=certificate,
        key=key,
        clients=clients,
        clients_folder=clients_folder,
        rate=rate,
        plugin=plugin,
    )
    return run(flags, asked)
