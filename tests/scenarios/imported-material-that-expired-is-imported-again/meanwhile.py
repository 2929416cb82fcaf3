from datetime import timedelta

from reconciler.commands.session import Session
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.import_wrapping import ALGORITHM, WRAPPING_KEY_SPEC, wrap_for_import
from reconciler.model.address import Address
from reconciler.providers.typed import caller, importing_material
from reconciler.testing.fakes import ManualClock


def meanwhile(session: Session) -> None:
    """The material came by hand, for ten days; then twenty days went by."""
    path = session.project / "keys" / "orders.key"
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    path.write_bytes(bytes(range(32)))
    service, who = importing_material(session, "kms"), caller(session, "kms")
    key = str(session.attributes(Address("Key/orders"))["id"])
    given = service.get_parameters_for_import(
        who, key, wrapping_algorithm=ALGORITHM, wrapping_key_spec=WRAPPING_KEY_SPEC
    )
    wrapped = wrap_for_import(DataKey(path.read_bytes()), given.public_key, session.random)
    service.import_key_material(
        who,
        key,
        import_token=given.import_token,
        encrypted_material=wrapped,
        expires_at=session.clock.now() + timedelta(days=10),
    )
    assert isinstance(session.clock, ManualClock)
    session.clock.advance(days=20)
