"""A group of commands whose modules are imported only when one of them is run."""

from __future__ import annotations

from importlib import import_module
from keyword import iskeyword
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands by name; ``package`` holds one module a command, whose ``command`` is its parser."""

    def __init__(self, *args: Any, package: str, listing: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._listing = listing

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(self._listing)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command's own parser; None when there is none of that name."""
        if cmd_name not in self._listing:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name.replace("-", "_")  # import; blast-radius
        found: click.Command = import_module(f"{self._package}.{module}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a suggestion for a misspelt name."""
        name = args[0]
        if name in self._listing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from reconciler.model.nearest import nearest

        near = nearest(name, self._listing)
        raise click.UsageError(f'There is no command "{name}".' + (f" Did you mean {near}?" if near else ""), ctx=ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The listing, without importing a single command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._listing.items()))
