"""One set of versions everywhere, and a README that is true."""

from __future__ import annotations

import ast
import hashlib
import platform
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import reading_time
import yaml
from course_files import NAMES, ROOT, draws, read
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from qhelpers import paths
from qhelpers.cli import doctor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lock() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    later = f"python_full_version >= '3.{doctor.PYTHONS[1][1] + 1}'"  # than the course's Pythons
    pins = [Requirement(line) for line in lines if line.strip() and later not in line]
    assert len({p.name for p in pins if not p.marker}) == sum(1 for p in pins if not p.marker)
    return {pin.name: pin for pin in pins}


def wanted() -> list[Requirement]:
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(requirement) for every in lists for requirement in every]


def test_the_lock_holds_every_package_in_a_version_that_the_project_allows() -> None:
    pins = lock()
    for requirement in wanted():
        version = next(iter(pins[requirement.name].specifier)).version
        assert requirement.specifier.contains(version), requirement


HASHED = ROOT / "requirements.hashes.txt"
SHA256 = re.compile(r"^    --hash=sha256:[0-9a-f]{64}$")
ONE_MODULE = "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n"


def test_every_locked_file_but_those_with_two_builds_has_its_hash() -> None:
    text = HASHED.read_text(encoding="utf-8").replace(" \\\n", "\n")
    blocks = re.split(r"\n(?=\w)", text.rstrip("\n"))
    pins = [block.splitlines()[0] for block in blocks]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    two = ("torch==", "torchao==", "torchvision==")  # PyPI's builds, and those for CPUs
    assert pins == [line for line in lines if not line.startswith(two)], "run: make hashes"
    for block in blocks:
        hashes = block.splitlines()[1:]
        assert hashes, block
        assert all(map(SHA256.match, hashes)), block


@pytest.mark.parametrize("path", ["Makefile", ".binder/postBuild", "deploy/Containerfile"])
def test_where_uv_installs_the_lock_it_is_told_the_hashes(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.search(r"-r \S*requirements\.txt", line)]
    assert len(lines) == 1, "in one place"
    assert re.search(r"(--constraint|-c) \S*requirements\.hashes\.txt", lines[0])


