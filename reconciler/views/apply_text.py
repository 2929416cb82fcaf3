"""Apply for people: a line when an operation starts, a line when a step is done, a sign of life from long ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatchmethod
from threading import Lock

from reconciler.model import event as events
from reconciler.model.address import Address
from reconciler.views.diagnostics_text import ReadLine, render_diagnostic
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text, seconds_text
from reconciler.views.safe_text import clean

_QUIET = 10.0  # seconds after which a running step is mentioned again


@dataclass(slots=True)
class _Running:
    """A step between its start and its end. ``said`` is when it was last mentioned."""

    title: str
    started: float
    said: float
    progress: str = ""


class ApplyText:
    """Writes plain lines, each naming its resource, since steps of several run side by side.

    May be called from several threads. ``monotonic`` gives seconds; ``still_running`` is to be called now and then
    (``host.pulse``), for steps that report nothing themselves.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        colour: bool,
        monotonic: Callable[[], float],
        source: ReadLine | None = None,
    ) -> None:
        self._write = write
        self._colour = colour
        self._ink = Ink(colour=colour)
        self._monotonic = monotonic
        self._source = source
        self._lock = Lock()
        self._running: dict[tuple[Address, str], _Running] = {}
        self._tell_of = self._tell  # bound once: every look-up of it makes another wrapper

    def __call__(self, event: events.Event) -> None:
        """Write what the event has to say, if anything."""
        with self._lock:
            self._tell_of(event)

    def still_running(self) -> None:
        """Mention every step of which nothing was heard for ten seconds."""
        with self._lock:
            for (address, _), step in self._running.items():
                self._mention(address, step)

    @singledispatchmethod
    def _tell(self, event: events.Event) -> None:
        """Nothing: an event of a later version that this view has no words for."""

    @_tell.register
    def _(self, event: events.ApplyStarted) -> None:
        if event.operations:
            self._line(f"Applying {count_text(event.operations, 'operation')} in {count_text(event.steps, 'step')}.")

    @_tell.register
    def _(self, event: events.Resumed) -> None:
        self._line(f"{_name(event.address)}: taken up again at {clean(event.step)}: {clean(event.resolution)}")

    @_tell.register
    def _(self, event: events.OperationStarted) -> None:
        self._line(f"{_name(event.address)}: {self._ink.bold(clean(event.verb))} … ({clean(event.reason)})")

    @_tell.register
    def _(self, event: events.StepStarted) -> None:
        now = self._monotonic()
        place = f"{event.number}/{event.of} " if event.number and event.of else ""
        self._running[event.address, event.step] = _Running(f"{place}{clean(event.summary)}", now, now)

    @_tell.register
    def _(self, event: events.StepProgress) -> None:
        step = self._running.get((event.address, event.step))
        if step is not None:
            step.progress = _progress_text(event)
            self._mention(event.address, step)

    @_tell.register
    def _(self, event: events.StepFinished) -> None:
        step = self._running.pop((event.address, event.step), None)
        title = step.title if step is not None else clean(event.step)
        done = self._ink.green("done")
        self._line(f"{_name(event.address)}: {title} … {done} ({seconds_text(event.seconds)})")

    @_tell.register
    def _(self, event: events.OperationFailed) -> None:
        self._forget(event.address)
        self._line(f"{_name(event.address)}: {clean(event.verb)} {self._ink.red('failed')}")
        for diagnostic in event.diagnostics:
            self._write(render_diagnostic(diagnostic, colour=self._colour, source=self._source))

    @_tell.register
    def _(self, event: events.OperationSkipped) -> None:
        skipped = self._ink.yellow("skipped")
        self._line(f"{_name(event.address)}: {clean(event.verb)} {skipped}: {clean(event.because)}")

    @_tell.register
    def _(self, event: events.ApplyFinished) -> None:
        self._line("")
        self._line(self._ink.bold(apply_line(event)))

    def _mention(self, address: Address, step: _Running) -> None:
        now = self._monotonic()
        if now - step.said < _QUIET:
            return
        step.said = now
        told = f"{step.progress}, " if step.progress else ""
        self._line(f"{_name(address)}: {step.title} … still running ({told}{seconds_text(now - step.started)})")

    def _forget(self, address: Address) -> None:
        for key in [key for key in self._running if key[0] == address]:
            del self._running[key]

    def _line(self, text: str) -> None:
        self._write(text + "\n")


def apply_line(event: events.ApplyFinished) -> str:
    """The last line: ``Apply complete: 12 operations done, 0 failed, 0 skipped (serial 34).``"""
    counts = (
        f"{count_text(event.done, 'operation')} done, {event.failed:,} failed, {event.skipped:,} skipped"
        f" (serial {event.serial})"
    )
    if event.failed or event.skipped:
        return f"Apply incomplete: {counts}. The next apply takes it up."
    return f"Apply complete: {counts}."


def _name(address: Address) -> str:
    return clean(address)


def _progress_text(event: events.StepProgress) -> str:
    text = clean(event.text)
    if event.done is None:
        return text
    if not event.total:
        return f"{text} {event.done:,}"
    return f"{text} {event.done:,} of {event.total:,}, {100 * event.done // event.total} %"
