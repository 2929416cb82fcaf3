"""Group commit: what several threads want to write at the same time becomes durable in one transaction.

Each still waits until its own is durable; a commit is what a step's record costs most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")  # what a transaction gives to those who write in it
_NOTHING: Final = object()


class Together(Generic[T]):
    """Whoever gets its turn carries out what all wait for. ``turn`` is held meanwhile; ``transaction`` gives one that
    is durable when it ends without an error, and leaves nothing otherwise."""

    def __init__(self, turn: AbstractContextManager[Any], transaction: Callable[[], AbstractContextManager[T]]) -> None:
        self._turn = turn
        self._transaction = transaction
        self._adding = threading.Lock()
        self._waiting: list[_Wish[T]] = []

    def write(self, work: Callable[[T], Any]) -> Any:
        """What ``work`` answers, once that is durable; or its error, or the transaction's. ``work`` that refuses what
        it is asked raises ValueError before it wrote anything: the others of its transaction do not suffer."""
        mine: _Wish[T] = _Wish(work)
        with self._adding:
            self._waiting.append(mine)
        with self._turn:
            if not mine.is_over:
                with self._adding:
                    wishes, self._waiting = self._waiting, []
                self._carry_out(wishes)
        if mine.error is not None:
            raise mine.error
        return mine.answer

    def _carry_out(self, wishes: Sequence[_Wish[T]]) -> None:
        answers: list[tuple[Any, ValueError | None]] = []
        try:
            with self._transaction() as given:
                for wish in wishes:
                    try:
                        answers.append((wish.work(given), None))
                    except ValueError as error:
                        answers.append((None, error))
        except BaseException as failure:
            # Never tried again: after an error of the disk nobody knows what lies there (C3).
            for wish in wishes:
                wish.error = failure
            if not isinstance(failure, Exception):
                raise
            return
        for wish, (answer, refusal) in zip(wishes, answers, strict=True):
            wish.answer, wish.error = answer, refusal


class _Wish(Generic[T]):
    """One caller's work, and how it ended."""

    def __init__(self, work: Callable[[T], Any]) -> None:
        self.work = work
        self.answer: Any = _NOTHING
        self.error: BaseException | None = None

    @property
    def is_over(self) -> bool:
        """Whether somebody carried it out."""
        return self.error is not None or self.answer is not _NOTHING
