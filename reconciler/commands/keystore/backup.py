"""``reconciler keystore backup``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.keystore.keepers import keeper
from reconciler.commands.session import Session


@click.command("backup")
@click.argument("provider")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--with-seal-key",
    is_flag=True,
    help="Also put the seal key into it: then whoever holds the file can open every key.",
)
@click.pass_obj
def command(flags: Globals, /, provider: str, file: Path, *, with_seal_key: bool) -> int:
    """Write a backup of a Provider's key store to a new file (0600), while others go on using it.

    Keys are in it as they are in the store: sealed. What opens them is not, so keep that apart: the seal file, the
    passphrase, or the key of the other service. The identity policies of the account are in it, too.

    Example: reconciler keystore backup kms /mnt/backups/kms-2026-11-22
    """
    from reconciler.views.keystore_text import render_backup

    with Session(flags) as session:
        made = keeper(session, provider).back_up_store(file.absolute(), with_seal_key=with_seal_key)
    output.tell(render_backup(made))
    if with_seal_key:
        output.remark("It holds the seal key: whoever can read this file can open every key in it.")
    return 0
