"""The operator's file is obeyed only where nobody else can have written it (CONTRACT 2)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import HostError, ReconcilerError, UsageError
from reconciler.host.os_fs import OsFs
from reconciler.providers.operator import Operator, load_operator
from reconciler.providers.plugin import NativeModule


@dataclass(frozen=True)
class Content:
    values: Mapping[str, Any]


class Desk:
    """A home, a project in a repository, and an operator's file with that content."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.project = folder / "repository" / "infra"
        self.project.mkdir(parents=True)
        (folder / "repository" / ".git").mkdir()
        self.environ = {"HOME": str(self.home)}
        self.content: dict[str, Any] = {"plugins": ["vault"]}
        self.default = self.home / ".config" / "reconciler" / "operator.yaml"

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("read by the parser that is handed in")
        path.chmod(0o600)

    def load(self) -> Operator:
        return load_operator(OsFs(), self.project, self.environ, lambda path: Content(self.content))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_without_a_file_nothing_is_permitted(desk: Desk) -> None:
    assert desk.load() == Operator(path=desk.default)


def test_the_default_is_under_the_users_configuration(desk: Desk, tmp_path: Path) -> None:
    desk.write(desk.default)
    assert desk.load() == Operator(path=desk.default, plugins=frozenset({"vault"}))
    desk.environ["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert desk.load() == Operator(path=tmp_path / "xdg" / "reconciler" / "operator.yaml")


def test_the_environment_may_name_another(desk: Desk, tmp_path: Path) -> None:
    desk.write(tmp_path / "mine.yaml")
    desk.environ["RECONCILER_OPERATOR_FILE"] = str(tmp_path / "mine.yaml")
    assert desk.load().plugins == {"vault"}


def test_native_modules_are_listed_by_name_with_their_variables(desk: Desk) -> None:
    desk.write(desk.default)
    desk.content = {
        "modules": {"luna": {"path": "/usr/lib/luna.so"}, "soft": {"path": "/s.so", "environment": {"CONF": "/c"}}}
    }
    assert desk.load().modules == {
        "luna": NativeModule(path=Path("/usr/lib/luna.so"), environment={}),
        "soft": NativeModule(path=Path("/s.so"), environment={"CONF": "/c"}),
    }


def named(path: Callable[[Desk], Path]) -> Callable[[Desk], None]:
    def arrange(desk: Desk) -> None:
        desk.write(path(desk))
        desk.environ["RECONCILER_OPERATOR_FILE"] = str(path(desk))

    return arrange


def with_mode(file: int, folder: int) -> Callable[[Desk], None]:
    def arrange(desk: Desk) -> None:
        desk.write(desk.default)
        desk.default.chmod(file)
        desk.default.parent.chmod(folder)

    return arrange


def saying(content: dict[str, Any]) -> Callable[[Desk], None]:
    def arrange(desk: Desk) -> None:
        desk.write(desk.default)
        desk.content = content

    return arrange


def linked_into_the_repository(desk: Desk) -> None:
    desk.write(desk.project / "operator.yaml")
    desk.default.parent.mkdir(parents=True)
    desk.default.symlink_to(desk.project / "operator.yaml")


def absent(desk: Desk) -> None:
    desk.environ["RECONCILER_OPERATOR_FILE"] = "/nowhere/operator.yaml"


REFUSALS: dict[str, tuple[Callable[[Desk], None], type[ReconcilerError], str]] = {
    "in the project": (named(lambda desk: desk.project / "o.yaml"), UsageError, "lies inside the repository"),
    "beside the project, in its repository": (
        named(lambda desk: desk.project.parent / "o.yaml"),
        UsageError,
        "lies inside the repository",
    ),
    "a link into the repository": (linked_into_the_repository, UsageError, "lies inside the repository"),
    "writable by anybody": (with_mode(0o666, 0o755), HostError, "its mode is 0666"),
    "writable by its group": (with_mode(0o620, 0o755), HostError, "its mode is 0620"),
    "in a folder that anybody may write": (with_mode(0o600, 0o777), HostError, "its mode is 0777"),
    "named, but absent": (absent, UsageError, "which does not exist"),
    "a misspelt field": (saying({"plugin": []}), UsageError, "has an unknown field plugin"),
    "plugins that are no list": (saying({"plugins": "vault"}), UsageError, "plugins must be a list of names"),
    "commands that are one": (saying({"commands": ["/bin/pass"]}), UsageError, "commands must be a list of commands"),
    "a command of nothing": (saying({"commands": [[]]}), UsageError, "commands must be a list of commands"),
    "a module without a name": (saying({"modules": ["/lib/x.so"]}), UsageError, "modules must give each native module"),
    "a module beside the search path": (saying({"modules": {"x": {"path": "x.so"}}}), UsageError, "path .absolute."),
    "a module's misspelt field": (
        saying({"modules": {"x": {"path": "/x.so", "env": {}}}}),
        UsageError,
        "modules must give each native module a name",
    ),
    "a module's variable that is no text": (
        saying({"modules": {"x": {"path": "/x.so", "environment": {"A": 1}}}}),
        UsageError,
        "environment .a mapping of variables to text.",
    ),
    "plugins that are no names": (saying({"plugins": [{}]}), UsageError, "plugins must be a list of names"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
def test_a_file_that_may_not_be_obeyed_is_refused_whole(
    desk: Desk, case: tuple[Callable[[Desk], None], type[ReconcilerError], str]
) -> None:
    arrange, error, words = case
    arrange(desk)
    with pytest.raises(error, match=words) as refused:
        desk.load()
    assert refused.value.suggestion


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_file_of_another_user_is_refused(desk: Desk) -> None:
    desk.write(desk.default)
    os.chown(desk.default, 65534, -1)
    with pytest.raises(HostError, match="it belongs to user 65534"):
        desk.load()
