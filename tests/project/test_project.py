"""Where a project's things are: file, then environment variables, then flags (CONTRACT 2)."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import InvalidProjectFile, UsageError
from reconciler.host.os_fs import OsFs
from reconciler.project.project import STANDARD_INPUT, Overrides, Project, load_project
from reconciler.project.settings import ParsedFile

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class World:
    """A project folder below ``folder``, what its file says (None: no file), and the environment."""

    folder: Path
    says: dict[str, Any] | None = None
    positions: dict[str, tuple[int, int]] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        return self.folder / "shop"

    def load(self, **flags: Any) -> Project:
        self.directory.mkdir(exist_ok=True)
        file = self.directory / "reconciler.yaml"
        if self.says is not None:
            file.write_text("read by the parser that is handed in")

        def parse(path: Path) -> ParsedFile:
            assert (path, self.says is not None) == (file, True), "read for nothing"
            return ParsedFile(values=self.says or {}, positions=self.positions)

        environ = {"HOME": str(self.folder / "user"), **self.environ}
        return load_project(OsFs(), self.directory, parse, environ=environ, flags=Overrides(**flags))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_without_a_file_everything_has_its_default(world: World) -> None:
    project = world.load()
    assert project.directory == world.directory
    assert project.manifests == (Path("manifests"),)
    assert project.state_path == world.directory / ".reconciler" / "state.db"
    assert project.home.parent == world.folder / "user" / ".local" / "share" / "reconciler"
    assert project.home.name.startswith("shop-")
    assert (project.environment, project.warnings) == (None, ())


def test_two_projects_of_one_name_have_two_homes(tmp_path: Path) -> None:
    homes = set()
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        other = World(tmp_path / place)
        other.environ["HOME"] = "/home/ada"
        homes.add(other.load().home)
        homes.add(other.load().home)
    assert len(homes) == 2


def test_the_users_data_folder_is_respected_if_absolute(world: World) -> None:
    world.environ["XDG_DATA_HOME"] = "/data"
    assert world.load().home.parent == Path("/data/reconciler")
    world.environ["XDG_DATA_HOME"] = "data"
    assert world.load().home.parent == world.folder / "user" / ".local" / "share" / "reconciler"


FILE = {"manifests": ["file/"], "state": {"backend": "sqlite", "path": "file.db"}, "home": "file-home"}
VARIABLES = {
    "RECONCILER_MANIFESTS": "variable/:second.yaml",
    "RECONCILER_STATE_PATH": "variable.db",
    "RECONCILER_HOME": "variable-home",
}
FLAGS: dict[str, Any] = {"manifests": ("flag/", "-"), "state_path": "/flag.db", "home": "~/flag-home"}


def test_the_file_overrides_the_defaults(world: World) -> None:
    world.says = FILE
    project = world.load()
    assert project.manifests == (Path("file/"),)
    assert (project.state_path, project.home) == (world.directory / "file.db", world.directory / "file-home")


def test_variables_override_the_file(world: World) -> None:
    world.says, world.environ = FILE, VARIABLES
    project = world.load()
    assert project.manifests == (Path("variable/"), Path("second.yaml"))
    assert (project.state_path, project.home) == (world.directory / "variable.db", world.directory / "variable-home")


def test_flags_override_variables(world: World) -> None:
    world.says, world.environ = FILE, VARIABLES
    project = world.load(**FLAGS)
    assert project.manifests == (Path("flag/"), STANDARD_INPUT)
    assert project.state_path == Path("/flag.db")
    assert project.home == Path("~/flag-home").expanduser()


ENVIRONMENTS = {**FILE, "environments": {"prod": {"manifests": ["prod/"], "home": "/srv/prod"}, "test": {}}}


def test_an_environment_overrides_what_it_names(world: World) -> None:
    world.says = ENVIRONMENTS
    project = world.load(environment="prod")
    assert project.environment == "prod"
    assert (project.manifests, project.home) == ((Path("prod/"),), Path("/srv/prod"))


def test_two_environments_never_share_state_or_keys_by_omission(world: World) -> None:
    world.says = ENVIRONMENTS
    project = world.load(environment="test")
    assert project.manifests == (Path("file/"),)
    assert project.state_path == world.directory / "test" / "file.db"
    assert project.home == world.directory / "file-home" / "test"
    world.says = {"environments": {"test": {}}}
    bare, plain = world.load(environment="test"), world.load()
    assert bare.state_path == world.directory / ".reconciler" / "test" / "state.db"
    assert bare.home == plain.home / "test"


def test_the_variable_chooses_an_environment_and_the_flag_another(world: World) -> None:
    world.says = ENVIRONMENTS
    world.environ["RECONCILER_ENVIRONMENT"] = "prod"
    assert world.load().environment == "prod"
    assert world.load(environment="test").environment == "test"


@pytest.mark.parametrize(
    ("says", "suggestion"),
    [
        (ENVIRONMENTS, "Did you mean prod? Declared: prod, test."),
        ({}, "leave out -e"),
        (None, "leave out -e"),
    ],
)
def test_an_unknown_environment_lists_those_there_are(
    world: World, says: dict[str, Any] | None, suggestion: str
) -> None:
    world.says = says
    with pytest.raises(UsageError, match='There is no environment "prd"') as refused:
        world.load(environment="prd")
    assert suggestion in (refused.value.suggestion or "")


def test_all_problems_of_the_file_come_at_once_each_with_its_line(world: World) -> None:
    world.says = {
        "manifest": ["x"],
        "manifests": "manifests/",
        "state": {"backend": "postgres", "file": "x"},
        "home": "",
        "environments": {"prod": {"hom": "x", "state": []}, "a/b": {}, "test": "x"},
    }
    world.positions = {"manifest": (1, 1), "environments.prod.hom": (9, 5)}
    with pytest.raises(InvalidProjectFile) as refused:
        world.load()
    found = [(each.path, each.line, each.summary, each.suggestion) for each in refused.value.diagnostics()]
    assert found == [
        ("manifest", 1, "Unknown field manifest", "Did you mean manifests?"),
        ("state.file", None, "Unknown field state.file", "Known here: backend, path."),
        ("state.backend", None, 'There is no state backend "postgres"', "Known: sqlite."),
        (
            "manifests",
            None,
            "manifests must be a list of files or folders",
            "Write it as manifests: [manifests/].",
        ),
        ("home", None, "home must be a text that is not empty", "Remove it, or say it."),
        ("environments.prod.hom", 9, "Unknown field environments.prod.hom", "Did you mean home?"),
        ("environments.prod.state", None, "environments.prod.state must be a mapping", None),
        (
            "environments.a/b",
            None,
            "The environment name 'a/b' must consist of letters, digits, - and _",
            None,
        ),
        ("environments.test", None, "environments.test must be a mapping of manifests, state, home", None),
    ]
    assert {each.file for each in refused.value.diagnostics()} == {str(world.directory / "reconciler.yaml")}
    assert refused.value.diagnostics()[0].where == f"{world.directory / 'reconciler.yaml'}:1:1"
    assert refused.value.exit_code == 1


@pytest.mark.parametrize("value", [None, [], "", ["manifests/", None], ["ok", ""], {}])
def test_an_empty_or_wrong_list_of_manifests_is_refused(world: World, value: Any) -> None:
    world.says = {"manifests": value}
    with pytest.raises(InvalidProjectFile):
        world.load()


@pytest.mark.parametrize("name", ["state", "environments"])
def test_null_is_no_mapping(world: World, name: str) -> None:
    world.says = {name: None}
    with pytest.raises(InvalidProjectFile):
        world.load()


def test_a_home_in_a_git_work_tree_is_warned_of_once(world: World) -> None:
    world.says = {"home": ".reconciler"}
    assert world.load().warnings == ()
    (world.folder / ".git").mkdir()
    (warning,) = world.load().warnings
    assert (warning.code, warning.severity) == ("home-in-git", "warning")
    assert str(world.directory / ".reconciler") in warning.summary
    (world.directory / ".reconciler").mkdir()
    (world.directory / ".reconciler" / ".gitignore").write_text("*\n")
    assert world.load().warnings == ()
    world.says = {"home": "/srv/shop"}
    assert world.load().warnings == ()


@pytest.mark.parametrize("home", [".", "..", "/"])
def test_a_home_that_holds_the_project_is_refused(world: World, home: str) -> None:
    world.says = {"home": home}
    with pytest.raises(UsageError, match="holds the project itself"):
        world.load()


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder") as refused:
        load_project(OsFs(), tmp_path / "gone", lambda path: ParsedFile(values={}), environ={})
    assert "-C DIR" in (refused.value.suggestion or "")


def test_a_project_is_found_without_pydantic_or_yaml() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import reconciler.project.project\n"
        "print([name for name in ('pydantic', 'yaml', 'difflib', 'cryptography', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
