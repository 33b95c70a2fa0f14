from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from course_files import ROOT

from qhelpers import paths
from qhelpers.cli import address


def test_home_is_the_folder_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "deep" / "er"))
    assert paths.home() == tmp_path / "deep" / "er"
    assert paths.home().is_dir()
    assert paths.data_cache() == tmp_path / "deep" / "er" / "data"


def test_home_of_a_clone_is_its_ignored_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QHELPERS_HOME")
    root = paths.clone()
    assert root is not None
    assert paths.home() == root / "generated"
    assert "/generated/" in (root / ".gitignore").read_text().splitlines()
    assert paths.data_cache() == paths.user_cache() / "data"


def test_home_of_an_installed_package_is_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("QHELPERS_HOME")
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path / "site-packages" / "qhelpers")
    monkeypatch.setattr(paths, "user_cache", lambda: tmp_path / "cache")
    assert paths.clone() is None
    assert paths.home() == tmp_path / "cache"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are for their owner only."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_folder_that_others_have_filled_is_read_and_own_files_go_elsewhere(
    open_folder: Path,
) -> None:
    """As a user without rights: root could write into any folder."""
    course, own = open_folder / "course", open_folder / "own"
    (course / "models").mkdir(parents=True)
    (course / "models" / "net.npz").write_bytes(b"theirs")
    own.mkdir()
    code = """if True:
        import os, sys
        from pathlib import Path
        from qhelpers import paths
        if os.getuid() == 0:
            os.chown(sys.argv[2], 65534, -1)
            os.setuid(65534)
        paths.user_cache = lambda: Path(sys.argv[2])
        theirs = paths.home() / "models" / "net.npz"
        print(paths.home(), paths.data_cache(), paths.read_if_there(theirs))
        assert paths.keep(theirs, b"mine")
        print(paths.read_if_there(theirs), paths.read_if_there(theirs.with_name("none")))
    """
    course.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", code, str(course), str(own)],
        env=os.environ | {"QHELPERS_HOME": str(course)},
        cwd=open_folder,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(own), str(own / "data"), "b'theirs'", "b'mine'", "None"], (
        done.stderr
    )
    assert (course / "models" / "net.npz").read_bytes() == b"theirs"


def test_a_file_where_the_folder_should_be_is_reported_with_advice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "file"))
    with pytest.raises(PermissionError, match=r"file.*Set QHELPERS_HOME"):
        paths.home()


def test_an_unwritable_folder_is_reported_with_advice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # root may write everywhere, so the answer of the system is put in place.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"not writable.*Set QHELPERS_HOME"):
        paths.writable(tmp_path)


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = paths.write_atomically(tmp_path / "model.bin", b"old")

    def interrupted(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        paths.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["model.bin"]


def test_a_written_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a" / "model.bin"
    paths.write_atomically(path, b"old")
    paths.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_ISREG(path.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="modes are Unix's")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_honour_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        path = paths.write_atomically(tmp_path / "a", b"for all learners")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_full_disk_is_said_and_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: Path, mode: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert paths.keep(tmp_path / "a" / "model.bin", b"old")
    monkeypatch.setattr(Path, "open", full)
    assert not paths.keep(tmp_path / "a" / "model.bin", b"new")
    out = capsys.readouterr().out
    assert f"model.bin could not be kept in {tmp_path / 'a'} (No space left on device)" in out
    monkeypatch.undo()
    assert paths.read_if_there(tmp_path / "a" / "model.bin") == b"old"
    assert paths.read_if_there(tmp_path / "b") is None
    assert capsys.readouterr().out == ""
    assert paths.read_if_there(tmp_path / "a") is None
    assert "is there and cannot be read" in capsys.readouterr().out


def test_a_shown_path_does_not_name_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/users/ada"))
    assert paths.shown(Path("/users/ada/.cache/qhelpers/data")) == "~/.cache/qhelpers/data"
    assert paths.shown(Path("/srv/data")) == str(Path("/srv/data"))


def test_a_missing_framework_names_the_extra() -> None:
    with pytest.raises(ImportError, match=r'pip install -e "\.\[torch\]"'):
        paths.require("no_such_framework", extra="torch")


def test_outside_a_clone_the_advice_names_the_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paths, "clone", lambda: None)
    here = f"git+https://github.com/{address.current(ROOT)}@v{metadata.version('qhelpers')}"
    expected = re.escape(f'pip install "qhelpers[torch] @ {here}"')
    with pytest.raises(ImportError, match=expected):
        paths.require("no_such_framework", extra="torch")
    assert paths.install_command("").startswith('pip install "qhelpers @ git+')

    def absent(name: str) -> None:
        raise paths.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(paths.metadata, "metadata", absent)
    assert paths.install_command("lab") == 'pip install "qhelpers[lab]"'


def test_a_framework_that_is_broken_inside_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_framework.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        paths.require("broken_framework", extra="torch")


def test_versions_are_those_installed() -> None:
    import numpy as np

    text = paths.versions("numpy", "no-such-package")
    assert text == f"numpy-{np.__version__}-no-such-package-0"


def test_importing_the_package_imports_no_framework() -> None:
    code = (
        "import sys, qhelpers; heavy = {'tensorflow', 'keras', 'torch', 'matplotlib', 'sklearn',"
        " 'ai_edge_litert'}; print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_claim_is_had_from_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    import qhelpers

    qhelpers.claim("two is more than one", 2 > 1)
    assert capsys.readouterr().out == "✓ two is more than one\n"
    with pytest.raises(AttributeError, match="no attribute 'clam'"):
        _ = qhelpers.clam


def test_stopping_the_kernel_waits_until_a_framework_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an imported TensorFlow or PyTorch says "already registered" when imported again."""
    (tmp_path / "slow_framework.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nready = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        paths.require("slow_framework", extra="")
    assert sys.modules.pop("slow_framework").ready
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("first", "second"), [("tensorflow", "torch"), ("torch", "tensorflow")])
def test_a_second_framework_is_announced_before_it_is_loaded(
    first: str,
    second: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before, not behind: PyTorch's plain build crashes a process that has TensorFlow."""

    def load(name: str) -> ModuleType:
        print(f"loading {name}")
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        return sys.modules[name]

    for name in (first, second):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(paths.importlib, "import_module", load)
    paths.require(first, extra="")
    paths.require("ai_edge_litert", extra="")
    assert capsys.readouterr().out == f"loading {first}\nloading ai_edge_litert\n"
    paths.require(second, extra="")
    paths.require(second, extra="")
    said, *rest = capsys.readouterr().out.splitlines()
    assert rest == [f"loading {second}"] * 2
    assert said.startswith(f"{second} beside {first}: 0.6 GB more")
    assert "Restart the kernel" in said
    assert len(said) <= 78
