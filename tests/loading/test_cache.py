"""The cache answers as reading anew would, or not at all."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import InvalidManifests
from reconciler.loading import cache as cache_module
from reconciler.loading.cache import ManifestCache
from reconciler.loading.files import Source, text_of
from reconciler.loading.load import load
from reconciler.loading.manifests import Manifests
from tests.loading.places import BASE, manifest, project

MAC = HmacSha256(DataKey(bytes(range(32))))

POLICY = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "base.yaml": BASE,
        "a.yaml": manifest("Alias", "a", "provider: kms, key: orders") + manifest("Key", "k"),
        "b.yaml": manifest("Keyspace", "b").replace("{name: b}", "{name: b, labels: {team: data}}"),
        "c.yaml": manifest("KeyPolicy", "p", "provider: kms, key: orders, documentFile: policies/p.json"),
        "d.yaml": manifest("Cluster", "c", "provider: kms, tables: [{name: t, load: [data/t.csv]}]"),
        "e.yaml": "# nothing\n",
        "./policies/p.json": POLICY,
        "./data/t.csv": "a\n1\n",
    }
    return project(tmp_path / "project", files)


def through(root: Path, home: Path, mac: HmacSha256 = MAC) -> Manifests:
    """Loaded with the cache; every spec asked for, so that the cache must give them too."""
    with ManifestCache(home, mac) as cache:
        manifests = load(root, cache=cache)
        assert all(resource.spec for resource in manifests.resources)
        return manifests


def content(manifests: Manifests) -> object:
    """Everything that a caller can see."""
    return manifests.digest, [
        (
            resource.address,
            resource.digest,
            resource.provider,
            resource.references,
            resource.external_name,
            resource.file,
            resource.line,
            dict(resource.labels),
            resource.spec,
        )
        for resource in manifests.resources
    ]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the sources that are parsed."""
    names: list[str] = []

    def noting(source: Source) -> object:
        names.append(source.name.removeprefix("manifests/"))
        return text_of(source)

    monkeypatch.setattr("reconciler.loading.reading.text_of", noting)
    yield names


def test_what_is_unchanged_is_not_parsed_again(root: Path, home: Path, parsed: list[str]) -> None:
    first = content(through(root, home))
    assert sorted(set(parsed)) == ["a.yaml", "b.yaml", "base.yaml", "c.yaml", "d.yaml", "e.yaml"]
    parsed.clear()
    assert content(through(root, home)) == first
    assert parsed == []


def test_only_what_changed_is_parsed(root: Path, home: Path, parsed: list[str]) -> None:
    through(root, home)
    parsed.clear()
    project(root, {"a.yaml": manifest("Alias", "other", "provider: kms, key: orders")})
    assert content(through(root, home)) == content(load(root))
    assert parsed[0] == "a.yaml"
    assert len(parsed) == 1 + 6


