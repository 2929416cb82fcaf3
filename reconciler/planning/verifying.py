"""Proof by behaviour for everything that the state knows (CONTRACT 3, ``verify``). Reads only, takes no lock.

One resource at a time, by its own kind; then the files of the data services that nothing refers to; last our own: the
state and its journal, who may open the home, and that no key or sealed value stands in any of our files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from reconciler.audit.checked import CheckedAudit
from reconciler.envelope.data_key import DataKey
from reconciler.errors import ReconcilerError
from reconciler.host.below import Entry, below, directly_in
from reconciler.model.article import a
from reconciler.model.ports import Fs, Services
from reconciler.model.recorded import Recorded
from reconciler.planning.needles import Needles, search
from reconciler.providers.audit import KeepsAuditLog
from reconciler.providers.proofs import FILES, Check, Proof, ProvesWarehouse, failed, unchecked, unprotected
from reconciler.providers.typed import caller
from reconciler.resources import registry
from reconciler.resources.kind import VerifyInput
from reconciler.state.store import StateReader

Progress = Callable[[str, int | None, int | None], None]

PRIVATE: Final = "files and folders that only their owner may open"
AUDIT_RECORDS: Final = "audit records as they were written"
RECORDS: Final = "records of the state and its journal authentic"
_BULK: Final = frozenset({"data"})  # files of data are looked at by the service that wrote them
_PLACE: Final = 5  # parts of an ARN up to its account
_IS_KEY: Final = ":key/"


@dataclass(slots=True, kw_only=True)
class Watch:
    """``Witness`` for one run. ``keys`` are the ARNs of all recorded keys; ``tell`` hears how far it is."""

    is_full: bool = False
    keys: Sequence[str] = ()
    tell: Progress = lambda text, done, total: None
    needles: Needles = field(default_factory=Needles)
    clear: set[str] = field(default_factory=set)

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """See ``Witness.progress``."""
        self.tell(text, done, total)

    def opened(self, key: DataKey) -> None:
        """See ``Witness.opened``."""
        self.needles.add_key(key)

    def canary(self, value: bytes) -> None:
        """See ``Witness.canary``."""
        self.needles.add_canary(value)

    def in_clear(self, path: Path) -> None:
        """See ``Witness.in_clear``."""
        self.clear.add(str(path))

    def may_hold_values(self, path: Path) -> bool:
        """Whether values may lie in clear there: a file that a prover named, or SQLite's log of one."""
        return any(str(path).startswith(one) for one in self.clear)

    def other_keys(self, key_arn: str) -> Sequence[str]:
        """See ``Witness.other_keys``."""
        place = key_arn.split(":")[:_PLACE]
        return [arn for arn in self.keys if arn != key_arn and arn.split(":")[:_PLACE] == place]


def watch(rows: Iterable[Recorded], *, is_full: bool, tell: Progress) -> Watch:
    """A watch that knows the keys among ``rows``."""
    arns = {str(row.attributes.get("arn")) for row in rows if row.identity is not None}
    return Watch(is_full=is_full, keys=sorted(arn for arn in arns if _IS_KEY in arn), tell=tell)


def proofs_of(rows: Iterable[Recorded], services: Services, witness: Watch) -> Iterator[Proof]:
    """A proof for each recorded object. What was never made has nothing to prove."""
    for row in rows:
        if row.identity is not None:
            witness.progress(row.address)
            yield Proof(subject=row.address, checks=tuple(_checks(row, services, witness)))


def proofs_of_stores(rows: Iterable[Recorded], services: Services, witness: Watch) -> Iterator[Proof]:
    """A proof for each service that anything recorded lies in: of a data service, nothing in clear that nothing refers
    to; of a key service, every audit record as it was written (AU4)."""
    for name in sorted({row.provider for row in rows}):
        subject = f"Provider/{name}"
        try:
            provider = services.provider(name)
            found: tuple[Check, ...] = ()
            if isinstance(provider, KeepsAuditLog):
                found = (_proof_of_log(provider.check_audit_log()),)
            elif isinstance(provider, ProvesWarehouse):
                found = tuple(provider.prove_store(caller(services, name), witness))
        except ReconcilerError as error:
            found = (failed(FILES, error, "Make the provider reachable, then run `reconciler verify` again."),)
        if found:
            yield Proof(subject=subject, checks=found)


