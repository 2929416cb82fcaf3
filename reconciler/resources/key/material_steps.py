"""How key material from outside gets into a key (reference, "import")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.envelope.data_key import DataKey
from reconciler.host.secret_source import read_secret_descriptor, read_secret_file
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.secret_source import PermitsCommands, read_command
from reconciler.providers.typed import importing_material
from reconciler.resources.key.steps import KeyStep
from reconciler.resources.key_calls import KeyCall


@dataclass(frozen=True, kw_only=True)
class ImportMaterial(KeyStep):
    """The material is read now, wrapped for the key service alone, and imported; the same once more changes nothing
    but when it expires. Neither it nor a digest of it is kept anywhere: what is observed of the key has the id that the
    service gave it (I19)."""

    file: str | None
    descriptor: int | None
    expires_at: datetime | None
    command: tuple[str, ...] | None = None

    def check(self, services: Services) -> None:
        """See ``Step``."""
        importing_material(services, self.provider)

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        """See ``CallsKeys``."""
        return [self._call("GetParametersForImport"), self._call("ImportKeyMaterial")]

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        from reconciler.envelope.import_wrapping import ALGORITHM, WRAPPING_KEY_SPEC, wrap_for_import

        service, who, key_id = (
            importing_material(services, self.provider),
            self.caller(services),
            self.identity(services),
        )
        with self._read(services) as material:
            given = service.get_parameters_for_import(
                who, key_id, wrapping_algorithm=ALGORITHM, wrapping_key_spec=WRAPPING_KEY_SPEC
            )
            wrapped = wrap_for_import(material, given.public_key, services.random)
        service.import_key_material(
            who, key_id, import_token=given.import_token, encrypted_material=wrapped, expires_at=self.expires_at
        )
        return Outcome()

    def _read(self, services: Services) -> DataKey:
        """HostError, UsageError say what is wrong with the file, the descriptor or the command."""
        if self.command is not None:
            permitted = services.permitted_commands if isinstance(services, PermitsCommands) else tuple
            found = read_command(self.command, "key material", permitted, is_text=False)
        elif self.file is None:
            found = read_secret_descriptor(self.descriptor if self.descriptor is not None else -1)
        else:
            found = read_secret_file(services.project / Path(self.file), "key material")
        try:
            return DataKey(found)
        finally:
            found[:] = bytes(len(found))
