"""Key material from outside, imported by hand: what an operator with another tool would do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from reconciler.commands.session import Session
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.import_wrapping import ALGORITHM, WRAPPING_KEY_SPEC, wrap_for_import
from reconciler.model.address import Address
from reconciler.providers.typed import caller, importing_material


def import_by_hand(session: Session, address: Address, path: Path, *, expires_at: datetime | None = None) -> None:
    """Write material to a private file at ``path``, and import it into that key of the provider ``kms``."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(bytes(range(32)))
    service, who = importing_material(session, "kms"), caller(session, "kms")
    arn = str(session.attributes(address)["arn"])
    given = service.get_parameters_for_import(
        who, arn, wrapping_algorithm=ALGORITHM, wrapping_key_spec=WRAPPING_KEY_SPEC
    )
    wrapped = wrap_for_import(DataKey(path.read_bytes()), given.public_key, session.random)
    service.import_key_material(
        who, arn, import_token=given.import_token, encrypted_material=wrapped, expires_at=expires_at
    )
