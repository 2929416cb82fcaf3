"""``reconciler serve credentials make``."""

from __future__ import annotations

from datetime import timedelta

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.errors import UsageError


@click.command("make")
@click.option("--principal", required=True, metavar="ARN", help="Who signs with it.")
@click.option(
    "--tag", "tags", metavar="KEY=VALUE", multiple=True, help="A tag of the principal (aws:PrincipalTag/KEY)."
)
@click.option(
    "--administrator",
    is_flag=True,
    help="Its account gives the principal every permission in stores that no manifest declares.",
)
@click.option("--expires", metavar="DURATION", help="A temporary one, with a session token: 15m, 8h, 30d.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_obj
def command(  # noqa: PLR0917  # click hands options over by name
    flags: Globals, /, principal: str, tags: tuple[str, ...], administrator: bool, expires: str | None, form: str
) -> int:
    """Make an access key and print it as the variables that every SDK reads. The secret is kept sealed, and shown this
    once.

    Example: reconciler serve credentials make --principal arn:aws:iam::111122223333:role/app --tag team=orders
    """
    from reconciler.commands.serve.home import kept_credentials
    from reconciler.commands.serve.running import environment
    from reconciler.commands.serve.tags import read_tags
    from reconciler.serving.credentials import checked_principal, made_credential

    checked_principal(principal)
    tagged, lasting = read_tags(tags), _duration(expires)
    with Session(flags) as session:
        now = session.clock.now()
        made = made_credential(
            session.random.bytes,
            principal,
            now,
            tags=tagged,
            is_administrator=administrator,
            expires=None if lasting is None else now + lasting,
        )
        kept_credentials(session).keep(made)
    if form == "json":
        from reconciler.views.credentials_json import made_document

        output.tell_json(made_document(made))
    else:
        output.tell("\n".join(environment(made)))
    return 0


def _duration(written: str | None) -> timedelta | None:
    from reconciler.resources.field_types import read_duration

    if written is None:
        return None
    found = read_duration(written)
    if found is None or found <= timedelta(0):
        raise UsageError(f'"{written}" is no duration', suggestion="Write one such as 15m, 8h or 30d.")
    return found