@pytest.mark.parametrize("right", [True, False])
def test_uv_refuses_a_file_with_another_hash_than_the_constraint(
    tmp_path: Path, right: bool
) -> None:
    wheel = tmp_path / "tiny-1-py3-none-any.whl"
    about = {"METADATA": ONE_MODULE, "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n"}
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        for name, content in {**about, "RECORD": ""}.items():
            archive.writestr(f"tiny-1.dist-info/{name}", content)
    found = hashlib.sha256(wheel.read_bytes() if right else b"").hexdigest()
    (tmp_path / "hashes.txt").write_text(f"tiny==1 --hash=sha256:{found}\n", encoding="utf-8")
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "tiny==1"]
    command += ["--no-index", "--find-links", ".", "--target", "to", "-c", "hashes.txt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode == 0) is right, done.stderr
    assert (tmp_path / "to" / "tiny.py").exists() is right
    assert right or "Hash mismatch" in done.stderr


def test_conda_installs_the_versions_of_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip[-1] == "--editable ."
    listed = {r.name: r for r in map(Requirement, pip[:-1])}
    pins = lock()
    assert set(listed) == {requirement.name for requirement in wanted()}
    for name, requirement in listed.items():
        assert requirement.specifier == pins[name].specifier, name


def test_binder_installs_the_lock() -> None:
    post_build = (ROOT / ".binder" / "postBuild").read_text(encoding="utf-8")
    assert "-r requirements.txt" in post_build


def test_pip_takes_every_pin_on_this_python() -> None:
    """Pip obeys an upper bound on Python where uv, and so `make`, does not."""
    for pin in lock().values():
        version = next(iter(pin.specifier)).version
        if paths.version(pin.name) == version:
            asked = metadata.metadata(pin.name).get("Requires-Python") or ""
            assert SpecifierSet(asked).contains(platform.python_version()), (pin.name, asked)


def test_the_lock_names_no_index_and_brings_no_cuda() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?://|--index|--find-links|@ ", text)
    assert not re.search(r"^(nvidia|cuda|triton)", text, re.MULTILINE)


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)\b", README)))
)
def test_each_make_command_of_the_readme_exists(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_lists_each_notebook_with_its_badges(name: str) -> None:
    (row,) = [line for line in README.splitlines() if f"](notebooks/{name}.ipynb)" in line]
    assert row.startswith("|")
    assert f"| {reading_time.announced(read(name))} |" in row
    assert f"/blob/main/notebooks/{name}.ipynb)" in row
    assert f"urlpath=lab/tree/notebooks/{name}.ipynb)" in row


def test_the_picture_in_the_readme_was_made_by_the_course() -> None:
    import base64

    (picture,) = re.findall(r"!\[[^\]]+\]\((docs/[\w./-]+\.png)\)", README)
    stored = [
        base64.b64decode(output["data"]["image/png"])
        for name in NAMES
        for cell in read(name).cells
        if cell.cell_type == "code" and draws(cell)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert (ROOT / picture).read_bytes() in stored


def test_everybody_names_the_same_versions_of_python() -> None:
    low, high = (minor for _, minor in doctor.PYTHONS)
    assert PROJECT["requires-python"] == f">=3.{low},<3.{high + 1}"
    assert f"You need Python 3.{low} to 3.{high} " in README
    script = (ROOT / "scripts" / "before_installing.py").read_text(encoding="utf-8")
    assert f"LOW, HIGH = (3, {low}), (3, {high})" in script
    assert f"The course needs Python 3.{low} to 3.{high}:" in script
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert f'python: ["3.{low}", "3.{high}"]' in workflow


def test_who_forks_is_told_the_tag_that_set_up_cells_install() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        told = re.findall(r"git tag (\S+)", (ROOT / page).read_text(encoding="utf-8"))
        assert told == [f"v{PROJECT['version']}"], page


def test_no_registry_host_is_named() -> None:
    hosts = r"pypi\.org|pythonhosted|download\.pytorch|anaconda\.org|npmjs|deb\.debian"
    hosts += r"|docker\.io|quay\."
    root = ("*.md", "*.txt", "*.yml", "*.toml", "Makefile")
    for pattern in (*root, ".ci/*", ".binder/*", "deploy/*", "scripts/*", "qhelpers/**/*.py"):
        for path in ROOT.glob(pattern):
            if path.is_file():
                assert not re.search(hosts, path.read_text(encoding="utf-8")), path


def test_workflows_name_actions_by_commit_and_say_the_version() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for use in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", use), (path.name, use)


def test_arithmetic_imports_numpy_alone() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "qhelpers"}  # of qhelpers: see lint-imports
    for path in (ROOT / "qhelpers" / "arithmetic").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, f"{path.name}: {names}"


# Lines of code; they only go down. A lesson that is not named here gets 250.
OUTSIDE, IN_QUANTIZER, IN_LESSONS, NEW_LESSON = 8_183, 1_987, 4_531, 250
LESSONS = {
    **{"00": 355, "01": 160, "02": 165, "03": 245, "04": 230, "05": 425, "06": 160},
    **{"07": 235, "08": 290, "09": 557, "10": 296},
    **{"20": 170, "21": 140, "22": 160},
}


def test_the_package_keeps_to_its_bounds() -> None:
    package = ROOT / "qhelpers"
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in package.rglob("*.py")}
    in_lessons, in_quantizer = (
        sum(n for path, n in lines.items() if package / part in path.parents)
        for part in ("lessons", "quantizer")
    )
    assert sum(lines.values()) - in_lessons - in_quantizer <= OUTSIDE
    assert in_lessons <= IN_LESSONS
    assert in_quantizer <= IN_QUANTIZER
    for folder in (package / "lessons").glob("lesson[0-9][0-9]"):
        found = sum(n for path, n in lines.items() if folder in path.parents)
        assert found <= LESSONS.get(folder.name[-2:], NEW_LESSON), folder.name


def test_contributing_states_the_bounds() -> None:
    said = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for bound in (OUTSIDE, IN_QUANTIZER, IN_LESSONS, NEW_LESSON):
        assert f"{bound:,}" in said
