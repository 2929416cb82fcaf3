"""A saved plan: what was reviewed, bound to the state and manifests that it was made from (I12).

Two lines of JSON: a header with the MAC, and the body that the MAC covers. Nothing of the body is parsed before its MAC
is right. The body is for people and for comparison: ``apply FILE`` plans again under the lock and goes on only if the
digest is the same (DESIGN 4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from reconciler.errors import NewerFormat, StalePlan, UsageError
from reconciler.host.below import below
from reconciler.host.durable import read, replace
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs, Mac, Random

VALID_FOR: Final = timedelta(hours=24)
FORMAT: Final = 1
LARGEST: Final = 1 << 30  # bytes; a plan of 100,000 changes has about a tenth of that

_KIND: Final = "reconciler-plan"
_LONGEST_HEADER: Final = 1024
_AGAIN: Final = "Plan again: reconciler plan --out FILE."


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """``document`` is the plan's JSON (CONTRACT 4), ``text`` and ``markdown`` the plan as it was shown; the rest is
    what ``apply`` compares. ``selection`` are the flags that narrowed it, ``plan_digest`` is SHA-256 (hex) of what
    would be done, ``world_digest`` that of what was observed, ``versions`` those of the tool and of the plugins, by
    name. Times are aware."""

    plan_id: str
    lineage: str
    serial: int
    manifests_digest: str
    plan_digest: str
    world_digest: str
    created_at: datetime
    expires_at: datetime
    versions: Mapping[str, str] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    markdown: str = ""

    def check(
        self, *, lineage: str, serial: int, manifests_digest: str, versions: Mapping[str, str], now: datetime
    ) -> None:
        """StalePlan, saying which, when the plan expired, or is another state's, or the state, the manifests or what
        carries it out went on since. Ask under the lock; whether it was used is the state's to say
        (``mark_plan_used``)."""
        if lineage != self.lineage:
            raise self._stale(
                "is another state's",
                f"It was made for the state of lineage {self.lineage or '(none yet)'}; this one's is {lineage}.",
            )
        if now >= self.expires_at:
            raise self._stale("has expired", f"It was valid until {self.expires_at.isoformat()}.")
        if dict(versions) != dict(self.versions):
            raise self._stale("is stale: it was made with other versions", _differences(self.versions, versions))
        if serial != self.serial:
            raise self._stale(
                "is stale: the state went on", f"It was made at serial {self.serial}; the state is at {serial}."
            )
        if manifests_digest != self.manifests_digest:
            raise self._stale("is stale: the manifests changed", "They are not those that the plan was made from.")

    def check_world(self, world_digest: str, plan_digest: str) -> None:
        """StalePlan when the providers report something else than they did, or planning again came to something else:
        time passed, or data were written."""
        if world_digest != self.world_digest:
            raise self._stale("is stale: the world changed", "What the providers report is not what it was made from.")
        if plan_digest != self.plan_digest:
            raise self._stale(
                "is stale: planning again gives another plan",
                "Something became due since it was made, or what it costs or takes along changed.",
            )

    def _stale(self, what: str, detail: str) -> StalePlan:
        return StalePlan(f"The saved plan {self.plan_id} {what}", detail=detail, suggestion=_AGAIN)


def write_plan(fs: Fs, random: Random, mac: Mac, path: Path, plan: SavedPlan) -> None:
    """Save ``plan`` at ``path`` (0600), whole or not at all; it replaces another plan, and nothing else. UsageError,
    HostError."""
    _refuse_to_replace(fs, path)
    fields = {
        "planId": plan.plan_id,
        "lineage": plan.lineage,
        "serial": plan.serial,
        "manifestsDigest": plan.manifests_digest,
        "planDigest": plan.plan_digest,
        "worldDigest": plan.world_digest,
        "versions": dict(plan.versions),
        "createdAt": plan.created_at.isoformat(),
        "expiresAt": plan.expires_at.isoformat(),
        "selection": dict(plan.selection),
        "plan": dict(plan.document),
        "text": plan.text,
        "markdown": plan.markdown,
    }
    body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    header = {
        "kind": _KIND,
        "formatVersion": FORMAT,
        "bytes": len(body),
        "seal": _fingerprint(mac),
        "mac": mac.tag(_purpose(FORMAT), body).hex(),
    }
    try:
        replace(fs, path, json.dumps(header).encode() + b"\n" + body + b"\n", random)
    except OSError as error:
        raise explain_os_error(error, path, "plan file") from error


def _refuse_to_replace(fs: Fs, path: Path) -> None:
    """A name typed wrongly must not cost a manifest, the state, or the seal of a key store."""
    found = next(below(path, skip=frozenset({path.name})), None)
    if found is None or (found.kind == "file" and (found.size == 0 or _begins_like_a_plan(fs, path))):
        return
    raise UsageError(
        f"There is something else at {path} already, and it is no plan; nothing was written",
        suggestion="Give --out a name that is free, or that of a plan.",
    )


def _begins_like_a_plan(fs: Fs, path: Path) -> bool:
    start = bytearray(_LONGEST_HEADER)
    try:
        handle = fs.open(path)
        try:
            count = fs.read_into(handle, memoryview(start), 0)
        finally:
            fs.close(handle)
    except OSError as error:
        raise explain_os_error(error, path, "plan file") from error
    return bytes(start[:count]).startswith(json.dumps({"kind": _KIND}).encode()[:-1])


def read_plan(fs: Fs, mac: Mac, path: Path) -> SavedPlan:
    """The plan at ``path``, certainly the one that was written. StalePlan says whether it is no plan, truncated, of
    another project, or changed; NewerFormat; UsageError when there is no such file."""
    header, body = _split(_content(fs, path), path)
    version = header.get("formatVersion")
    if isinstance(version, int) and version > FORMAT:
        raise NewerFormat(
            f"The plan file {path} has format {version}; this version of reconciler knows up to {FORMAT}",
            suggestion="Apply it with the version that wrote it, or plan again: reconciler plan --out FILE.",
        )
    length = header.get("bytes")
    if isinstance(length, int) and len(body) < length + 1:
        raise _refused(path, "is truncated", f"Of its {length} bytes and the line's end there are {len(body)}.")
    if header.get("seal") != _fingerprint(mac):
        raise _refused(path, "is another project's", "It was not sealed with the seal of this project's home.")
    if not body.endswith(b"\n") or not _is_authentic(mac, header, body[:-1]):
        raise _refused(path, "was changed after it was written", "Its MAC does not fit its content.")
    fields = json.loads(body[:-1])
    return SavedPlan(
        plan_id=fields["planId"],
        lineage=fields["lineage"],
        serial=fields["serial"],
        manifests_digest=fields["manifestsDigest"],
        plan_digest=fields["planDigest"],
        world_digest=fields["worldDigest"],
        versions=fields["versions"],
        created_at=datetime.fromisoformat(fields["createdAt"]),
        expires_at=datetime.fromisoformat(fields["expiresAt"]),
        selection=fields["selection"],
        document=fields["plan"],
        text=fields["text"],
        markdown=fields["markdown"],
    )


def _differences(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Which versions differ, in words."""
    names = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return "; ".join(f"{name} was {then.get(name, 'absent')}, is {now.get(name, 'absent')}" for name in names) + "."


