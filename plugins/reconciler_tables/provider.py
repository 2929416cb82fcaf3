"""``Tables``: the table service of one account and Region, as the core sees it.

What needs cryptography is imported by the calls that use it: a plan only describes, and should start quickly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException
from reconciler.providers.data import KeyUse
from reconciler.providers.inspection import HeldGrant, PlaintextFound
from reconciler.providers.key_access import Dependent, KeyAccess
from reconciler.providers.plugin import TABLES, ProviderServices, Resolve
from reconciler.providers.tables import KeyspaceDescription, TableDescription, TableRequest
from reconciler_tables import census, descriptions
from reconciler_tables.config import TablesConfig
from reconciler_tables.names import TableName
from reconciler_tables.site import Site

if TYPE_CHECKING:
    from reconciler.providers.proofs import Check, Witness


class Tables:
    """A ``TableProvider`` that ``CountsKeyUses`` and ``ClearsUp``, on one machine, for real."""

    protocol: ClassVar[str] = TABLES
    config_model: ClassVar[type[BaseModel]] = TablesConfig

    def __init__(self, config: BaseModel, services: ProviderServices, resolve: Resolve) -> None:
        key_service = TablesConfig.model_validate(config.model_dump()).key_service
        self._site = Site(services, resolve, key_service)

    @property
    def account(self) -> str:
        """See ``TableProvider.account``."""
        return self._site.account

    @property
    def region(self) -> str:
        """See ``TableProvider.region``."""
        return self._site.region

    def close(self) -> None:
        """See ``Plugin.close``."""
        self._site.close()

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        self._site.raise_fence()

    def create_keyspace(self, caller: Caller, name: str, *, replication: str, token: str) -> KeyspaceDescription:
        """See ``TableProvider.create_keyspace``."""
        from reconciler_tables import keyspaces

        return descriptions.keyspace(self._site, keyspaces.create_keyspace(self._site, name, replication, token))

    def describe_keyspaces(self, caller: Caller, names: Collection[str] | None = None) -> list[KeyspaceDescription]:
        """See ``TableProvider.describe_keyspaces``."""
        return descriptions.keyspaces(self._site, names)

    def delete_keyspace(self, caller: Caller, name: str) -> None:
        """See ``TableProvider.delete_keyspace``."""
        from reconciler_tables import keyspaces

        keyspaces.delete_keyspace(self._site, caller, name)

    def create_table(self, caller: Caller, request: TableRequest, *, token: str) -> TableDescription:
        """See ``TableProvider.create_table``."""
        from reconciler_tables import creating

        creating.create_table(self._site, caller, request, token)
        return self._described(request.keyspace, request.name)

    def find_table(self, caller: Caller, *, token: str) -> TableDescription | None:
        """See ``TableProvider.find_table``."""
        return descriptions.table_of_token(self._site, token)

    def describe_tables(
        self, caller: Caller, names: Collection[tuple[str, str]] | None = None
    ) -> list[TableDescription]:
        """See ``TableProvider.describe_tables``. A creation that never ended is left out: the call that repeats it
        goes on with it, any other call about its name clears it away."""
        return descriptions.tables(self._site, names)

    def update_table_encryption(
        self, caller: Caller, keyspace: str, table: str, key_arn: str | None, *, token: str
    ) -> TableDescription:
        """See ``TableProvider.update_table_encryption``. With the key that the table has, a grant that was revoked is
        made again."""
        from reconciler_tables import switching

        switching.update_table_encryption(self._site, caller, TableName(keyspace, table), key_arn)
        return self._described(keyspace, table)

    def delete_table(self, caller: Caller, keyspace: str, table: str) -> None:
        """See ``TableProvider.delete_table``."""
        from reconciler_tables import dropping

        dropping.delete_table(self._site, caller, TableName(keyspace, table))

    def clear_up(self) -> None:
        """See ``ClearsUp.clear_up``."""
        from reconciler_tables import dropping

        dropping.clear_up(self._site)

    def put_rows(self, caller: Caller, keyspace: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """See ``TableProvider.put_rows``. All of them or none; static columns are merged (KS1).
        InvalidRequestException names the column; AccessDeniedException and InvalidRequestException when the table's
        key is out of reach; DamagedStore."""
        from reconciler_tables import rows as sealed_rows

        sealed_rows.put_rows(self._site, TableName(keyspace, table), rows)

    def get_rows(self, caller: Caller, keyspace: str, table: str, partition: Mapping[str, Any]) -> list[dict[str, Any]]:
        """See ``TableProvider.get_rows``. Errors as ``put_rows``."""
        from reconciler_tables import rows as sealed_rows

        return sealed_rows.get_rows(self._site, TableName(keyspace, table), partition)

    def held_grants(self) -> list[HeldGrant]:
        """See ``HoldsGrants.held_grants``."""
        from reconciler_tables import looking

        return looking.held_grants(self._site)

    def plaintext_found(self) -> list[PlaintextFound]:
        """See ``SamplesStorage.plaintext_found``."""
        from reconciler_tables import looking

        return looking.plaintext_found(self._site)

    def key_uses(self, key_arn: str | None = None) -> list[KeyUse]:
        """See ``CountsKeyUses.key_uses``."""
        return census.key_uses(self._site, key_arn)

    def list_dependents(self, key_arn: str) -> Sequence[Dependent]:
        """See ``StatesKeyAccess.list_dependents``."""
        from reconciler_tables import key_access

        return key_access.dependents(self._site, key_arn)

    def list_accesses_to_adopt(self, what: str, name: str) -> Sequence[KeyAccess]:
        """See ``StatesKeyAccess.list_accesses_to_adopt``."""
        from reconciler_tables import key_access

        return key_access.adopting(self._site, name)

    def prove_table(
        self, caller: Caller, keyspace: str, table: str, key_arn: str | None, witness: Witness
    ) -> Iterator[Check]:
        """See ``ProvesTables.prove_table``. The table service asks the key service as itself, as a read does."""
        from reconciler_tables import proving

        return proving.table(self._site, TableName(keyspace, table), key_arn, witness)

    def _described(self, keyspace: str, table: str) -> TableDescription:
        found = descriptions.tables(self._site, [(keyspace, table)])
        if not found:
            raise ConflictException(f"Table {keyspace}.{table} was dropped by another request meanwhile")
        return found[0]
