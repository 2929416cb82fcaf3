"""No name or value acts on the terminal or the page that shows it."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Diagnostic
from reconciler.model.address import Address
from reconciler.model.change import Action, Block, Change, DiffEntry, Operation, Step, Verb
from reconciler.model.event import (
    ApplyStarted,
    Event,
    OperationFailed,
    OperationSkipped,
    OperationStarted,
    Resumed,
    StepFinished,
    StepProgress,
    StepStarted,
)
from reconciler.model.plan import Finding
from reconciler.providers.data import QueryResult
from reconciler.views.apply_json import ApplyJson
from reconciler.views.apply_text import ApplyText
from reconciler.views.diagnostics_text import render_diagnostic
from reconciler.views.drift_markdown import render_drift_markdown
from reconciler.views.drift_text import render_drift
from reconciler.views.graph_dot import render_dot
from reconciler.views.graph_mermaid import render_mermaid
from reconciler.views.json_text import render_json
from reconciler.views.markdown_text import code_span
from reconciler.views.plan_json import plan_document
from reconciler.views.plan_markdown import render_plan_markdown
from reconciler.views.plan_text import render_plan
from reconciler.views.result_table import render_result_table
from reconciler.views.safe_text import clean, clean_json
from reconciler.views.state_text import render_resource
from reconciler.views.version_text import render_version
from tests.views import sample_plans as samples

BIDI_CLASSES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
EVIL = "a\x1b[2J\x07\x9b31m\u202eb\u2066\u200f\ud800\u2028\r\n\t\x7f\U000e0041`|</details>@all"


def acts(text: str) -> set[str]:
    """The characters of ``text`` that drive a terminal, turn a line round or break it; line feeds are ours."""
    return {
        character
        for character in text
        if character != "\n"
        and (
            unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
            or unicodedata.bidirectional(character) in BIDI_CLASSES
            or character in "\u200e\u200f\u061c"
        )
    }


def views_of(text: str) -> dict[str, str]:
    """``text`` as name and value wherever a view takes one."""
    address = Address(f"Key/{text}")
    change = Change(
        address=address,
        action=Action.UPDATE,
        operations=(Operation(verb=Verb.DECRYPT, reason=text, steps=(Step(id=text, summary=text),)),),
        diff=(
            DiffEntry(path=text, before=text, after=[text]),
            DiffEntry(path="long", before=text * 40, after={text: text * 20}),
        ),
        blocked=(Block(guard=text, reason=text, way_out=(text,)),),
    )
    finding = Finding(
        address=address, drift_class="key-disabled", path=text, expected=text, observed={text: text}, fix=text
    )
    diagnostic = Diagnostic(
        code="x", summary=text, detail=text, file=text, line=1, column=2, path=text, suggestion=text, address=address
    )
    plan = replace(samples.EMPTY, changes=(change,), drift=(finding,), warnings=(diagnostic,))
    row = replace(
        samples.ROWS[0], address=address, provider=text, uid=text, attributes={text: text}, references=(address,)
    )
    return {
        "plan": render_plan(plan, colour=False),
        "plan markdown": render_plan_markdown(plan),
        "plan json": render_json(plan_document(plan)),
        "drift": render_drift([finding], colour=False),
        "drift markdown": render_drift_markdown([finding]),
        "diagnostic": render_diagnostic(diagnostic, colour=False, source=lambda file, line: text),
        "state": render_resource(row, colour=False),
        "dot": render_dot([address], [(address, address)]),
        "mermaid": render_mermaid([address], [(address, address)]),
        "table": render_result_table(QueryResult(columns=(text,), rows=[(text,), ([text],)])),
        "version": render_version(text, python=text, platform=text, plugins={text: text}),
        **apply_views(address, text, diagnostic),
    }


def apply_views(address: Address, text: str, diagnostic: Diagnostic) -> dict[str, str]:
    out: list[str] = []
    events: list[Event] = [
        ApplyStarted(plan_id=text, operations=1, steps=1),
        Resumed(address=address, step=text, resolution=text),
        OperationStarted(address=address, verb=text, reason=text),
        StepStarted(address=address, step=text, summary=text),
        StepProgress(address=address, step=text, text=text, done=1, total=2),
        StepFinished(address=address, step=text, serial=1, seconds=0.1),
        OperationFailed(address=address, verb=text, diagnostics=(diagnostic,)),
        OperationSkipped(address=address, verb=text, because=text),
    ]
    ticks = iter(range(0, 1000, 20))
    human = ApplyText(out.append, colour=False, monotonic=lambda: next(ticks))
    lines: list[str] = []
    for event in events:
        human(event)
        ApplyJson(lines.append)(event)
    return {"apply": "".join(out), "apply json": "".join(lines)}


@pytest.mark.parametrize("view", views_of(EVIL))
def test_nothing_from_outside_acts_on_the_terminal(view: str) -> None:
    assert acts(views_of(EVIL)[view]) == set()


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_never_acts(text: str) -> None:
    assert acts(clean(text)) == set()
    assert "\n" not in clean(text)
    clean(text).encode()


@given(st.dictionaries(st.text(), st.text()))
def test_cleaned_json_is_the_same_document(document: dict[str, str]) -> None:
    text = render_json(document)
    assert acts(text) == set()
    assert json.loads(text) == document


def test_harmless_text_stays_as_it_is() -> None:
    text = "Bücher → 東京 🔑 café"
    assert clean(text) == text
    assert clean_json(f'"{text}"') == f'"{text}"'


@given(st.text(st.sampled_from("`|a \n")))
def test_no_text_ends_its_code_span(text: str) -> None:
    span = code_span(text)
    ticks = re.match("`+", span)
    assert ticks is not None
    inside = span[len(ticks[0]) : -len(ticks[0])]
    assert span.endswith(ticks[0])
    assert ticks[0] not in re.findall("`+", inside)
    assert not re.search(r"(?<!\\)\|", inside)


def test_no_line_ends_the_fence_of_the_details() -> None:
    text = views_of("```\n</details>")["plan markdown"]
    assert "\n````diff\n" in text
