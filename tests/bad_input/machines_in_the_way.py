"""Worlds in which the machine, or what is installed on it, refuses."""

from __future__ import annotations

import resource
import sys

from tests.bad_input.place import Place


def strangers(place: Place) -> None:
    """Installed plugins that are not ours: one that cannot be imported, one whose own code fails."""
    folder = place.root / "site"
    info = folder / "keysafe-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: keysafe\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[reconciler.providers]\nkeysafe = keysafe:KeySafe\nbrittle = brittle:Brittle\n"
    )
    (folder / "keysafe.py").write_text("import keysafe_native\n")
    (folder / "brittle.py").write_text("raise RuntimeError('the vault is shut')\n")
    sys.path.insert(0, str(folder))
    place.undo.callback(sys.path.remove, str(folder))


def operator_permits(place: Place) -> None:
    """The operator permits the strangers."""
    folder = place.root / "user" / "config" / "reconciler"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "operator.yaml").write_text("plugins: [keysafe, brittle]\n")


def operator_file_open_to_all(place: Place) -> None:
    """The operator's file can be changed by everybody."""
    operator_permits(place)
    (place.root / "user" / "config" / "reconciler" / "operator.yaml").chmod(0o666)


def small_files_only(place: Place) -> None:
    """The system lets no file grow beyond 8 KiB (a quota)."""
    limit = 8 * 1024
    place.limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def full_disk(place: Place) -> None:
    """Project and home lie on a disk with almost no space left: a real one, of this process alone."""
    script = f"""
        set -e
        mkdir {place.root}/disk
        mount -t tmpfs -o size=1m tmpfs {place.root}/disk
        cp -a {place.project} {place.home} {place.root}/disk/
        mount --bind {place.root}/disk/{place.project.name} {place.project}
        mount --bind {place.root}/disk/{place.home.name} {place.home}
        head -c 2m /dev/zero > {place.project}/filler 2>/dev/null || true
        truncate -s -8k {place.project}/filler
        cd {place.project}
        set +e
        "$@"
        code=$?
        cd /
        umount {place.project} {place.home}
        cp -a {place.root}/disk/{place.project.name}/. {place.project}/
        cp -a {place.root}/disk/{place.home.name}/. {place.home}/
        rm {place.project}/filler
        exit $code
    """
    place.prefix = ("unshare", "-rm", "bash", "-c", script, "bash")


def read_only(place: Place) -> None:
    """Project and home lie on a file system that is mounted for reading only."""
    script = f"""
        set -e
        for each in {place.project} {place.home}; do
            mount --bind $each $each
            mount -o remount,bind,ro $each
        done
        cd {place.project}
        "$@"
    """
    place.prefix = ("unshare", "-rm", "bash", "-c", script, "bash")
