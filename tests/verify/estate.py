"""A small estate with one object of every kind, applied for real, and how ``verify`` is asked about it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.access.caller import Caller
from reconciler.commands.session import Session
from reconciler.planning.verifying import (
    Watch,
    proof_of_home,
    proof_of_state,
    proofs_of,
    proofs_of_stores,
    watch,
)
from reconciler.providers.proofs import Check, Proof, Result
from reconciler.providers.typed import caller, table_provider
from tests.world import World, document, provider

PLATFORM = "arn:aws:iam::111122223333:role/platform"
SOMEBODY = "arn:aws:iam::111122223333:role/analyst"
CANARY = "CANARY-VALUE-0123456789-abcdefghijklmnopqrstuvwxyz"
POLICY = (
    '{Version: "2012-10-17", Statement: ['
    '{Sid: all, Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:root"}, Action: "kms:*", Resource: "*"}, '
    f'{{Sid: read, Effect: Allow, Principal: {{AWS: "{SOMEBODY}"}}, Action: [kms:DescribeKey], Resource: "*"}}]}}'
)
SCHEMA = "{columns: [{name: id, type: text}, {name: note, type: text}], partitionKey: [id]}"
MANIFESTS = "".join(
    (
        *(provider(), provider("kms-us", region="us-east-1"), provider("dwh", "warehouse")),
        *(provider("dwh-us", "warehouse", "us-east-1"), provider("tables", "tables")),
        *(document("Key", "root"), document("Key", "next"), document("Key", "off", enabled="false")),
        *(document("Key", "abroad", provider="kms-us"), document("Alias", "name", key="root")),
        document("KeyPolicy", "root", key="root", document=POLICY),
        document("Grant", "job", key="root", granteePrincipal=SOMEBODY, operations="[Decrypt]"),
        document("Grant", "bound", key="root", granteePrincipal=SOMEBODY, operations="[Encrypt]",
                 constraints="{encryptionContextSubset: {a: b}}"),
        document("Cluster", "sales", provider="dwh", encryption="{key: root}",
                 tables="[{name: orders, load: [data/orders.csv]}]"),
        document("Snapshot", "first", provider="dwh", cluster="sales"),
        document("SnapshotCopyGrant", "inbound", provider="dwh-us", key="abroad"),
        document("SnapshotCopy", "copy", provider="dwh", cluster="sales", to="dwh-us", grant="inbound"),
        document("Keyspace", "shop", provider="tables"),
        document("Table", "carts", provider="tables", keyspace="shop", schema=SCHEMA,
                 encryption="{type: CUSTOMER_MANAGED_KMS_KEY, key: root}"),
    )
)  # fmt: skip


@dataclass
class Estate:
    """The project in ``folder``, applied."""

    world: World

    @classmethod
    def apply(cls, folder: Path) -> Estate:
        """A new one."""
        made = cls(World(folder))
        (folder / "data").mkdir(parents=True)
        rows = "".join(f"{number},{CANARY}-{number:04d}\n" for number in range(2000))
        (folder / "data" / "orders.csv").write_text("id,note\n" + rows)
        made.world.declare(MANIFESTS)
        made.world.apply()
        with made.world.session() as session:
            row = {"id": f"{CANARY}-customer", "note": f"{CANARY}-note"}
            table_provider(session, "tables").put_rows(caller(session, "tables"), "shop", "carts", [row])
        return made

    @property
    def home(self) -> Path:
        """Where keys and data are."""
        return self.world.folder / ".reconciler"

    def prove(self, session: Session, witness: Watch | None = None) -> list[Proof]:
        """What ``reconciler verify`` reports."""
        rows = session.reader.all()
        witness = witness or watch(rows, is_full=False, tell=lambda text, done, total: None)
        found = [*proofs_of(rows, session, witness), *proofs_of_stores(rows, session, witness)]
        project = session.settings
        found.append(proof_of_state(session.reader))
        found.append(proof_of_home(session.fs, project.home, project.state_path, project.directory, witness))
        return found

    def failures(self) -> dict[str, list[Check]]:
        """By subject, what does not hold."""
        with self.world.session() as session:
            proofs = self.prove(session)
        return {
            proof.subject: [check for check in proof.checks if check.result is not Result.PROVED]
            for proof in proofs
            if proof.result is not Result.PROVED
        }

    def keys_opened(self) -> list[bytes]:
        """The keys that verify itself opens, for a test that plants one."""
        with self.world.session() as session:
            rows = session.reader.all()
            witness = watch(rows, is_full=False, tell=lambda text, done, total: None)
            self.prove(session, witness)
            found = [bytes(key.expose_key_bytes()) for key in witness.needles.keys]
            witness.needles.wipe()
        return found


def who(session: Session, name: str) -> Caller:
    """Who calls through that provider."""
    with suppress(KeyError):
        return caller(session, name)
    raise AssertionError(name)
