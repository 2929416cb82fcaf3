"""``reconciler init``: make the project's home, seal and state."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session


@click.command("init")
@click.option("--starter", is_flag=True, help="Also write a small reconciler.yaml and manifests/ to begin with.")
@click.pass_obj
def command(flags: Globals, /, starter: bool) -> int:
    """Make what is missing of the home, the project's seal and the state. Safe to repeat.

    Example: reconciler init --starter
    """
    from reconciler.project.starter import write_starter
    from reconciler.state.initialise import initialise

    with Session(flags) as session:
        project = session.settings
        written = write_starter(session.fs, project.directory) if starter else ()
        done = initialise(session.fs, session.random, session.clock, home=project.home, state_path=project.state_path)
        output.explain(project.warnings)
    for path in (*written, *done.made):
        output.tell(f"made {path}")
    output.tell(f"The project is ready: home {project.home}, state {project.state_path} (lineage {done.lineage}).")
    return 0