def test_a_warm_load_imports_neither_yaml_nor_pydantic_nor_networkx(root: Path, home: Path) -> None:
    through(root, home)
    program = """
import sys
from pathlib import Path
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.loading.cache import ManifestCache
from reconciler.loading.files import Source, text_of
from reconciler.loading.load import load
with ManifestCache(Path(sys.argv[2]), HmacSha256(DataKey(bytes(range(32))))) as cache:
    manifests = load(Path(sys.argv[1]), cache=cache)
    assert list(manifests.providers) == ["kms"] and len(manifests.by_address) == 7
print(sorted({"yaml", "pydantic", "networkx", "cryptography"} & set(sys.modules)))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(root), str(home)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_a_renamed_file_is_found_under_its_new_name(root: Path, home: Path) -> None:
    through(root, home)
    (root / "manifests/b.yaml").rename(root / "manifests/z.yaml")
    assert through(root, home).resources[-1].file == "manifests/z.yaml"


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("file", ["policies/p.json", "data/t.csv"])
def test_a_changed_file_that_a_manifest_names_is_noticed(
    settled: bool, file: str, root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:  # as if it had been there long enough for its times to vouch for it
        monkeypatch.setattr("reconciler.loading.beneath._SETTLED_NS", -(10**12))
    first = through(root, home)
    assert content(through(root, home)) == content(first)
    times = (root / file).stat()
    (root / file).write_text((root / file).read_text().replace("kms:*", "sms:*").replace("1", "2"))
    os.utime(root / file, ns=(times.st_atime_ns, times.st_mtime_ns))  # the same size, and its time of change forged
    assert content(through(root, home)) == content(load(root)) != content(first)
    (root / file).unlink()
    with pytest.raises(InvalidManifests, match="which cannot be used: there is no such file"):
        through(root, home)
    (root / file).symlink_to("/dev/null")
    with pytest.raises(InvalidManifests, match="links are not followed"):
        through(root, home)


def test_files_whose_times_vouch_for_them_are_not_read_again(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.loading.beneath._SETTLED_NS", -(10**12))
    through(root, home)
    monkeypatch.setattr("hashlib.file_digest", None)
    assert len(through(root, home).resources) == 7


def test_an_entry_learns_the_times_of_its_files_once_they_vouch(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(root, home)
    monkeypatch.setattr("reconciler.loading.beneath._SETTLED_NS", -(10**12))
    first = through(root, home)
    monkeypatch.setattr("hashlib.file_digest", None)
    assert content(through(root, home)) == content(first)


TOGETHER = {
    "a reference that lost its target": ("k.yaml", None, "manifests/a.yaml:5:28 unknown-reference"),
    "a provider that is gone": (
        "base.yaml",
        manifest("Key", "orders", "provider: kmz"),
        "base.yaml:5:18 unknown-reference",
    ),
    "an address declared twice": ("z.yaml", manifest("Key", "k"), "manifests/z.yaml:4:18 duplicate-address"),
    "a second policy for a key": (
        "z.yaml",
        manifest("KeyPolicy", "q", "provider: kms, key: orders, documentFile: policies/p.json"),
        "manifests/z.yaml:5:28 one-only",
    ),
    "a name taken twice": ("z.yaml", manifest("Keyspace", "y", "provider: kms, externalName: b"), "duplicate-name"),
    "a cycle": ("k.yaml", manifest("Key", "x", "provider: kms, dependsOn: [Alias/y]"), "reference-cycle"),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_files_that_are_fine_alone_may_not_fit_together(case: str, root: Path, home: Path) -> None:
    """The broken part is in an unchanged, remembered file, and is told with its place all the same."""
    project(
        root,
        {
            "k.yaml": manifest("Key", "x"),
            "a.yaml": manifest("Alias", "y", "provider: kms, key: x") + manifest("Key", "k"),
        },
    )
    through(root, home)
    name, text, expected = TOGETHER[case]
    (root / "manifests" / name).unlink(missing_ok=True)
    if text is not None:
        project(root, {name: text})
    with pytest.raises(InvalidManifests) as warm:
        through(root, home)
    with pytest.raises(InvalidManifests) as cold:
        load(root)
    assert warm.value.diagnostics() == cold.value.diagnostics()
    assert any(expected in f"{problem.where} {problem.code}" for problem in cold.value.diagnostics())


def test_cold_and_warm_agree_after_any_edits(root: Path, home: Path) -> None:
    """Random edits, valid and not, each loaded through the cache and anew."""
    dice = random.Random(20261121)  # noqa: S311  # a test's own dice
    refused = 0
    for _ in range(60):
        name = f"r{dice.randrange(6)}.yaml"
        kinds = [
            manifest("Key", f"k{dice.randrange(4)}", f"provider: kms, enabled: {dice.choice(['true', 'false', 'no'])}"),
            manifest("Alias", f"a{dice.randrange(6)}", f"provider: kms, key: k{dice.randrange(4)}"),
            "",
        ]
        path = root / "manifests" / name
        if dice.random() < 0.2:
            path.unlink(missing_ok=True)
        else:
            path.write_text("".join(dice.sample(kinds, dice.randrange(1, 3))))
        if dice.random() < 0.2:
            project(root, {"./policies/p.json": POLICY.replace("{", f'{{"Id": "{dice.randrange(3)}", ', 1)})
        try:
            cold = content(load(root))
        except InvalidManifests as error:
            refused += 1
            with pytest.raises(InvalidManifests) as warm:
                through(root, home)
            assert warm.value.diagnostics() == error.diagnostics()
        else:
            assert content(through(root, home)) == cold
    assert 5 < refused < 55


def damage(path: Path, column: str, table: str) -> None:
    """Flip a bit in every value of a column."""
    names = {"c": column, "t": table}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for rowid, value in connection.execute("SELECT rowid, {c} FROM {t}".format_map(names)).fetchall():
            middle = len(value) // 2
            forged = value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :] if value else b"x"
            connection.execute("UPDATE {t} SET {c} = ? WHERE rowid = ?".format_map(names), (forged, rowid))


@pytest.mark.parametrize(
    ("table", "column"),
    [("whole", "head"), ("whole", "tag"), ("file", "head"), ("file", "tag"), ("file", "specs"), ("file", "specs_tag")],
)
def test_a_forged_entry_does_not_count(table: str, column: str, root: Path, home: Path, parsed: list[str]) -> None:
    first = content(through(root, home))
    parsed.clear()
    damage(home / "cache/manifests.db", column, table)
    if table == "file":
        damage(home / "cache/manifests.db", "head", "whole")
    assert content(through(root, home)) == first
    assert parsed or table == "whole"


def test_an_entry_of_another_seal_does_not_count(root: Path, home: Path, parsed: list[str]) -> None:
    through(root, home)
    parsed.clear()
    through(root, home, HmacSha256(DataKey(bytes(32))))
    assert len(set(parsed)) == 6


def test_an_entry_under_another_key_does_not_count(root: Path, home: Path, parsed: list[str]) -> None:
    """Authentic bytes in the wrong row: the row's key is under its MAC too."""
    first = content(through(root, home))
    with closing(sqlite3.connect(home / "cache/manifests.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM whole")
        keys = [key for (key,) in connection.execute("SELECT key FROM file ORDER BY key")]
        connection.execute("CREATE TABLE moved AS SELECT * FROM file")
        connection.execute("DELETE FROM file")
        for old, new in zip(keys, [*keys[1:], keys[0]], strict=True):
            connection.execute(
                "INSERT INTO file SELECT ?, head, tag, specs, specs_tag FROM moved WHERE key = ?", (new, old)
            )
        connection.execute("DROP TABLE moved")
    parsed.clear()
    assert content(through(root, home)) == first
    assert len(set(parsed)) == 6


def test_an_entry_of_another_meaning_does_not_count(
    root: Path, home: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    through(root, home)
    parsed.clear()
    monkeypatch.setattr(cache_module, "meaning_digest", lambda: b"another version")
    through(root, home)
    assert len(set(parsed)) == 6
    monkeypatch.setattr(cache_module, "meaning_digest", lambda: None)  # it cannot be told: nothing is kept
    parsed.clear()
    through(root, home)
    assert len(parsed) == 6


def test_another_project_with_the_same_home_has_entries_of_its_own(
    root: Path, home: Path, tmp_path: Path, parsed: list[str]
) -> None:
    first = content(through(root, home))
    other = tmp_path / "other"
    shutil.copytree(root, other)
    parsed.clear()
    assert content(through(other, home)) == first
    assert len(set(parsed)) == 6


@pytest.mark.parametrize("damaged", [b"", b"not a database", None])
def test_a_damaged_cache_is_thrown_away_and_made_anew(
    damaged: bytes | None, root: Path, home: Path, parsed: list[str]
) -> None:
    first = content(through(root, home))
    path = home / "cache/manifests.db"
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damaged is None else damaged)
    assert content(through(root, home)) == first
    parsed.clear()
    assert content(through(root, home)) == first
    assert parsed == []


def test_a_home_that_cannot_be_written_is_no_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert content(through(root, tmp_path / "file")) == content(load(root))


def test_the_cache_is_for_its_owner_only(root: Path, home: Path) -> None:
    through(root, home)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home / "cache").iterdir()}
    assert modes["manifests.db"] == 0o600
    assert set(modes.values()) == {0o600}
    assert (home / "cache").stat().st_mode & 0o777 == 0o700


