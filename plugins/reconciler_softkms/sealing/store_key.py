"""The store key: under it all key material is sealed, and what the store says of itself is proved."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.model.ports import Random


@dataclass(frozen=True, slots=True)
class StoreKey:
    """``key`` is what key material is sealed under; whoever puts something under it is also asked when it is made anew
    (``renewal``). ``proofs`` proves what is not secret (records, marks, grant tokens), and is carried along: what was
    proved, written down elsewhere or handed out stays good. ``generation`` counts the changes of the seal."""

    generation: int
    key: DataKey
    proofs: DataKey

    @classmethod
    def generate(cls, random: Random) -> StoreKey:
        """That of a new store."""
        return cls(1, DataKey.generate(random), DataKey.generate(random))

    def following(self, random: Random | None) -> StoreKey:
        """That of the next generation: with ``random`` a new key, else the same one under another seal."""
        key = DataKey(self.key.expose_key_bytes()) if random is None else DataKey(random.bytes(KEY_BYTES))
        return StoreKey(self.generation + 1, key, DataKey(self.proofs.expose_key_bytes()))

    def same_keys(self, other: StoreKey) -> bool:
        """Whether both would seal and prove the same."""
        return self.key == other.key and self.proofs == other.proofs

    def wipe(self) -> None:
        """Overwrite what is in memory."""
        self.key.wipe()
        self.proofs.wipe()
