from reconciler.commands.session import Session


def meanwhile(session: Session) -> None:
    """What a person puts beside the project, and never into it."""
    path = session.project / "keys" / "orders.key"
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    path.write_bytes(bytes(range(32)))
