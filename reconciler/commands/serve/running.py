"""Putting the server together from project, home and flags, and running it until it is told to stop."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.key_services import declared_providers
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.host.sqlite import explain_os_error

if TYPE_CHECKING:
    from reconciler.providers.pool import Declaration
    from reconciler.serving.credentials import Credential, Credentials

_NEEDED: Final = ("starlette", "uvicorn", "httptools", "prometheus_client")
_REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The flags of ``serve``."""

    listen: str
    tls_cert: Path | None
    tls_key: Path | None
    is_insecure: bool
    is_ephemeral: bool
    principals: tuple[str, ...]
    administrators: tuple[str, ...]
    tags: tuple[str, ...]
    account: str

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and key. UsageError for one without the other."""
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise UsageError(
                "TLS takes both --tls-cert and --tls-key", suggestion="Give the other one too, or neither."
            )
        return None if self.tls_cert is None or self.tls_key is None else (self.tls_cert, self.tls_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """What is served. ``fresh`` are access keys to be printed; ``reset`` empties everything."""

    home: Path
    declared: Mapping[str, Declaration]
    credentials: Credentials
    fresh: tuple[Credential, ...] = ()
    remove_all: Callable[[], None] | None = None


def run(flags: Globals, asked: Asked) -> int:
    """Serve until SIGTERM or Ctrl-C; 0."""
    _check(asked)
    gc.enable()  # the command line switches it off; this process is to live for long
    with ExitStack() as closing:
        session = closing.enter_context(Session(flags))
        world = _ephemeral(session, asked, closing) if asked.is_ephemeral else _kept(session)
        _serve(session, world, asked, closing)
    return 0


def _check(asked: Asked) -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"serve needs the Python module {missing[0]}, which is not installed",
            suggestion="pip install 'atrest-reconciler[serve]'.",
        )
    if not asked.is_ephemeral and (asked.principals or asked.administrators or asked.tags):
        raise UsageError(
            "--principal, --administrator and --tag declare access keys for --ephemeral alone",
            suggestion="For a home that stays: reconciler serve credentials make --principal ARN.",
        )


def _kept(session: Session) -> _World:
    from reconciler.commands.serve.home import kept_credentials

    credentials = kept_credentials(session)
    if not any(True for _ in credentials.listed()):
        output.remark(
            "No access key yet, so every request is refused: reconciler serve credentials make --principal ARN"
        )
    return _World(home=session.settings.home, declared=declared_providers(session), credentials=credentials)


def _ephemeral(session: Session, asked: Asked, closing: ExitStack) -> _World:
    from reconciler.commands.serve.declaring import declared
    from reconciler.host.throwaway import empty_folder, throwaway_folder

    now = session.clock.now()
    credentials, fresh = declared(
        asked.principals, asked.administrators, asked.account, session.random, now, tags=asked.tags
    )
    try:
        home = closing.enter_context(throwaway_folder("reconciler-serve-"))
    except OSError as error:
        raise explain_os_error(error, Path(error.filename or "/tmp"), "folder for a throw-away home") from error  # noqa: S108  # named, not used
    return _World(
        home=home,
        declared={},
        credentials=credentials,
        fresh=tuple(fresh),
        remove_all=lambda: empty_folder(home),
    )


def _serve(session: Session, world: _World, asked: Asked, closing: ExitStack) -> None:
    from reconciler.commands.serve.tls_files import look_at
    from reconciler.serving.app import make_app
    from reconciler.serving.key_services import KeyServices
    from reconciler.serving.limits import Limits
    from reconciler.serving.listening import listen, url_of
    from reconciler.serving.replays import Replays
    from reconciler.serving.server import serve

    limits = Limits()
    tls = asked.tls
    if tls is not None:
        look_at(session.fs, *tls, session.clock.now())
    bound = listen(asked.listen, is_guarded=tls is not None or asked.is_insecure)
    closing.callback(bound.close)
    services = KeyServices(
        world.declared,
        lambda declarations: session.pool_of(declarations, world.home),
        world.credentials,
        fs=session.fs,
        home=world.home,
    )
    closing.callback(services.close)
    replays = Replays(world.home / "serve")
    closing.callback(replays.close)
    workers = ThreadPoolExecutor(limits.threads, thread_name_prefix="request")
    closing.callback(workers.shutdown)

    def reset() -> None:
        services.close()
        replays.close()
        if world.remove_all is not None:
            world.remove_all()

    app = make_app(
        services,
        world.credentials,
        replays,
        workers,
        clock=session.clock,
        random=session.random,
        limits=limits,
        report=output.remark,
        reset=reset if world.remove_all is not None else None,
    )
    url = url_of(bound, is_encrypted=tls is not None)
    gc.freeze()
    serve(app, bound, limits=limits, tls=tls, on_listening=lambda: output.tell(_greeting(url, world.fresh)))


def _greeting(url: str, fresh: tuple[Credential, ...]) -> str:
    """One line; and for access keys that were made up here what a shell needs to use them."""
    lines = [f"listening on {url}"]
    for each in fresh:
        lines += ["", f"# {each.principal}", *environment(each)]
    if fresh:
        lines += ["", f"AWS_DEFAULT_REGION={_REGION}", f"AWS_ENDPOINT_URL_KMS={url}", f"AWS_ENDPOINT_URL_STS={url}"]
    return "\n".join(lines)


def environment(credential: Credential) -> list[str]:
    """The access key as the variables that every SDK reads."""
    lines = [f"AWS_ACCESS_KEY_ID={credential.access_key_id}", f"AWS_SECRET_ACCESS_KEY={credential.secret}"]
    return [*lines, f"AWS_SESSION_TOKEN={credential.token}"] if credential.token else lines