def _proof_of_log(checked: CheckedAudit) -> Check:
    if checked.broken is None:
        return Check(what=AUDIT_RECORDS, count=checked.records)
    return unprotected(
        AUDIT_RECORDS,
        f"the audit log is not what was written, from record {checked.broken.serial} on: {checked.broken.why}",
        "Keep the key store as it is, and compare it with a backup from before.",
    )


def proof_of_state(reader: StateReader) -> Proof:
    """Every row and the whole journal are what was written (I9)."""
    try:
        checked = reader.check()
    except ReconcilerError as error:
        words = error.summary if error.detail is None else f"{error.summary}: {error.detail}"
        broken = unprotected(RECORDS, words, error.suggestion or "Restore the state from a backup.")
        return Proof(subject="State", checks=(broken,))
    return Proof(subject="State", checks=(Check(what=RECORDS, count=sum(checked)),))


def proof_of_home(fs: Fs, home: Path, state: Path, project: Path, witness: Watch) -> Proof:
    """Nobody else may open what is in the home, and no file of ours holds a key or a value that was sealed: home, state
    and whatever lies directly in the project's folder (saved plans). The project's own files may hold values: that is
    where data come from."""
    checks: list[Check] = []
    private = searched = 0
    ours = directly_in(state.parent, beginning=state.name)
    everything = {entry.path: entry for entry in [*below(home, skip=_BULK), *ours]}
    for entry in everything.values():
        wrong = _exposed(entry)
        checks += [] if wrong is None else [wrong]
        private += wrong is None
    plans = [entry for entry in directly_in(project) if entry.path not in everything]
    for entry in [*everything.values(), *plans]:
        if entry.kind != "file":
            continue
        witness.progress(f"searching {entry.path.name}", searched, len(everything))
        try:
            values = entry.path in everything and not witness.may_hold_values(entry.path)
            for at, form in search(fs, entry.path, witness.needles, with_canaries=values):
                fix = "Find out what wrote it and rotate what it opens (`rotation.trigger`), then remove the file."
                checks.append(unprotected(FILES, f"{entry.path} holds {form}, at byte {at}", fix))
        except FileNotFoundError:
            continue
        except ReconcilerError as error:
            checks.append(failed(FILES, error, "Let whoever runs this read the file."))
            continue
        searched += 1
    held = [Check(what=PRIVATE, count=private), Check(what=FILES, count=searched)]
    return Proof(subject="Home", checks=(*held, *checks))


def _checks(row: Recorded, services: Services, witness: Watch) -> Iterator[Check]:
    kind = registry.kind(row.address.kind)
    given: VerifyInput[Any, Any] = VerifyInput(
        address=row.address,
        provider=row.provider,
        attributes=row.attributes,
        spec=None if row.spec is None else kind.spec.model_validate_json(row.spec),
        expected=None if row.observed is None else kind.observation.model_validate_json(row.observed),
    )
    what = "checks"
    if kind.verify is None:
        yield unchecked(what, f"{a(kind.name)} has no proof", "Its folder needs a verify.py (README, Adding a kind).")
        return
    try:
        for check in kind.verify(given, services, witness):
            what = check.what
            yield check
    except ReconcilerError as error:
        yield failed(what, error, "Make the provider reachable, then run `reconciler verify` again.")
    except KeyError as error:
        yield unchecked(
            what,
            f"the state records nothing of {error.args[0]}, to which {row.address} refers",
            "Run `reconciler plan`: it says what is missing.",
        )


def _exposed(entry: Entry) -> Check | None:
    if entry.kind == "other":
        return unprotected(PRIVATE, f"{entry.path} is neither a file nor a folder", "Find out who put it there.")
    if entry.mode & 0o077:
        right = "700" if entry.kind == "folder" else "600"
        return unprotected(
            PRIVATE,
            f"others may open {entry.path}: its mode is {entry.mode:04o}",
            f"chmod {right} {entry.path}",
        )
    return None
