"""The composer: strings stay strings, the fast way and the careful way agree, nothing hostile gets through (T11)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.loading.composer import DEEPEST, Doubt, compose
from reconciler.loading.files import Source, text_of
from reconciler.loading.inspection import inspect
from reconciler.resources.quoted import Quoted
from tests.loading.places import BASE, manifest, problems, project

PRINTABLE = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"],
        include_characters="\n\t",
        exclude_characters="\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        "\ufeff\ufffe\uffff",
    ),
    max_size=12,
)
WORDS = st.text("abcXYZ019:/._*@=+-", min_size=1, max_size=8).map("w{}".format)


def trees(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(leaves, inner, max_size=4), max_leaves=12
    )


def loaded(text: str) -> list[Any]:
    """The trees of a text, the fast way where that has no doubt; it must not have been refused."""
    careful = inspect(text)
    assert careful.problems == []
    assert [problem for document in careful.documents for problem in document.problems] == []
    slow = [document.tree for document in careful.documents]
    try:
        documents = compose(text)
    except Doubt:
        return slow
    assert [document.tree for document in documents] == slow
    assert [document.line for document in documents] == [document.place.line for document in careful.documents]
    return slow


@settings(max_examples=80, deadline=None)
@given(tree=st.dictionaries(PRINTABLE, trees(PRINTABLE), min_size=1), unicode=st.booleans(), flow=st.booleans())
def test_quoted_strings_come_out_as_they_went_in(tree: dict[str, Any], unicode: bool, flow: bool) -> None:
    text = yaml.safe_dump(tree, default_style='"', allow_unicode=unicode, default_flow_style=flow)
    assert loaded(text) == [tree] == list(yaml.load_all(text, yaml.BaseLoader))


@settings(max_examples=80, deadline=None)
@given(documents=st.lists(st.dictionaries(WORDS, trees(WORDS), min_size=1), max_size=4), flow=st.booleans())
def test_plain_strings_are_read_as_the_base_loader_reads_them(documents: list[dict[str, Any]], flow: bool) -> None:
    text = yaml.dump_all(documents, Dumper=yaml.CSafeDumper, default_flow_style=flow, explicit_start=True)
    assert loaded(text) == list(yaml.load_all(text, yaml.BaseLoader)) == documents


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text("abc:-[]{}&*!|>'\"%#\n\t ?,~<@\\", max_size=80).map(str.encode))
def test_any_bytes_are_manifests_or_one_clear_refusal(tmp_path: Path, content: bytes) -> None:
    """I21: nothing but a value or InvalidManifests, whatever the bytes."""
    for problem in problems(project(tmp_path, {"any.yaml": content, "base.yaml": BASE})):
        assert problem.file == "manifests/any.yaml"
        assert problem.summary and problem.code


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 400), cut=st.integers(0, 6), put=st.text("ab:-[]{}&*!|>'\"%\n\t ?,~\u202e\x07", max_size=4))
def test_any_edit_of_a_manifest_is_a_manifest_or_one_clear_refusal(tmp_path: Path, at: int, cut: int, put: str) -> None:
    text = BASE + manifest("Alias", "a", "provider: kms, key: orders") + manifest("Cluster", "c")
    for problem in problems(project(tmp_path, {"base.yaml": text[:at] + put + text[at + cut :]})):
        assert problem.file == "manifests/base.yaml"
        assert problem.line


SCALARS = {
    "an account stays an account": ("012345670123", "012345670123"),
    "no is a word": ("no", "no"),
    "a date is a text": ("2012-10-17", "2012-10-17"),
    "a base-60 number is a text": ("12:30:45", "12:30:45"),
    "infinity is a text": (".inf", ".inf"),
    "an empty text in quotes is a text": ('""', ""),
    "null in quotes is a text": ("'null'", "null"),
}


@pytest.mark.parametrize("case", SCALARS)
def test_every_scalar_is_a_string(case: str) -> None:
    written, meant = SCALARS[case]
    assert loaded(f"a: {written}\nb: [{written}]\n") == [{"a": meant, "b": [meant]}]


def test_a_quoted_literal_is_marked_and_a_plain_one_is_not() -> None:
    ((tree),) = loaded("a: '1'\nb: 1\nc: \"true\"\nd: |-\n  false\ne: 'word'\nf: ['2', 3]\n")
    marked = {key for key, value in tree.items() if isinstance(value, Quoted)}
    assert marked == {"a", "c", "d"}
    assert [type(value) for value in tree["f"]] == [Quoted, str]


def test_null_is_a_key_of_the_policy_language() -> None:
    assert loaded('Null: {"kms:ViaService": "true"}\n') == [{"Null": {"kms:ViaService": "true"}}]


def test_empty_documents_are_left_out() -> None:
    assert loaded("# nothing\n---\n---\n# nothing\n---\na: b\n---\n") == [{"a": "b"}]


HOSTILE = {
    "100,000 opening brackets": "[" * 100_000,
    "100,000 opening braces": "{" * 100_000,
    "100,000 sequences in sequences": "- " * 100_000,
    "100,000 mappings in mappings": "".join(f"{' ' * depth}a:\n" for depth in range(1_000)),
    "100,000 complex keys": "? " * 100_000,
    "an alias bomb": "a: &a [x]\n"
    + "".join(f"{c}: &{c} [*{p},*{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "a million quotes": '"' * 1_000_000,
    "100,000 documents": "---\n" * 100_000 + "a",
    "an endless key": "a" * 500_000 + ": b",
    "tags without end": "!" * 100_000 + " a",
    "too many values": "a: [" + "b," * 200_000 + "]",
    "a number of a million digits": "a: " + "1" * 900_000,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_refused_and_the_process_lives(case: str, tmp_path: Path) -> None:
    before = sys.getrecursionlimit()
    found = problems(project(tmp_path, {"m.yaml": HOSTILE[case]}))
    assert found
    assert len("".join(problem.summary for problem in found)) < 5_000
    assert sys.getrecursionlimit() == before


def test_the_deepest_permitted_nesting_is_read_both_ways() -> None:
    text = "a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert len(compose(text)) == 1
    assert loaded(text)
    with pytest.raises(Doubt):
        compose("a: " + "[" * DEEPEST + "]" * DEEPEST)
    assert [problem.code for problem in inspect("a: " + "[" * DEEPEST + "]" * DEEPEST).problems] == ["too-deep"]


def test_the_place_of_a_document_counts_from_one() -> None:
    documents = compose("# one\n\na: b\n---\n# five\nc: d\n")
    assert [document.line for document in documents] == [3, 6]


def test_the_text_is_checked_before_it_is_parsed() -> None:
    for content, code in {
        b"a: \xff": "not-utf8",
        "a: b".encode("utf-16"): "not-utf8",
        b"a: \x00": "control-character",
        b"a: \x1b[2J": "control-character",
        "a: \u202etxt.\u202c".encode(): "control-character",
        "a: b\u2028c: d".encode(): "control-character",
        "a: \u0085b".encode(): "control-character",
    }.items():
        found = text_of(Source("m.yaml", content, b""))
        assert not isinstance(found, str)
        assert (found.code, found.line) == (code, 1)
    assert text_of(Source("m.yaml", "\ufeffa: ü".encode(), b"")) == "a: ü"
