from reconciler.commands.session import Session
from reconciler.providers.typed import hsm_provider
from tests.hsm_in_memory import MemoryHsm


def meanwhile(session: Session) -> None:
    found = hsm_provider(session, "hsm")
    assert isinstance(found, MemoryHsm)
    found.replicate("a", "b")
