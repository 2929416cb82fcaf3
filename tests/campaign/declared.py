"""The small world that a soak declares, and what it knows to be true of it: the dict model that the product must meet.

``Declared`` is what the manifests say; ``Known`` is what must be found behind them, row for row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.world import document, provider

Row = tuple[int, str, float]
Rows = dict[str, list[Row]]  # table → its rows, ordered

HERE, THERE = "eu-west-1", "us-east-1"
HOLDERS = {HERE: "dw", THERE: "dw-us"}
KEY_SERVICES = {HERE: "kms", THERE: "kms-us"}
PROVIDERS = (
    provider("kms")
    + provider("dw", "warehouse")
    + provider("tb", "tables")
    + provider("kms-us", "softkms", THERE)
    + provider("dw-us", "warehouse", THERE)
)
APP = "arn:aws:iam::111122223333:role/app"
ORDERS = "{columns: [{name: id, type: int}, {name: at, type: int}, {name: note, type: text}], partitionKey: [id], "
ORDERS += "clusteringKey: [{name: at}]}"
OWNED, PLAIN = "owned", "plain"  # a cluster's root, beside the name of a Key; a table's is OWNED or the name of a Key


@dataclass
class Key:
    """``hidden``: its manifest is away, and the key stays. ``leaving``: its deletion is scheduled."""

    provider: str = "kms"
    enabled: bool = True
    trigger: int = 0
    protected: bool = True
    hidden: bool = False
    leaving: bool = False
    policy: int = 0  # 0: none declared
    grant: tuple[str, ...] = ()


@dataclass
class Cluster:
    """``tables``: table → paths that it loads. ``mode`` is that of every table."""

    root: str
    nodes: int = 1
    trigger: int = 0
    protected: bool = True
    silent: bool = False
    mode: str | None = None
    tables: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Snapshot:
    cluster: str
    protected: bool = True
    hidden: bool = False


@dataclass
class Table:
    root: str
    protected: bool = True
    hidden: bool = False


@dataclass
class Copying:
    grant: str | None
    days: int = 7


@dataclass
class Declared:
    """Everything that the manifests say."""

    keys: dict[str, Key] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    copy_grants: dict[str, str] = field(default_factory=dict)
    copying: dict[str, Copying] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    files: dict[str, list[Row]] = field(default_factory=dict)

    def usable(self, service: str = "kms") -> list[str]:
        """Keys that a root may name."""
        return [
            name
            for name, key in self.keys.items()
            if key.provider == service and key.enabled and not key.hidden and not key.leaving
        ]

    def is_refused(self, before: Declared) -> bool:
        """Whether something would weaken by omission, or a file changed and nothing says what that means."""
        return (
            any(one.grant is None and self._is_kms(name) for name, one in self.copying.items())
            or any(one.silent and one.root != OWNED for one in self.clusters.values())
            or any(self._has_unexplained_change(name, before) for name in self.clusters.keys() & before.clusters.keys())
        )

    def _is_kms(self, cluster: str) -> bool:
        return self.clusters[cluster].root not in (OWNED, PLAIN)

    def _has_unexplained_change(self, cluster: str, before: Declared) -> bool:
        one, loaded = self.clusters[cluster], before.files
        return one.mode is None and any(
            path in loaded and loaded[path] != self.files[path] for paths in one.tables.values() for path in paths
        )

    def text(self) -> str:
        """The manifests."""
        parts = [PROVIDERS, document("Keyspace", "shop", provider="tb")]
        for name, key in self.keys.items():
            if not key.hidden and not key.leaving:
                parts.append(_key(name, key))
        parts += [document("Alias", name, key=key) for name, key in self.aliases.items()]
        parts += [_cluster(name, one) for name, one in self.clusters.items()]
        parts += [
            document("Snapshot", name, provider="dw", cluster=one.cluster, lifecycle=_lifecycle(one.protected))
            for name, one in self.snapshots.items()
            if not one.hidden
        ]
        parts += [
            document("SnapshotCopyGrant", name, provider="dw-us", **({} if key == OWNED else {"key": key}))
            for name, key in self.copy_grants.items()
        ]
        for cluster, copying in self.copying.items():
            grant = {} if copying.grant is None else {"grant": copying.grant}
            parts.append(
                document("SnapshotCopy", cluster, provider="dw", cluster=cluster, to="dw-us", **grant)
                + f"  retention: {copying.days}d\n"
            )
        parts += [_table(name, one) for name, one in self.tables.items() if not one.hidden]
        return "".join(parts)

    def write(self, folder: Path) -> None:
        """Manifests and data files, as they are now."""
        target = folder / "manifests"
        target.mkdir(parents=True, exist_ok=True)
        for path, rows in self.files.items():
            content = "id,tail,delay\n" + "".join(f"{number},{tail},{delay}\n" for number, tail, delay in rows)
            if not (folder / path).exists() or (folder / path).read_text() != content:
                (folder / path).write_text(content)
        (target / "world.yaml").write_text(self.text())


@dataclass
class Known:
    """What must be found. ``snapshots`` are by uid, automated and forgotten ones and the sources of copies too, with
    whether they are plaintext; ``rotations`` count those of a cluster's uid or a key's name."""

    clusters: dict[str, Rows] = field(default_factory=dict)
    snapshots: dict[str, tuple[Rows, bool]] = field(default_factory=dict)
    tables: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)
    rotations: dict[str, int] = field(default_factory=dict)


def _lifecycle(is_protected: bool) -> str:
    return f"{{preventDestroy: {str(is_protected).lower()}}}"


def _key(name: str, key: Key) -> str:
    rotation = f"{{trigger: t{key.trigger}}}" if key.trigger else "{}"
    said = document(
        "Key",
        name,
        provider=key.provider,
        description=name,
        enabled=str(key.enabled).lower(),
        rotation=rotation,
        deletionWindow="7d",
        lifecycle=_lifecycle(key.protected),
    )
    if key.policy:
        statement = "{Effect: Allow, Principal: {AWS: 'arn:aws:iam::111122223333:root'}, Action: 'kms:*', "
        more = ("Describe", "Get", "List")[key.policy - 1]
        statement += (
            f"Resource: '*'}}, {{Effect: Allow, Principal: {{AWS: '{APP}'}}, Action: 'kms:{more}*', Resource: '*'}}"
        )
        document_text = f"{{Version: '2012-10-17', Statement: [{statement}]}}"
        said += document("KeyPolicy", name, provider=key.provider, key=name, document=document_text)
    if key.grant:
        said += document(
            "Grant",
            name,
            provider=key.provider,
            key=name,
            granteePrincipal=APP,
            operations=f"[{', '.join(key.grant)}]",
        )
    return said


def _cluster(name: str, one: Cluster) -> str:
    if one.root == PLAIN:
        encryption = "{enabled: false}"
    else:
        rotation = f", rotation: {{trigger: t{one.trigger}}}" if one.trigger else ""
        root = "owned: true" if one.root == OWNED else f"key: {one.root}"
        encryption = f"{{{root}{rotation}}}"
    mode = f", mode: {one.mode}" if one.mode else ""
    tables = ", ".join(f"{{name: {table}, load: [{', '.join(paths)}]{mode}}}" for table, paths in one.tables.items())
    said = {} if one.silent else {"encryption": encryption}
    return document(
        "Cluster",
        name,
        provider="dw",
        nodeType="ra3.large",
        nodes=one.nodes,
        tables=f"[{tables}]",
        lifecycle=_lifecycle(one.protected),
        **said,
    )


def _table(name: str, one: Table) -> str:
    kind = "{type: AWS_OWNED_KMS_KEY}" if one.root == OWNED else f"{{type: CUSTOMER_MANAGED_KMS_KEY, key: {one.root}}}"
    return document(
        "Table",
        name,
        provider="tb",
        keyspace="shop",
        schema=ORDERS,
        encryption=kind,
        lifecycle=_lifecycle(one.protected),
    )
