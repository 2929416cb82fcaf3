"""``reconciler keystore check``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.keystore.keepers import keeper
from reconciler.commands.session import Session


@click.command("check")
@click.argument("provider")
@click.option("--backup", metavar="FILE", type=click.Path(path_type=Path), help="Check this backup instead.")
@click.pass_obj
def command(flags: Globals, /, provider: str, backup: Path | None) -> int:
    """Open every key of the store, prove its marks and its audit log. Exit code 3 when something is not what was
    written. Of a backup: whether all of it is there, and what it says of itself; its keys are opened by `restore`.

    Example: reconciler keystore check kms
    """
    from reconciler.views.keystore_text import render_backup, render_check

    with Session(flags) as session:
        keeping = keeper(session, provider)
        if backup is not None:
            output.tell(render_backup(keeping.check_backup(backup.absolute())))
            return 0
        found = keeping.check_store()
        output.tell(render_check(found))
        return 3 if found.problems else 0
