"""Arguments in, exit code out, no logic. A command's module is imported only when that command is run."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from reconciler.commands.context import Globals
from reconciler.commands.lazy import LazyGroup
from reconciler.commands.stopping import hearing_again
from reconciler.errors import Diagnostic, HostError, ReconcilerError, UsageError

COMMANDS: Final = {
    "init": "Make the home, the project's seal and the state.",
    "validate": "Check the manifests, all problems at once.",
    "plan": "Show what apply would do.",
    "apply": "Carry the plan out.",
    "destroy": "Remove everything that the state records.",
    "drift": "Show what changed behind the state's back; cannot write.",
    "blast-radius": "Show what ends with a key, and when the key can go.",
    "verify": "Prove by trying it that everything is protected as declared.",
    "access": "Ask who may do what with a key, without using it.",
    "audit": "Show what was asked of the key services, by whom, and what decided it.",
    "show": "Show a saved plan, or the state.",
    "import": "Adopt what exists, or write the manifests that would.",
    "state": "List, show, move or forget what the state records; its history; prove it anew.",
    "lock": "Show who holds the state's lock, or break it.",
    "keystore": "Look at key stores, seal them anew, back them up, restore them.",
    "graph": "Print what waits for what.",
    "sql": "Ask a cluster's tables a question.",
    "export": "Write a cluster's tables as Parquet for other tools, encrypted unless told otherwise.",
    "restore-table": "Bring one table of a cluster's snapshot back beside what is there.",
    "serve": "Answer the public key-service API over HTTP; make access keys for it.",
    "hsm-agent": "Serve one partition of an HSM to clients on the network.",
    "workers": "Let other processes do a warehouse's long work.",
    "version": "Print the version.",
}
OPENS_NO_KEY: Final = frozenset({"plan", "validate"})
GLOBAL_OPTIONS: Final = ("-C", "-e", "-f", "-l", "--as", "--home")


@click.group(
    cls=LazyGroup,
    package="reconciler.commands",
    listing=COMMANDS,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("-C", "directory", metavar="DIR", default=".", help="Change to this folder first.")
@click.option("-e", "environment", metavar="NAME", help="An environment of reconciler.yaml.")
@click.option("-f", "manifests", metavar="PATH", multiple=True, help="Manifests instead of the project's; - is stdin.")
@click.option("-l", "selector", metavar="SELECTOR", help="Only resources with these labels (a=b,c!=d,e in (x,y)).")
@click.option("--as", "principal", metavar="ARN", help="The principal to act as, instead of the Provider's.")
@click.option("--home", metavar="DIR", help="Where embedded providers keep keys and data.")
@click.pass_context
def reconciler(  # noqa: PLR0917  # click hands options over by name
    ctx: click.Context,
    /,
    directory: str,
    environment: str | None,
    manifests: tuple[str, ...],
    selector: str | None,
    principal: str | None,
    home: str | None,
) -> None:
    """Terraform for encryption at rest: plan and apply which key protects what.

    Example: reconciler -C manifests/quickstart plan
    """
    try:
        os.chdir(directory)
    except OSError as error:
        raise UsageError(
            f"{os.path.abspath(directory)} cannot be made the working folder: {os.strerror(error.errno or 0)}",
            suggestion="Name the project's folder with -C DIR.",
        ) from None
    ctx.obj = Globals(
        environment=environment,
        manifests=manifests,
        selector=selector,
        principal=principal,
        home=home,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code (CONTRACT 4). No traceback ever reaches a user."""
    # Nearly everything made here lives until the end: a plan would spend a third of its time looking for garbage.
    gc.disable()
    # No code of strangers in a plan; looking for it takes time, too.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None and OPENS_NO_KEY.isdisjoint(given):
        from reconciler.host.core_dumps import refuse_core_dumps

        refuse_core_dumps()  # a plan opens no managed key, and has no time for it
    before = _working_folder()
    try:
        with hearing_again():
            return _run(given)
    finally:
        if before is not None:
            os.chdir(before)  # whoever called this as a function is where they were


def _run(given: Sequence[str]) -> int:  # noqa: PLR0911  # one way out for each way in which it can end
    try:
        code = reconciler.main(hoisted(given), prog_name="reconciler", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return 1
    except click.ClickException as error:
        return _usage(error, given)
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("\nStopped before anything was begun.\n")
        return 1
    except BrokenPipeError:
        # The reader of our output went away (| head): no error of ours, and nothing more to say to it.
        from reconciler.host.streams import say_nothing_more

        say_nothing_more(sys.stdout)
        return 1
    except ReconcilerError as error:
        return _explain(error.diagnostics(), error.exit_code, given)
    except OSError as error:
        found = refused_by_the_system(error)
        return _explain(found.diagnostics(), found.exit_code, given)
    except Exception as error:  # the last resort: a bug of ours is still one message, not a traceback
        if os.environ.get("RECONCILER_DEBUG"):
            raise
        return _explain([_unexpected(error)], 1, given)


def refused_by_the_system(error: OSError) -> HostError:
    """What the disk or the system refused where nobody had better words for it."""
    from reconciler.host.sqlite import explain_os_error

    return explain_os_error(error, Path(os.fsdecode(error.filename or "(unnamed)")), "file")


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global options first: they may stand before or after the command."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += ["--", *waiting]
        elif argument in GLOBAL_OPTIONS:
            front += [argument, *([value] if (value := next(waiting, None)) is not None else [])]
        elif argument.startswith(("--as=", "--home=")):
            front.append(argument)
        else:
            rest.append(argument)
    return front + rest


def _usage(error: click.ClickException, given: Sequence[str]) -> int:
    ctx = getattr(error, "ctx", None)
    command = next((f" {word}" for word in given if word in COMMANDS), "")
    hint = f"See `{ctx.command_path if ctx is not None else f'reconciler{command}'} --help`."
    return _explain([Diagnostic(code="usage", summary=error.format_message(), suggestion=hint)], 1, given)


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed under us
        return None


def _unexpected(error: Exception) -> Diagnostic:
    return Diagnostic(
        code="internal",
        # The class only: the text of an unforeseen error might carry what must not be shown (I19).
        summary=f"Something unforeseen went wrong inside reconciler ({type(error).__name__})",
        suggestion="Run it again with RECONCILER_DEBUG=1 to see where, and report that. A finished step is never lost: "
        "the next apply goes on from it.",
    )


def _explain(diagnostics: Sequence[Diagnostic], exit_code: int, given: Sequence[str]) -> int:
    from reconciler.commands.output import explain

    explain(diagnostics, as_json=_asked_for_json(given))
    return exit_code


def _asked_for_json(given: Sequence[str]) -> bool:
    pairs = zip(given, [*given[1:], ""], strict=True)
    return any(word == "--format=json" or (word, after) == ("--format", "json") for word, after in pairs)
