"""What lies where in an agent's folder, and the plugin that serves it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reconciler.commands import output
from reconciler.commands.plugins import Permitted
from reconciler.commands.session import Session
from reconciler.errors import MissingCapability
from reconciler.providers.hsm_agent import AgentServices, ServesPartitions

PLUGIN: Final = "pkcs11"


def certificate_in(folder: Path) -> Path:
    """The agent's certificate."""
    return folder / "agent.pem"


def key_in(folder: Path) -> Path:
    """Its private key."""
    return folder / "agent.key"


def clients_in(folder: Path) -> Path:
    """Certificates of clients."""
    return folder / "clients"


def server_of_partitions(session: Session, name: str, folder: Path) -> tuple[ServesPartitions, AgentServices]:
    """The plugin's class, and the machine for it. ProviderUnavailable, MissingCapability.

    An agent has no project, wherever it is begun (often the home of its user, where the operator's file lies): what
    must not hold that file is the agent's own folder."""
    permitted = Permitted(session.fs, folder)
    found: object = permitted.plugins.find(name)
    if not isinstance(found, ServesPartitions):
        raise MissingCapability(
            f'The plugin "{name}" does not serve partitions of HSMs', suggestion=f"Leave --plugin out: it is {PLUGIN}."
        )
    services = AgentServices(
        fs=session.fs,
        clock=session.clock,
        random=session.random,
        modules=permitted.modules,
        report=output.remark,
    )
    return found, services