def _content(fs: Fs, path: Path) -> bytes:
    try:
        if fs.size(path) > LARGEST:
            raise _refused(path, "is no plan", f"It has more than {LARGEST} bytes.")
        return read(fs, path)
    except FileNotFoundError:
        raise UsageError(
            f"There is no plan file {path}", suggestion="Write one with reconciler plan --out FILE, or name another."
        ) from None
    except OSError as error:
        raise explain_os_error(error, path, "plan file") from error


def _split(content: bytes, path: Path) -> tuple[dict[str, Any], bytes]:
    line, _, body = content.partition(b"\n")
    header = None
    if len(line) <= _LONGEST_HEADER:
        try:
            header = json.loads(line)
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict) or header.get("kind") != _KIND:
        raise _refused(path, "is no plan of reconciler", "Its first line is not a plan's.")
    if json.dumps(header).encode() != line:  # only what write_plan writes, to the byte
        raise _refused(path, "was changed after it was written", "Its first line is not as it was.")
    return header, body


def _is_authentic(mac: Mac, header: Mapping[str, Any], body: bytes) -> bool:
    tag = header.get("mac")
    if header.get("formatVersion") != FORMAT or not isinstance(tag, str) or header.get("bytes") != len(body):
        return False
    try:
        claimed = bytes.fromhex(tag)
    except ValueError:
        return False
    return claimed.hex() == tag and mac.verify(_purpose(FORMAT), body, claimed)


def _purpose(version: int) -> str:
    return f"plan file {version}"


def _fingerprint(mac: Mac) -> str:
    """Names the seal without showing it, so that a foreign plan is told from a forged one."""
    return mac.tag("seal fingerprint", b"").hex()[:16]


def _refused(path: Path, what: str, detail: str) -> StalePlan:
    return StalePlan(f"The plan file {path} {what}", detail=detail, suggestion=_AGAIN, file=str(path))
