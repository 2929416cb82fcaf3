"""Providers with nothing behind them: names in a dictionary, gone with the process. What an apply costs above them is
the engine's: its plan, its journal, a durable commit before and after every step, its read-back.

The peer's ``terraform_data`` is as empty. Only what the world of ``world.py`` needs is here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from reconciler.access.caller import Caller
from reconciler.errors import NotFoundException
from reconciler.providers import data, keys, tables
from reconciler.providers.plugin import ProviderServices, Resolve


class NoConfig(BaseModel):
    """Nothing to say."""


class Nothing:
    """What the three have in common."""

    config_model = NoConfig

    def __init__(self, config: NoConfig, services: ProviderServices, resolve: Resolve) -> None:
        self.account, self.region = services.account, services.region
        self._clock = services.clock

    def close(self) -> None:
        """Nothing is open."""

    def _arn(self, service: str, what: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{what}"


class Keys(Nothing):
    """Keys, policies and grants."""

    protocol = "keys"

    def __init__(self, config: NoConfig, services: ProviderServices, resolve: Resolve) -> None:
        super().__init__(config, services, resolve)
        self._keys: dict[str, keys.KeyDescription] = {}
        self._policies: dict[str, keys.PolicyDocument] = {}
        self._grants: dict[str, dict[str, keys.GrantDescription]] = {}

    def _id(self, key_id: str) -> str:
        return key_id.rpartition("/")[2]

    def create_key(self, caller: Caller, request: keys.KeyRequest, *, token: str) -> keys.KeyDescription:
        now = self._clock.now()
        self._keys[token] = keys.KeyDescription(
            key_id=token,
            arn=self._arn("kms", f"key/{token}"),
            account=self.account,
            region=self.region,
            description=request.description,
            key_spec=request.key_spec,
            key_usage=request.key_usage,
            state=keys.KeyState.ENABLED,
            multi_region=request.multi_region,
            created_at=now,
            material_id=f"material-{token}",
            rotated_at=now,
            tags=dict(request.tags),
        )
        self._policies[token] = self.default_key_policy()
        self._grants[token] = {}
        return self._keys[token]

    def find_key(self, caller: Caller, *, token: str) -> keys.KeyDescription | None:
        return self._keys.get(token)

    def describe_keys(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, keys.KeyDescription]:
        return {key_id: self._keys[self._id(key_id)] for key_id in key_ids if self._id(key_id) in self._keys}

    def list_keys(self, caller: Caller) -> list[keys.KeyDescription]:
        return [self._keys[key_id] for key_id in sorted(self._keys)]

    def rotate_key(self, caller: Caller, key_id: str, *, token: str) -> str:
        raise NotFoundException("nothing rotates here")

    def enable_key_rotation(self, caller: Caller, key_id: str, *, period_days: int) -> None:
        key_id = self._id(key_id)
        self._keys[key_id] = replace(self._keys[key_id], rotation_period_days=period_days)

    def disable_key_rotation(self, caller: Caller, key_id: str) -> None:
        key_id = self._id(key_id)
        self._keys[key_id] = replace(self._keys[key_id], rotation_period_days=None)

    def get_key_policies(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, keys.PolicyDocument]:
        return {key_id: self._policies[self._id(key_id)] for key_id in key_ids}

    def put_key_policy(self, caller: Caller, key_id: str, policy: keys.PolicyDocument) -> None:
        self._policies[self._id(key_id)] = policy

    def default_key_policy(self) -> keys.PolicyDocument:
        owner = {"AWS": f"arn:aws:iam::{self.account}:root"}
        statement = {"Effect": "Allow", "Principal": owner, "Action": "kms:*", "Resource": "*"}
        return {"Version": "2012-10-17", "Statement": [statement]}

    def create_grant(self, caller: Caller, request: keys.GrantRequest) -> keys.CreatedGrant:
        key_id = self._id(request.key_id)
        grant_id = f"grant-{request.name}"
        self._grants[key_id][grant_id] = keys.GrantDescription(
            grant_id=grant_id,
            key_arn=self._keys[key_id].arn,
            grantee_principal=request.grantee_principal,
            operations=request.operations,
            created_at=self._clock.now(),
            issuing_account=self.account,
            retiring_principal=request.retiring_principal,
            name=request.name,
            context_subset=request.context_subset,
            context_equals=request.context_equals,
        )
        return keys.CreatedGrant(grant_id=grant_id, grant_token="")

    def list_grants(self, caller: Caller, key_id: str) -> list[keys.GrantDescription]:
        return list(self._grants[self._id(key_id)].values())

    def revoke_grant(self, caller: Caller, key_id: str, grant_id: str) -> None:
        self._grants[self._id(key_id)].pop(grant_id, None)

    def retire_grant(self, caller: Caller, key_id: str, grant_id: str) -> None:
        self.revoke_grant(caller, key_id, grant_id)


class Warehouse(Nothing):
    """Clusters without data."""

    protocol = "warehouse"

    def __init__(self, config: NoConfig, services: ProviderServices, resolve: Resolve) -> None:
        super().__init__(config, services, resolve)
        self._clusters: dict[str, data.ClusterDescription] = {}

    def create_cluster(self, caller: Caller, request: data.ClusterRequest, *, token: str) -> data.ClusterDescription:
        self._clusters[request.name] = data.ClusterDescription(
            name=request.name,
            arn=self._arn("redshift", f"cluster:{request.name}"),
            uid=token,
            status="available",
            node_type=request.node_type,
            nodes=request.nodes,
            database=request.database,
            created_at=self._clock.now(),
            root=request.root,
            cek_id="cek",
            dek_id="dek",
            grant_id=None,
            rotated_at=self._clock.now(),
            tables=(),
        )
        return self._clusters[request.name]

    def describe_clusters(self, caller: Caller, names: Collection[str] | None = None) -> list[data.ClusterDescription]:
        wanted = self._clusters if names is None else names
        return [self._clusters[name] for name in sorted(wanted) if name in self._clusters]

    def key_uses(self, key_arn: str | None = None) -> list[data.KeyUse]:
        return []


class Tables(Nothing):
    """Tables without rows."""

    protocol = "tables"

    def __init__(self, config: NoConfig, services: ProviderServices, resolve: Resolve) -> None:
        super().__init__(config, services, resolve)
        self._keyspaces: dict[str, tables.KeyspaceDescription] = {}
        self._tables: dict[tuple[str, str], tables.TableDescription] = {}

    def create_keyspace(self, caller: Caller, name: str, *, replication: str, token: str) -> Any:
        arn = self._arn("cassandra", f"/keyspace/{name}/")
        self._keyspaces[name] = tables.KeyspaceDescription(name=name, arn=arn, replication=replication)
        return self._keyspaces[name]

    def describe_keyspaces(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[tables.KeyspaceDescription]:
        wanted = self._keyspaces if names is None else names
        return [self._keyspaces[name] for name in sorted(wanted) if name in self._keyspaces]

    def create_table(self, caller: Caller, request: tables.TableRequest, *, token: str) -> tables.TableDescription:
        place = (request.keyspace, request.name)
        self._tables[place] = tables.TableDescription(
            keyspace=request.keyspace,
            name=request.name,
            arn=f"{self._keyspaces[request.keyspace].arn}table/{request.name}",
            uid=token,
            status="ACTIVE",
            schema=request.schema,
            key_arn=request.key_arn,
            table_key_id="table-key",
            grant_id=None,
            rows=0,
            bytes=0,
            created_at=self._clock.now(),
        )
        return self._tables[place]

    def describe_tables(
        self, caller: Caller, names: Collection[tuple[str, str]] | None = None
    ) -> list[tables.TableDescription]:
        wanted: Collection[tuple[str, str]] = self._tables if names is None else names
        return [self._tables[place] for place in sorted(wanted) if place in self._tables]

    def key_uses(self, key_arn: str | None = None) -> list[data.KeyUse]:
        return []
