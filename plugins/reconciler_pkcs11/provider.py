"""The class behind the entry point: each method of the protocols, led to where it is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from reconciler.access.caller import Caller
from reconciler.audit.checked import CheckedAudit
from reconciler.audit.query import EVERYTHING, AuditQuery
from reconciler.envelope.data_key import DataKey
from reconciler.model.due_work import DueWork
from reconciler.providers.hsm import (
    ClientCertificateDescription,
    ClientCertificateRequest,
    ClusterKeyDescription,
    PartitionCondition,
    PartitionDescription,
    PartitionRequest,
)
from reconciler.providers.key_wrapping import WrappedKey
from reconciler.providers.keys import Context, DecryptedKey, GeneratedDataKey, KeyDescription, KeyRequest
from reconciler.providers.plugin import HSM, ProviderServices, Resolve
from reconciler_pkcs11 import (
    adopting,
    clearing_up,
    client_certificates,
    cluster_keys,
    event_log,
    partitions,
    reaching,
    rows,
)
from reconciler_pkcs11.config import Pkcs11Config
from reconciler_pkcs11.keys import creating, deleting, describing, rotation, sealing, switching, using
from reconciler_pkcs11.requests import check_account
from reconciler_pkcs11.site import Site

if TYPE_CHECKING:
    from socket import socket
    from threading import Event

    from reconciler.providers.hsm_agent import AgentIdentity, AgentRequest, AgentServices


class Pkcs11:
    """Partitions and keys of one account and Region under ``home/pkcs11/ACCOUNT/REGION``. Threads and processes may
    share it.

    Serves HsmProvider, KeepsClusterKeys, KeyProvider, RotatesKeys, WrapsKeys, KeepsAuditLog, Expires, ListsDueWork and
    Fenced; the docstrings there hold. ``opens`` reaches a partition; tests put another one in its place.
    """

    protocol: ClassVar[str] = HSM
    config_model: ClassVar[type[BaseModel]] = Pkcs11Config

    def __init__(
        self,
        config: BaseModel,
        services: ProviderServices,
        resolve: Resolve,
        *,
        opens: reaching.Opens = reaching.open_partition,
    ) -> None:
        del resolve  # an HSM rests on no other service
        settings = Pkcs11Config.model_validate(config.model_dump())
        self._site = Site(services, settings.module, opens)

    @property
    def account(self) -> str:
        """Its account, 12 digits."""
        return self._site.account

    @property
    def region(self) -> str:
        """Its Region."""
        return self._site.region

    def close(self) -> None:
        """End the workers, wipe the seal's key, give back the stores."""
        self._site.close()

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        self._site.store.raise_fence()

    def expire(self) -> list[str]:
        """See ``Expires.expire``: keys whose waiting time is over. What an interrupted run left in a token goes,
        too."""
        clearing_up.clear_up(self._site)
        return deleting.destroy_due(self._site)

    def due_work(self, caller: Caller, *, at: datetime, leave: Collection[str] = ()) -> list[DueWork]:
        """See ``ListsDueWork.due_work``."""
        return deleting.due_to_go(self._site, at)

    # --- ServesPartitions: asked of the class, with no Provider built -----------------------------------------------

    @staticmethod
    def make_agent_identity(
        certificate: Path, key: Path, *, name: str, valid_days: int, services: AgentServices
    ) -> AgentIdentity:
        """See ``ServesPartitions``."""
        from reconciler_pkcs11.link.serving import ServesPartition

        return ServesPartition.make_agent_identity(
            certificate, key, name=name, valid_days=valid_days, services=services
        )

    @staticmethod
    def serve_partition(
        request: AgentRequest,
        bound: socket,
        *,
        services: AgentServices,
        stop: Event,
        on_ready: Callable[[AgentIdentity], None],
    ) -> None:
        """See ``ServesPartitions``."""
        from reconciler_pkcs11.link.serving import ServesPartition

        ServesPartition.serve_partition(request, bound, services=services, stop=stop, on_ready=on_ready)

    @staticmethod
    def forgive(folder: Path, client: str | None, *, services: AgentServices) -> int:
        """See ``ServesPartitions``."""
        from reconciler_pkcs11.link.serving import ServesPartition

        return ServesPartition.forgive(folder, client, services=services)

    # --- KeepsAuditLog ------------------------------------------------------------------------------------------------

    def audit_events(self, *, after: int = 0, query: AuditQuery = EVERYTHING) -> Iterator[tuple[int, dict[str, Any]]]:
        """See ``KeepsAuditLog``."""
        return event_log.events(self._site, after, query)

    def check_audit_log(self) -> CheckedAudit:
        """See ``KeepsAuditLog``."""
        return event_log.check(self._site)

    # --- HsmProvider: certificates ------------------------------------------------------------------------------------

    def create_client_certificate(
        self, caller: Caller, request: ClientCertificateRequest, *, token: str
    ) -> ClientCertificateDescription:
        """See ``HsmProvider``."""
        return client_certificates.create_client_certificate(self._site, caller, request, token)

    def find_client_certificate(self, caller: Caller, *, token: str) -> ClientCertificateDescription | None:
        """See ``HsmProvider``."""
        return client_certificates.find_client_certificate(self._site, caller, token)

    def describe_client_certificates(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[ClientCertificateDescription]:
        """See ``HsmProvider``."""
        return client_certificates.describe_client_certificates(self._site, caller, names)

    def delete_client_certificate(self, caller: Caller, name: str) -> None:
        """See ``HsmProvider``."""
        client_certificates.delete_client_certificate(self._site, caller, name)

    # --- HsmProvider: partitions --------------------------------------------------------------------------------------

    def create_partition(self, caller: Caller, request: PartitionRequest, *, token: str) -> PartitionDescription:
        """See ``HsmProvider``."""
        made = adopting.create_partition(self._site, caller, request, token)
        return rows.describe_partition(made, self._site.names)

    def find_partition(self, caller: Caller, *, token: str) -> PartitionDescription | None:
        """See ``HsmProvider``."""
        check_account(self._site, caller, "redshift:DescribeHsmConfigurations")
        return partitions.find_partition(self._site, token)

    def modify_partition(self, caller: Caller, request: PartitionRequest) -> PartitionDescription:
        """See ``HsmProvider``."""
        return partitions.modify_partition(self._site, caller, request)

    def describe_partitions(self, caller: Caller, names: Collection[str] | None = None) -> list[PartitionDescription]:
        """See ``HsmProvider``."""
        check_account(self._site, caller, "redshift:DescribeHsmConfigurations")
        return partitions.describe_partitions(self._site, names)

    def probe_partition(self, caller: Caller, name: str, *, key_ids: Collection[str] = ()) -> PartitionCondition:
        """See ``HsmProvider``."""
        return partitions.probe_partition(self._site, caller, name, key_ids)

    def delete_partition(self, caller: Caller, name: str) -> None:
        """See ``HsmProvider``."""
        partitions.delete_partition(self._site, caller, name)

    # --- KeepsClusterKeys ---------------------------------------------------------------------------------------------

    def verify_partition(self, caller: Caller, partition: str) -> PartitionDescription:
        """See ``KeepsClusterKeys``."""
        return partitions.verify_partition(self._site, caller, partition)

    def create_cluster_key(self, caller: Caller, partition: str, key_id: str) -> ClusterKeyDescription:
        """See ``KeepsClusterKeys``."""
        return cluster_keys.create_cluster_key(self._site, caller, partition, key_id)

    def wrap_data_key(self, caller: Caller, partition: str, key_id: str, key: DataKey, context: Context) -> bytes:
        """See ``KeepsClusterKeys``."""
        return cluster_keys.wrap_data_key(self._site, caller, partition, key_id, key, context=context)

    def unwrap_data_key(self, caller: Caller, partition: str, key_id: str, wrapped: bytes, context: Context) -> DataKey:
        """See ``KeepsClusterKeys``."""
        return cluster_keys.unwrap_data_key(self._site, caller, partition, key_id, wrapped, context=context)

    def describe_cluster_keys(
        self, caller: Caller, partition: str | None = None, *, key_ids: Collection[str] | None = None
    ) -> list[ClusterKeyDescription]:
        """See ``KeepsClusterKeys``."""
        return cluster_keys.describe_cluster_keys(self._site, caller, partition, key_ids)

    def adopt_cluster_key(self, caller: Caller, partition: str, key_id: str) -> ClusterKeyDescription:
        """See ``KeepsClusterKeys``."""
        return cluster_keys.adopt_cluster_key(self._site, caller, partition, key_id)

    def retire_cluster_key(self, caller: Caller, partition: str, key_id: str) -> None:
        """See ``KeepsClusterKeys``."""
        cluster_keys.retire_cluster_key(self._site, caller, partition, key_id)

    def destroy_cluster_key(self, caller: Caller, partition: str, key_id: str) -> None:
        """See ``KeepsClusterKeys``."""
        cluster_keys.destroy_cluster_key(self._site, caller, partition, key_id)

    # --- KeyProvider --------------------------------------------------------------------------------------------------

    def create_key(self, caller: Caller, request: KeyRequest, *, token: str) -> KeyDescription:
        """See ``KeyProvider``."""
        return creating.create_key(self._site, caller, request, token)

    def find_key(self, caller: Caller, *, token: str) -> KeyDescription | None:
        """See ``KeyProvider``."""
        return describing.find_by_token(self._site, caller, token)

    def describe_keys(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, KeyDescription]:
        """See ``KeyProvider``."""
        return describing.describe_keys(self._site, caller, key_ids)

    def list_keys(self, caller: Caller) -> list[KeyDescription]:
        """See ``KeyProvider``."""
        return describing.list_keys(self._site, caller)

    def update_key_description(self, caller: Caller, key_id: str, description: str) -> None:
        """See ``KeyProvider``."""
        creating.update_description(self._site, caller, key_id, description)

    def enable_key(self, caller: Caller, key_id: str) -> None:
        """See ``KeyProvider``."""
        switching.set_enabled(self._site, caller, key_id, enabled=True)

    def disable_key(self, caller: Caller, key_id: str) -> None:
        """See ``KeyProvider``."""
        switching.set_enabled(self._site, caller, key_id, enabled=False)

    def schedule_key_deletion(self, caller: Caller, key_id: str, *, waiting_days: int) -> datetime:
        """See ``KeyProvider``."""
        return deleting.schedule_deletion(self._site, caller, key_id, waiting_days)

    def cancel_key_deletion(self, caller: Caller, key_id: str) -> None:
        """See ``KeyProvider``."""
        deleting.cancel_deletion(self._site, caller, key_id)

    def tag_resource(self, caller: Caller, key_id: str, tags: Mapping[str, str]) -> None:
        """See ``KeyProvider``."""
        creating.tag(self._site, caller, key_id, tags)

    def untag_resource(self, caller: Caller, key_id: str, tag_keys: Sequence[str]) -> None:
        """See ``KeyProvider``."""
        creating.tag(self._site, caller, key_id, {}, removed=tag_keys)

    def generate_data_key(
        self, caller: Caller, key_id: str, context: Context, *, number_of_bytes: int = 32
    ) -> GeneratedDataKey:
        """See ``KeyProvider``."""
        return using.generate_data_key(self._site, caller, key_id, context, number_of_bytes)

    def encrypt(self, caller: Caller, key_id: str, plaintext: bytes, context: Context) -> bytes:
        """See ``KeyProvider``."""
        return using.encrypt(self._site, caller, key_id, DataKey(plaintext), context).wrapped

    def decrypt(
        self, caller: Caller, ciphertext: bytes, context: Context, *, key_id: str | None = None
    ) -> DecryptedKey:
        """See ``KeyProvider``."""
        return using.decrypt(self._site, caller, ciphertext, context, key_id)

    def re_encrypt(
        self, caller: Caller, ciphertext: bytes, source_context: Context, key_id: str, context: Context
    ) -> bytes:
        """See ``KeyProvider``."""
        return using.re_encrypt(self._site, caller, (ciphertext, source_context), key_id, context)

    # --- RotatesKeys, WrapsKeys ---------------------------------------------------------------------------------------

    def rotate_key(self, caller: Caller, key_id: str, *, token: str) -> str:
        """See ``RotatesKeys``."""
        return rotation.rotate_key(self._site, caller, key_id, token)

    def enable_key_rotation(self, caller: Caller, key_id: str, *, period_days: int) -> None:
        """See ``RotatesKeys``."""
        rotation.enable_rotation(self._site, caller, key_id, period_days)

    def disable_key_rotation(self, caller: Caller, key_id: str) -> None:
        """See ``RotatesKeys``."""
        rotation.disable_rotation(self._site, caller, key_id)

    def wrap_key(self, caller: Caller, key_id: str, key: DataKey, context: Context) -> WrappedKey:
        """See ``WrapsKeys``."""
        return sealing.wrap_key(self._site, caller, key_id, key, context)

    def unwrap_key(self, caller: Caller, key_id: str, wrapped: bytes, context: Context) -> DataKey:
        """See ``WrapsKeys``."""
        return using.decrypt(self._site, caller, wrapped, context, key_id).plaintext
