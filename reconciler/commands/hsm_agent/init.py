"""``reconciler hsm-agent init``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.hsm_agent.places import PLUGIN, certificate_in, clients_in, key_in, server_of_partitions
from reconciler.commands.session import Session


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", required=True, help="What its certificate calls the agent, such as its host.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, help="How long the certificate is valid.")
@click.option("--plugin", metavar="NAME", default=PLUGIN, help="The plugin that serves the partition.")
@click.pass_obj
def command(flags: Globals, /, folder: Path, name: str, days: int, plugin: str) -> int:
    """Make an agent's folder: a new key pair (the private key 0600), and an empty folder for clients' certificates.

    Prints the certificate. Clients pin it: it goes into serverCertificate of their HsmPartition.

    Example: reconciler hsm-agent init /etc/hsm-agent --name hsm1.example > hsm1.pem
    """
    from reconciler.host import durable
    from reconciler.host.sqlite import explain_os_error

    folder = folder.absolute()
    with Session(flags) as session:
        found, services = server_of_partitions(session, plugin, folder)
        made = found.make_agent_identity(
            certificate_in(folder), key_in(folder), name=name, valid_days=days, services=services
        )
        try:
            durable.make_folder(session.fs, clients_in(folder))
        except OSError as error:
            raise explain_os_error(error, clients_in(folder), "folder of clients") from error
    output.tell(made.pem)
    output.remark(
        f"Valid until {made.not_after:%Y-%m-%d}; SHA-256 {made.fingerprint}.\n"
        f"Let clients in by putting their certificates (reconciler show HsmClientCertificate/NAME --pem) into "
        f"{clients_in(folder)}, each as a file that ends with .pem."
    )
    return 0
