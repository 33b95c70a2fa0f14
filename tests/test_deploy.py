"""What `deploy/` names exists: files, versions, commands, options."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from course_files import NAMES, ROOT
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


def test_each_learner_has_room_for_a_kernel(values: dict[str, Any]) -> None:
    memory = values["singleuser"]["memory"]
    guarantee, limit = (float(memory[key].removesuffix("G")) for key in ("guarantee", "limit"))
    assert guarantee >= doctor.MEMORY_GB
    assert limit >= 2 * 1.4  # the largest kernel that was measured, twice


def test_the_options_that_stop_kernels_exist(values: dict[str, Any]) -> None:
    (file,) = values["singleuser"]["extraFiles"].values()
    options = file["data"]["MappingKernelManager"]
    assert set(options) <= set(MappingKernelManager.class_trait_names())
    assert MappingKernelManager(**options).cull_idle_timeout == options["cull_idle_timeout"]
