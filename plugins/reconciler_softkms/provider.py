"""The software KMS as a provider: each method of ``reconciler.providers.keys``, led to its operation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import BaseModel

from reconciler.access.caller import Caller
from reconciler.access.policy import default_key_policy
from reconciler.audit.checked import CheckedAudit
from reconciler.audit.query import EVERYTHING, AuditQuery
from reconciler.host.sqlite import translated
from reconciler.providers.identities import IdentityPolicyDescription
from reconciler.providers.key_material import ImportParameters, ReplicaRequest
from reconciler.providers.keys import (
    AliasDescription,
    Context,
    CreatedGrant,
    DecryptedKey,
    GeneratedDataKey,
    GrantDescription,
    GrantRequest,
    KeyDescription,
    KeyRequest,
    KeyState,
    PolicyDocument,
)
from reconciler.providers.marks import Mark
from reconciler.providers.plugin import KEYS, ProviderServices, Resolve
from reconciler_softkms import audit_reading, marks
from reconciler_softkms.config import SoftKmsConfig
from reconciler_softkms.doors import open_door
from reconciler_softkms.identities import Identities
from reconciler_softkms.key_store import KeepsItsStore
from reconciler_softkms.operations import (
    aliases,
    data_keys,
    deleting,
    encryption,
    grants,
    identities,
    importing,
    keys,
    owned,
    policies,
    re_encryption,
    replicas,
    rotation,
    tagging,
)
from reconciler_softkms.operations.ciphertexts import Under
from reconciler_softkms.rows import Names
from reconciler_softkms.schema import WHAT
from reconciler_softkms.sealing.declared import seals_of


class SoftKms(KeepsItsStore):
    """Keys of one account and Region under ``home/softkms/ACCOUNT/REGION``. Threads and processes may share it.

    Serves KeyProvider, RotatesKeys, ImportsKeyMaterial, ReplicatesKeys, NamesKeys, HoldsPolicies,
    HoldsIdentityPolicies, KnowsIdentities, IssuesGrants, OwnsKeys, AnswersRequests, ChecksItself, WrapsKeys,
    KeepsKeyStore, KeepsMarks and Fenced; the docstrings there hold.
    """

    protocol: ClassVar[str] = KEYS
    config_model: ClassVar[type[BaseModel]] = SoftKmsConfig

    def __init__(self, config: BaseModel, services: ProviderServices, resolve: Resolve) -> None:
        settings = config if isinstance(config, SoftKmsConfig) else SoftKmsConfig.model_validate(config)
        named = settings.administrators
        self._services = services
        self._names = Names(services.account, services.region)
        administrators = (services.principal,) if named is None else tuple(named)
        seals = seals_of(settings.seal, services, resolve)
        self._identities = Identities(services.home / "softkms", services.fs, administrators, services.fence)
        self._door = open_door(services, self._identities, services.account, services.region, seals)

    @property
    def account(self) -> str:
        """Its account, 12 digits."""
        return self._names.account

    @property
    def region(self) -> str:
        """Its Region."""
        return self._names.region

    def close(self) -> None:
        """Wipe the keys in memory and give back the stores."""
        self._door.close()
        self._identities.close()

    # --- KeepsAuditLog ----------------------------------------------------------------------------------------------

    def audit_events(self, *, after: int = 0, query: AuditQuery = EVERYTHING) -> Iterator[tuple[int, dict[str, Any]]]:
        """See ``KeepsAuditLog``."""
        return audit_reading.events(self._door, after, query)

    def check_audit_log(self) -> CheckedAudit:
        """See ``KeepsAuditLog``."""
        return audit_reading.check(self._door)

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        self._door.store.raise_fence()
        self._door.siblings.raise_fence(self._door)
        self._identities.store(self.account).raise_fence()

    # --- AnswersRequests ----------------------------------------------------------------------------------------------

    @property
    def operations(self) -> Collection[str]:
        """See ``AnswersRequests``."""
        from reconciler_softkms.wire.answering import operations

        return operations().keys()

    def answer(self, caller: Caller, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """See ``AnswersRequests``."""
        from reconciler_softkms.wire.answering import answer

        return answer(self._door, caller, operation, request)

    def check_readiness(self) -> None:
        """See ``ChecksItself``."""
        store = self._door.store
        with store.lock, translated(store.path, WHAT):
            connection = store.reading()
            if connection is not None and connection.execute("SELECT 1 FROM seal").fetchone():
                store.seal()

    # --- KeepsMarks ---------------------------------------------------------------------------------------------------

    def mark(self, lineage: str) -> Mark | None:
        """See ``KeepsMarks.mark``. DamagedStore for one that was not written here."""
        return marks.mark(self._door, lineage)

    def raise_mark(self, lineage: str, mark: Mark) -> None:
        """See ``KeepsMarks.raise_mark``."""
        marks.raise_mark(self._door, lineage, mark)

    def reset_mark(self, lineage: str, mark: Mark) -> None:
        """See ``KeepsMarks.reset_mark``."""
        marks.reset_mark(self._door, lineage, mark)

    # --- KeyProvider -------------------------------------------------------------------------------------------------

    def create_key(self, caller: Caller, request: KeyRequest, *, token: str) -> KeyDescription:
        """See ``KeyProvider``."""
        return keys.create_key(self._door, caller, request, token)

    def find_key(self, caller: Caller, *, token: str) -> KeyDescription | None:
        """See ``KeyProvider``."""
        return keys.find_key(self._door, caller, token)

    def describe_keys(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, KeyDescription]:
        """See ``KeyProvider``."""
        return keys.describe_keys(self._door, caller, key_ids)

    def list_keys(self, caller: Caller) -> list[KeyDescription]:
        """See ``KeyProvider``."""
        return keys.list_keys(self._door, caller)

    def update_key_description(self, caller: Caller, key_id: str, description: str) -> None:
        """See ``KeyProvider``."""
        keys.update_description(self._door, caller, key_id, description)

    def enable_key(self, caller: Caller, key_id: str) -> None:
        """See ``KeyProvider``."""
        keys.set_state(self._door, caller, key_id, "EnableKey", KeyState.ENABLED)

    def disable_key(self, caller: Caller, key_id: str) -> None:
        """See ``KeyProvider``."""
        keys.set_state(self._door, caller, key_id, "DisableKey", KeyState.DISABLED)

    def schedule_key_deletion(self, caller: Caller, key_id: str, *, waiting_days: int) -> datetime:
        """See ``KeyProvider``."""
        scheduled = deleting.schedule_deletion(self._door, caller, key_id, waiting_days, repeatable=True)
        return scheduled.date or self._door.clock.now() + timedelta(days=scheduled.waiting_days)

    def cancel_key_deletion(self, caller: Caller, key_id: str) -> None:
        """See ``KeyProvider``."""
        deleting.cancel_deletion(self._door, caller, key_id, repeatable=True)

    def tag_resource(self, caller: Caller, key_id: str, tags: Mapping[str, str]) -> None:
        """See ``KeyProvider``."""
        tagging.tag(self._door, caller, key_id, tags)

    def untag_resource(self, caller: Caller, key_id: str, tag_keys: Sequence[str]) -> None:
        """See ``KeyProvider``."""
        tagging.untag(self._door, caller, key_id, tag_keys)

    def generate_data_key(
        self, caller: Caller, key_id: str, context: Context, *, number_of_bytes: int = 32
    ) -> GeneratedDataKey:
        """See ``KeyProvider``."""
        return data_keys.generate_data_key(self._door, caller, key_id, context, number_of_bytes)

    def encrypt(self, caller: Caller, key_id: str, plaintext: bytes, context: Context) -> bytes:
        """See ``KeyProvider``."""
        return encryption.encrypt(self._door, caller, Under(key_id, context), plaintext).ciphertext

    def decrypt(
        self, caller: Caller, ciphertext: bytes, context: Context, *, key_id: str | None = None
    ) -> DecryptedKey:
        """See ``KeyProvider``."""
        return encryption.decrypt(self._door, caller, Under(key_id, context), ciphertext)

    def re_encrypt(
        self, caller: Caller, ciphertext: bytes, source_context: Context, key_id: str, context: Context
    ) -> bytes:
        """See ``KeyProvider``."""
        source, target = Under(None, source_context), Under(key_id, context)
        return re_encryption.re_encrypt(self._door, caller, ciphertext, source, target).encrypted.ciphertext

    # --- RotatesKeys -------------------------------------------------------------------------------------------------

    def rotate_key(self, caller: Caller, key_id: str, *, token: str) -> str:
        """See ``RotatesKeys``."""
        return rotation.rotate_key(self._door, caller, key_id, token)

    def enable_key_rotation(self, caller: Caller, key_id: str, *, period_days: int) -> None:
        """See ``RotatesKeys``."""
        rotation.enable_rotation(self._door, caller, key_id, period_days)

    def disable_key_rotation(self, caller: Caller, key_id: str) -> None:
        """See ``RotatesKeys``."""
        rotation.disable_rotation(self._door, caller, key_id)

    # --- ImportsKeyMaterial ------------------------------------------------------------------------------------------

    def get_parameters_for_import(
        self, caller: Caller, key_id: str, *, wrapping_algorithm: str, wrapping_key_spec: str
    ) -> ImportParameters:
        """See ``ImportsKeyMaterial``."""
        return importing.get_parameters(
            self._door, caller, key_id, wrapping_algorithm=wrapping_algorithm, wrapping_key_spec=wrapping_key_spec
        )

    def import_key_material(
        self,
        caller: Caller,
        key_id: str,
        *,
        import_token: bytes,
        encrypted_material: bytes,
        expires_at: datetime | None = None,
    ) -> str:
        """See ``ImportsKeyMaterial``."""
        given = importing.Import(token=import_token, wrapped=encrypted_material, expires_at=expires_at)
        return importing.import_material(self._door, caller, key_id, given)[1]

    def delete_imported_key_material(self, caller: Caller, key_id: str) -> None:
        """See ``ImportsKeyMaterial``."""
        importing.delete_material(self._door, caller, key_id, None)

    # --- ReplicatesKeys ----------------------------------------------------------------------------------------------

    def replicate_key(self, caller: Caller, key_id: str, request: ReplicaRequest) -> KeyDescription:
        """See ``ReplicatesKeys``."""
        made = replicas.replicate_key(self._door, caller, key_id, request)
        return made.names.describe(made.row)

    def update_primary_region(self, caller: Caller, key_id: str, *, region: str) -> None:
        """See ``ReplicatesKeys``."""
        replicas.update_primary_region(self._door, caller, key_id, region, repeatable=True)

    # --- NamesKeys ---------------------------------------------------------------------------------------------------

    def create_alias(self, caller: Caller, name: str, key_id: str) -> AliasDescription:
        """See ``NamesKeys``."""
        return aliases.create_alias(self._door, caller, name, key_id, repeatable=True)

    def update_alias(self, caller: Caller, name: str, key_id: str) -> None:
        """See ``NamesKeys``."""
        aliases.update_alias(self._door, caller, name, key_id)

    def delete_alias(self, caller: Caller, name: str) -> None:
        """See ``NamesKeys``."""
        aliases.delete_alias(self._door, caller, name, repeatable=True)

    def list_aliases(self, caller: Caller, names: Collection[str] | None = None) -> list[AliasDescription]:
        """See ``NamesKeys``."""
        return aliases.list_aliases(self._door, caller, names)

    # --- HoldsPolicies -----------------------------------------------------------------------------------------------

    def get_key_policies(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, PolicyDocument]:
        """See ``HoldsPolicies``."""
        return policies.get_key_policies(self._door, caller, key_ids)

    def put_key_policy(
        self, caller: Caller, key_id: str, policy: PolicyDocument, *, bypass_lockout_check: bool = False
    ) -> None:
        """See ``HoldsPolicies``."""
        policies.put_key_policy(self._door, caller, key_id, policy, bypass_lockout_check=bypass_lockout_check)

    def default_key_policy(self) -> PolicyDocument:
        """See ``HoldsPolicies``."""
        return default_key_policy(self.account)

    # --- KnowsIdentities ---------------------------------------------------------------------------------------------

    def get_identity_policies(self, principal: str) -> Sequence[PolicyDocument]:
        """See ``KnowsIdentities``."""
        return self._door.identities.documents(principal)

    # --- HoldsIdentityPolicies ----------------------------------------------------------------------------------------

    def put_identity_policy(self, caller: Caller, principal: str, name: str, document: PolicyDocument) -> None:
        """See ``HoldsIdentityPolicies``."""
        identities.put_identity_policy(self._door, caller, principal, name, document)

    def delete_identity_policy(self, caller: Caller, principal: str, name: str) -> None:
        """See ``HoldsIdentityPolicies``."""
        identities.delete_identity_policy(self._door, caller, principal, name)

    def list_identity_policies(
        self, caller: Caller, principals: Collection[str] | None = None
    ) -> list[IdentityPolicyDescription]:
        """See ``HoldsIdentityPolicies``."""
        return identities.list_identity_policies(self._door, caller, principals)

    # --- IssuesGrants ------------------------------------------------------------------------------------------------

    def create_grant(self, caller: Caller, request: GrantRequest) -> CreatedGrant:
        """See ``IssuesGrants``."""
        return grants.create_grant(self._door, caller, request)

    def list_grants(self, caller: Caller, key_id: str) -> list[GrantDescription]:
        """See ``IssuesGrants``."""
        return grants.list_grants(self._door, caller, key_id)

    def revoke_grant(self, caller: Caller, key_id: str, grant_id: str) -> None:
        """See ``IssuesGrants``."""
        grants.revoke_grant(self._door, caller, key_id, grant_id)

    def retire_grant(self, caller: Caller, key_id: str, grant_id: str) -> None:
        """See ``IssuesGrants``."""
        grants.retire_grant(self._door, caller, key_id, grant_id)

    # --- OwnsKeys ----------------------------------------------------------------------------------------------------

    def owned_key(self, caller: Caller, service: str) -> str:
        """See ``OwnsKeys``."""
        return owned.owned_key(self._door, caller, service)
