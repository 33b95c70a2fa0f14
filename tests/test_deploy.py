"""What `deploy/` names exists: files, versions, commands, options."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from course_files import NAMES, ROOT
from hub import run
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
from test_environment import PROJECT, doctor

DEPLOY = ROOT / "deploy"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n\s*", "", (DEPLOY / "Containerfile").read_text(encoding="utf-8")).splitlines()


def instructions(name: str) -> list[str]:
    return [line.split(None, 1)[1] for line in LINES if line.startswith(f"{name} ")]


@pytest.fixture
def values() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "values.yaml").read_text(encoding="utf-8"))
    return read


def test_the_image_copies_what_exists() -> None:
    copied = [name for line in instructions("COPY") for name in line.split()[:-1]]
    assert {"requirements.txt", "pyproject.toml", "qhelpers", "notebooks"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
    wanted = {PROJECT["readme"], *PROJECT["license-files"]}  # the build of the package reads them
    assert wanted <= set(copied)


def test_the_image_copies_nothing_that_only_this_machine_made() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".venv", "**/__pycache__", "**/.ipynb_checkpoints"} <= set(ignored)
    assert not {name for line in instructions("COPY") for name in line.split()} & set(ignored)


def test_the_image_is_the_lock_on_a_python_that_the_course_runs_with() -> None:
    runs = " && ".join(instructions("RUN"))
    lock = "-r /srv/byte-for-byte/requirements.txt -c /srv/byte-for-byte/requirements.hashes.txt"
    assert f'"$@" {lock} "jupyterhub==$JUPYTERHUB"' in runs
    assert "{ lock --torch-backend=cpu || lock; }" in runs  # as the Makefile does
    assert "python -m qhelpers prepare" in runs
    (comment,) = [line for line in LINES if line.startswith("# Debian 12 has Python")]
    minor = int(comment.split(".")[1])
    assert doctor.PYTHONS[0][1] <= minor <= doctor.PYTHONS[1][1]


def test_the_image_ends_as_a_user_who_may_not_write_the_cache() -> None:
    assert instructions("USER") == ["learner"]
    filled = LINES.index("RUN python -m qhelpers prepare")
    assert filled < LINES.index("USER learner")
    assert "useradd --create-home --uid 1000 learner" in " ".join(instructions("RUN"))


def test_versions_are_those_of_the_makefile_and_the_package(values: dict[str, Any]) -> None:
    assert "JUPYTERHUB" in instructions("ARG")
    assert re.search(r"^JUPYTERHUB := \d+\.\d+\.\d+$", MAKEFILE, re.MULTILINE)
    assert "--build-arg JUPYTERHUB=$(JUPYTERHUB)" in MAKEFILE
    assert values["singleuser"]["image"]["tag"] == PROJECT["version"]
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert f"byte-for-byte:{PROJECT['version']}" in readme
    charts = {
        *re.findall(r"--version (\S+)", readme),
        *re.findall(r"JupyterHub, (\d+\.\d+\.\d+)", (DEPLOY / "values.yaml").read_text("utf-8")),
    }
    assert len(charts) == 1


def test_the_hub_and_the_image_agree(values: dict[str, Any]) -> None:
    user = values["singleuser"]
    image = dict(line.split("=", 1) for line in instructions("ENV"))
    assert user["extraEnv"] == {name: image[name] for name in ("QHELPERS_HOME", "QHELPERS_OFFLINE")}
    assert user["storage"]["homeMountPath"] == instructions("WORKDIR")[-1]
    assert user["uid"] == 1000
    notebook = PurePosixPath(user["defaultUrl"]).relative_to("/lab/tree/notebooks").stem
    assert notebook in NAMES
    copy = user["lifecycleHooks"]["postStart"]["exec"]["command"][-1]
    assert f"{instructions('WORKDIR')[0]}/notebooks {instructions('WORKDIR')[-1]}/" in copy


def capacity(columns: int) -> list[list[str]]:
    """Return the rows of the table of so many columns in "How many fit"."""
    page = (ROOT / "docs" / "teach" / "capacity.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## How many fit")
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if len(row) == columns and row[1][0].isdigit()]


def test_each_learner_has_room_for_what_was_measured(values: dict[str, Any]) -> None:
    memory = values["singleuser"]["memory"]
    guarantee, limit = (float(memory[key].removesuffix("G")) for key in ("guarantee", "limit"))
    measured = capacity(columns=len(run.HEADS))
    assert {row[0] for row in measured} >= {"00", "03", "06"}
    pss, rss = (run.HEADS.index(name) for name in ("PSS", "RSS"))
    assert guarantee >= max(doctor.MEMORY_GB, *(float(row[pss]) for row in measured))
    assert limit >= max(float(row[rss]) for row in measured)
    assert limit >= 2 * max(float(row[pss]) for row in measured)  # two kernels
    assert all(row[-1] == "0" for row in measured)


def test_the_nodes_for_so_many_learners_follow_from_the_values(values: dict[str, Any]) -> None:
    memory = float(values["singleuser"]["memory"]["guarantee"].removesuffix("G"))
    processors = values["singleuser"]["cpu"]["guarantee"]
    rows = capacity(columns=5)
    assert [int(row[0]) for row in rows] == [10, 30, 100, 300]
    for learners, *said in rows:
        each = [int(learners) * memory, int(learners) * processors]
        nodes = [math.ceil(int(learners) / ((node - 2) // memory)) for node in (16, 64)]
        assert [float(word.split()[0]) for word in said] == [*each, *nodes], learners


def test_the_options_that_stop_kernels_exist(values: dict[str, Any]) -> None:
    (file,) = values["singleuser"]["extraFiles"].values()
    options = file["data"]["MappingKernelManager"]
    assert set(options) <= set(MappingKernelManager.class_trait_names())
    assert MappingKernelManager(**options).cull_idle_timeout == options["cull_idle_timeout"]
