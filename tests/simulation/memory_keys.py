"""A key service in memory: keys, their names, rotation, and windows of deletion that end by the clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, DisabledException, KMSInvalidStateException, NotFoundException
from reconciler.model.ports import Clock
from reconciler.providers.keys import AliasDescription, KeyDescription, KeyRequest, KeyState
from tests.resources.in_memory import ACCOUNT


@dataclass
class MemoryKeys:
    """One account and Region. ``on_destruction`` is told the ARN of each key as its material goes."""

    clock: Clock
    on_destruction: Callable[[str], None]
    region: str = "eu-west-1"
    account: str = ACCOUNT
    keys: dict[str, KeyDescription] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    rotations: dict[str, str] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def create_key(self, caller: Caller, request: KeyRequest, *, token: str) -> KeyDescription:
        if token not in self.tokens:
            key_id = f"{next(self.numbers):08x}-0000-4000-8000-000000000000"
            self.tokens[token] = key_id
            self.keys[key_id] = KeyDescription(
                key_id=key_id,
                arn=f"arn:aws:kms:{self.region}:{self.account}:key/{key_id}",
                account=self.account,
                region=self.region,
                description=request.description,
                key_spec=request.key_spec,
                key_usage=request.key_usage,
                state=KeyState.ENABLED,
                multi_region=request.multi_region,
                created_at=self.clock.now(),
                material_id=f"material-{next(self.numbers)}",
                rotated_at=self.clock.now(),
                tags=dict(request.tags),
            )
        return self._of(self.tokens[token])

    def find_key(self, caller: Caller, *, token: str) -> KeyDescription | None:
        return self.keys.get(self.tokens.get(token, ""))

    def describe_keys(self, caller: Caller, key_ids: Sequence[str]) -> dict[str, KeyDescription]:
        return {asked: self.keys[self._id(asked)] for asked in key_ids if self._id(asked) in self.keys}

    def list_keys(self, caller: Caller) -> list[KeyDescription]:
        return [key for _, key in sorted(self.keys.items())]

    def update_key_description(self, caller: Caller, key_id: str, description: str) -> None:
        self._change(key_id, description=description)

    def enable_key(self, caller: Caller, key_id: str) -> None:
        self._refuse_pending(key_id)
        self._change(key_id, state=KeyState.ENABLED)

    def disable_key(self, caller: Caller, key_id: str) -> None:
        self._refuse_pending(key_id)
        self._change(key_id, state=KeyState.DISABLED)

    def schedule_key_deletion(self, caller: Caller, key_id: str, *, waiting_days: int) -> datetime:
        found = self._of(key_id)
        if found.deletion_date is not None:
            return found.deletion_date
        date = self.clock.now() + timedelta(days=waiting_days)
        self._change(key_id, state=KeyState.PENDING_DELETION, deletion_date=date)
        return date

    def cancel_key_deletion(self, caller: Caller, key_id: str) -> None:
        if self._of(key_id).state is KeyState.PENDING_DELETION:
            self._change(key_id, state=KeyState.DISABLED, deletion_date=None)

    def tag_resource(self, caller: Caller, key_id: str, tags: Mapping[str, str]) -> None:
        self._change(key_id, tags={**self._of(key_id).tags, **tags})

    def untag_resource(self, caller: Caller, key_id: str, tag_keys: Sequence[str]) -> None:
        self._change(key_id, tags={k: v for k, v in self._of(key_id).tags.items() if k not in tag_keys})

    def rotate_key(self, caller: Caller, key_id: str, *, token: str) -> str:
        self.require_usable(self._of(key_id).arn)
        if token not in self.rotations:
            self.rotations[token] = f"material-{next(self.numbers)}"
            self._change(key_id, material_id=self.rotations[token], rotated_at=self.clock.now())
        return self.rotations[token]

    def enable_key_rotation(self, caller: Caller, key_id: str, *, period_days: int) -> None:
        self._change(key_id, rotation_period_days=period_days)

    def disable_key_rotation(self, caller: Caller, key_id: str) -> None:
        self._change(key_id, rotation_period_days=None)

    def create_alias(self, caller: Caller, name: str, key_id: str) -> AliasDescription:
        key = self._of(key_id).key_id
        if self.aliases.setdefault(name, key) != key:
            raise AlreadyExistsException(f"{name} names another key")
        return self._alias(name)

    def update_alias(self, caller: Caller, name: str, key_id: str) -> None:
        if name not in self.aliases:
            raise NotFoundException(f"there is no {name}")
        self.aliases[name] = self._of(key_id).key_id

    def delete_alias(self, caller: Caller, name: str) -> None:
        self.aliases.pop(name, None)

    def list_aliases(self, caller: Caller, names: Collection[str] | None = None) -> list[AliasDescription]:
        return [self._alias(name) for name in sorted(self.aliases) if names is None or name in names]

    def require_usable(self, arn: str) -> None:
        """What wrapping and opening ask; a key that is disabled or waits for its end is used by nobody."""
        found = self._of(arn)
        if found.state is KeyState.DISABLED:
            raise DisabledException(f"{arn} is disabled")
        if found.state is not KeyState.ENABLED:
            raise KMSInvalidStateException(f"{arn} is {found.state}")

    def end_windows(self) -> None:
        """Destroy the keys whose window is over."""
        now = self.clock.now()
        for key in list(self.keys.values()):
            if key.deletion_date is not None and key.deletion_date <= now:
                del self.keys[key.key_id]
                self.aliases = {name: target for name, target in self.aliases.items() if target != key.key_id}
                self.on_destruction(key.arn)

    def _id(self, asked: str) -> str:
        return asked.rpartition("/")[2]

    def _of(self, asked: str) -> KeyDescription:
        found = self.keys.get(self._id(asked))
        if found is None:
            raise NotFoundException(f"there is no key {asked}")
        return found

    def _change(self, asked: str, **fields: object) -> None:
        found = self._of(asked)
        self.keys[found.key_id] = replace(found, **fields)  # type: ignore[arg-type]  # its own fields

    def _refuse_pending(self, asked: str) -> None:
        if self._of(asked).state is KeyState.PENDING_DELETION:
            raise KMSInvalidStateException(f"{asked} waits for its end")

    def _alias(self, name: str) -> AliasDescription:
        arn = f"arn:aws:kms:{self.region}:{self.account}:{name}"
        return AliasDescription(name=name, arn=arn, target_key_id=self.aliases[name])