def test_manifests_with_problems_are_not_remembered(root: Path, home: Path, parsed: list[str]) -> None:
    project(root, {"z.yaml": manifest("Alias", "z", "provider: kms, key: nowhere")})
    for _ in range(2):
        parsed.clear()
        with pytest.raises(InvalidManifests):
            through(root, home)
        assert "z.yaml" in parsed


def test_entries_that_nobody_uses_any_more_go(root: Path, home: Path) -> None:
    for number in range(12):
        files = {
            f"g{part}.yaml": manifest("Key", f"g{part}", f"provider: kms, description: '{number}'")
            for part in range(20)
        }
        through(project(root, files), home)
    with closing(sqlite3.connect(home / "cache/manifests.db")) as connection:
        (files_kept,) = connection.execute("SELECT count(*) FROM file").fetchone()
        (wholes,) = connection.execute("SELECT count(*) FROM whole").fetchone()
    assert files_kept <= 3 * 26 + 64
    assert wholes <= 8


def test_a_spec_asked_for_after_its_file_changed_is_refused(root: Path, home: Path) -> None:
    through(root, home)
    with ManifestCache(home, MAC) as cache:
        manifests = load(root, cache=cache)
        damage(home / "cache/manifests.db", "specs", "file")
        project(root, {"./policies/p.json": POLICY.replace("Allow", "Deny")})
        (policy,) = [resource for resource in manifests.resources if resource.address == "KeyPolicy/p"]
        with pytest.raises(InvalidManifests) as caught:
            assert policy.spec
        assert [problem.code for problem in caught.value.diagnostics()] == ["changed-meanwhile"]
