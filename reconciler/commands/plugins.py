"""What may run here beside our own code: plugins and commands that the operator's file lists (CONTRACT 2)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from reconciler.loading.project_file import parse_settings_file
from reconciler.model.ports import Fs
from reconciler.providers.discovery import InstalledPlugins
from reconciler.providers.operator import Operator, load_operator
from reconciler.providers.plugin import NativeModule


class Permitted:
    """Asks the file when something is not built in, and not before."""

    def __init__(self, fs: Fs, project: Path) -> None:
        self._fs, self._project = fs, project
        self.plugins = InstalledPlugins(self._operator)

    def commands(self) -> Collection[tuple[str, ...]]:
        """The commands that a secret may be asked of."""
        return self._operator().commands

    def modules(self) -> Mapping[str, NativeModule]:
        """The native modules that a provider may load, by name."""
        return self._operator().modules

    def _operator(self) -> Operator:
        return load_operator(self._fs, self._project, os.environ, parse_settings_file)
