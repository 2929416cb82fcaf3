"""Where a walk of the operation graph has got to: what may begin, what runs, what still waits.

Threads share it. Whoever ends an operation takes the next one itself: handing each over to another thread, and its
answer back, would cost more than a short step does.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.graph.operations import Node, OperationGraph


class Course:
    """A walk of ``graph``, whose edges lead to what waits. Nothing new is given out once ``stop`` is set."""

    def __init__(self, graph: OperationGraph, stop: threading.Event) -> None:
        self._graph = graph
        self._stop = stop
        self._turn = threading.Condition()
        self._waiting = {node: graph.in_degree(node) for node in graph.nodes}
        self._ready = sorted(node for node, count in self._waiting.items() if count == 0)
        self._running = 0
        self._is_over = False

    def take(self) -> Node | None:
        """The next operation, once there is one; None when there will be none."""
        with self._turn:
            while True:
                if self._is_over or self._stop.is_set():
                    return None
                if self._ready:
                    self._running += 1
                    return self._ready.pop(0)
                if not self._running:
                    return None
                self._turn.wait()

    def done(self, node: Node) -> None:
        """What waited for it alone may begin."""
        with self._turn:
            del self._waiting[node]
            for later in sorted(self._graph.successors(node)):
                if later in self._waiting:
                    self._waiting[later] -= 1
                    if self._waiting[later] == 0:
                        self._ready.append(later)
            self._ended()

    def failed(self, node: Node) -> Sequence[Node]:
        """Whatever depends on it never begins: what that is."""
        import networkx as nx

        with self._turn:
            del self._waiting[node]
            skipped = [later for later in sorted(nx.descendants(self._graph, node)) if later in self._waiting]
            for later in skipped:
                del self._waiting[later]
            self._ended()
            return skipped

    def give_up(self) -> None:
        """Nothing more is given out: something went wrong that is no failure of an operation."""
        with self._turn:
            self._is_over = True
            self._turn.notify_all()

    def left(self) -> Sequence[Node]:
        """What was neither done nor failed nor skipped."""
        with self._turn:
            return sorted(self._waiting)

    def _ended(self) -> None:
        self._running -= 1
        # One goes on with what may begin; only more than that, or the end, is worth waking the others for.
        if len(self._ready) > 1 or not self._running:
            self._turn.notify_all()
