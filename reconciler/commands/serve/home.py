"""The access keys of a project's home."""

from __future__ import annotations

from reconciler.commands.session import Session
from reconciler.serving.kept_credentials import KeptCredentials


def kept_credentials(session: Session) -> KeptCredentials:
    """Those of the home, which is made, with its seal, where there is none. OtherSeal when a state is there whose seal
    is lost; HostError."""
    from reconciler.state.initialise import prepare_home
    from reconciler.state.seal import create_seal, open_seal
    from reconciler.state.sqlite_reader import lost_seal

    home = session.settings.home
    if session.seal is None:
        if session.fs.exists(session.settings.state_path):
            raise lost_seal(session.settings.state_path)
        prepare_home(session.fs, session.random, home)
        create_seal(session.fs, session.random, home)
    return KeptCredentials(session.fs, session.random, home, session.seal or open_seal(session.fs, home))
