from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from types import SimpleNamespace

import nbclient
import nbformat
import numpy as np
import pytest

from qhelpers.notebook import lesson

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    """Keep what a lesson writes and sets inside one test."""
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "home"))
    with warnings.catch_warnings():
        yield


# claim


@pytest.mark.parametrize("holds", [True, np.True_, np.float32(1) < 2])
def test_a_claim_that_holds_prints_a_tick_and_its_figure(holds, capsys):
    lesson.claim("the file is smaller", holds, "3.46x")
    assert capsys.readouterr().out == "✓ the file is smaller: 3.46x\n"


def test_a_claim_without_a_figure_has_no_colon(capsys):
    lesson.claim("plain conversion quantizes nothing", True)
    assert capsys.readouterr().out == "✓ plain conversion quantizes nothing\n"


@pytest.mark.parametrize("holds", [False, np.False_])
def test_a_claim_that_fails_stops_the_notebook(holds, capsys):
    with pytest.raises(lesson.ClaimError) as caught:
        lesson.claim("the file is smaller", holds, "0.9x")
    assert str(caught.value) == "✗ the file is smaller: 0.9x"
    assert isinstance(caught.value, AssertionError)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("holds", "got"),
    [
        (np.array([True, True]), r"ndarray of shape \(2,\)"),
        (1, "got int"),
        ("yes", "got str"),
        (None, "got NoneType"),
    ],
)
def test_a_claim_needs_a_comparison(holds, got):
    with pytest.raises(TypeError, match=got) as caught:
        lesson.claim("anything", holds)
    assert "Pass a comparison" in str(caught.value)
    assert ".all()" in str(caught.value)


def test_claim_comes_from_the_package_too():
    from qhelpers import claim

    assert claim is lesson.claim


# start, outside a notebook


def test_start_says_one_line_and_seeds(capsys):
    lesson.start("03_full_integer")
    assert capsys.readouterr() == ("Lesson 03 is ready.\n", "")
    first = random.random(), np.random.rand()  # noqa: NPY002
    lesson.start("03")
    assert (random.random(), np.random.rand()) == first  # noqa: NPY002


def test_without_a_clone_it_says_what_it_found(capsys, monkeypatch):
    monkeypatch.setattr(lesson.paths, "clone", lambda: None)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.11.0+cpu"))
    monkeypatch.setattr(lesson, "_quiet_and_seed_after_import", lambda: None)
    lesson.start("06", ["torch"])
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, torch 2.11.0+cpu"
    assert capsys.readouterr().out == f"Lesson 06 is ready. {versions}.\n"


@pytest.mark.parametrize("name", ["full_integer", "3", "", "03-full", "03_a/../b", "03_a b"])
def test_start_refuses_a_name_that_could_not_be_a_file(name):
    with pytest.raises(ValueError, match="03_full_integer"):
        lesson.start(name)


def test_start_refuses_a_framework_that_it_does_not_know():
    with pytest.raises(KeyError, match="jax"):
        lesson.start("03", ["torch", "jax"])


@pytest.mark.parametrize(
    ("framework", "extra"),
    [("ai_edge_litert", "litert"), ("torch", "torch"), ("torchao", "torchao")],
)
def test_a_missing_framework_names_an_extra_that_exists(framework, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, framework, None)
    with pytest.raises(ImportError, match=rf'pip install -e "\.\[{extra}\]"'):
        lesson.start("03", [framework])
    assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_start_says_which_folder_is_not_writable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path / "file"))
    with pytest.raises(PermissionError, match="QHELPERS_HOME"):
        lesson.start("03")


def test_start_without_frameworks_imports_none():
    code = """
        import sys
        from qhelpers.notebook import lesson
        assert "matplotlib" not in sys.modules
        lesson.start("00_start_here")
        print(sorted({"tensorflow", "keras", "torch", "torchao", "absl"} & set(sys.modules)))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    assert result.stdout == "Lesson 00 is ready.\n[]\n"


def _caught(category: type[Warning], message: str, module: str) -> bool:
    """Say whether a warning is shown after a lesson has started."""
    lesson.start("06")
    with warnings.catch_warnings(record=True) as shown:
        warnings.warn_explicit(message, category, "file.py", 1, module=module, registry={})
    return bool(shown)


@pytest.mark.parametrize(
    ("category", "message", "module"),
    [
        (DeprecationWarning, "torch.ao.quantization is deprecated and will be", "__main__"),
        (UserWarning, "Statistics for quantized inputs were expected, but", "tensorflow.lite"),
        (UserWarning, "    Warning: tf.lite.Interpreter is deprecated and", "__main__"),
        (
            UserWarning,
            "Please use quant_min and quant_max to specify the range for observers.",
            "x",
        ),
        (DeprecationWarning, "__array__ implementation doesn't accept", "keras.src.backend"),
        (FutureWarning, "anything", "torch"),
    ],
)
def test_known_noise_is_not_shown(category, message, module):
    warnings.simplefilter("always")
    assert not _caught(category, message, module)


@pytest.mark.parametrize(
    ("category", "message", "module"),
    [
        (UserWarning, "mine", "__main__"),
        (DeprecationWarning, "mine", "__main__"),
        (FutureWarning, "mine", "torchlike"),
        (RuntimeWarning, "overflow encountered in cast", "__main__"),
        # What the lesson on calibration wants seen.
        (UserWarning, "must run observer before calling calculate_qparams", "torch.ao.x"),
        (UserWarning, "None of the submodule got qconfig applied.", "torch.ao.x"),
    ],
)
def test_other_warnings_stay(category, message, module):
    warnings.simplefilter("always")
    assert _caught(category, message, module)


# start, in a real kernel

QUIET = """
import os, sys, time, warnings
def native(text):
    os.write(2, (text + "\\n").encode())
    time.sleep(0.3)  # the kernel reads its pipe in a thread
"""


@pytest.fixture
def run_notebook(tmp_path, monkeypatch):
    """Run cells in a kernel and return the outputs of each, joined: {"stdout": ..., ...}."""
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(*cells: str, allow_errors: bool = False) -> list[dict[str, str]]:
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
        )
        client = nbclient.NotebookClient(
            notebook,
            timeout=60,
            kernel_name="python3",
            allow_errors=allow_errors,
            resources={"metadata": {"path": str(tmp_path)}},
        )
        # ipykernel leaves descriptor 2 alone where it sees pytest, which sets this for each phase.
        monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
        client.execute()
        joined = []
        for cell in notebook.cells:
            outputs: dict[str, str] = {}
            for output in cell.outputs:
                kind = output.get("name", output.output_type)
                text = output.get("text") or output.get("evalue") or str(output.get("data"))
                outputs[kind] = outputs.get(kind, "") + text
            joined.append(outputs)
        return joined

    return run


def test_native_stderr_of_a_kernel_goes_to_the_log_and_nothing_else_does(run_notebook, tmp_path):
    start = "from qhelpers.notebook import lesson\nlesson.start('03_full_integer')"
    talk = (
        "native('from C++')\nprint('printed')\nwarnings.warn('mine')\nsys.stderr.write('err\\n');"
    )
    before, *after = run_notebook(
        QUIET + "native('before')",
        start,
        talk,
        "lesson.start('04_float16')",
        talk,
        "1 / 0",
        "import subprocess\nprint(subprocess.run('echo child >&2', shell=True).returncode)",
        "import matplotlib.pyplot as plt\n"
        "from qhelpers.notebook import style\n"
        "figure, axes = style.new(title='t')\n"
        "print(plt.get_backend().split('.')[-1], plt.rcParams['figure.dpi'])\n"
        "style.finish()",
        "print('still here')",
        allow_errors=True,
    )
    # The control: without a lesson the notebook does show it.
    assert before == {"stderr": "before\n"}
    assert after[0] == {"stdout": "Lesson 03 is ready.\n"}
    assert after[2] == {"stdout": "Lesson 04 is ready.\n"}
    for talked in (after[1], after[3]):
        assert talked["stdout"] == "printed\n"
        assert "UserWarning: mine" in talked["stderr"]
        assert talked["stderr"].endswith("err\n")
        assert "C++" not in str(talked)
    assert after[4] == {"error": "division by zero"}
    assert after[5] == {"stdout": "0\n"}
    assert after[6]["stdout"].endswith("inline 110.0\n")
    assert "image/png" in after[6]["display_data"]
    assert after[7] == {"stdout": "still here\n"}
    logs = tmp_path / "home" / "logs"
    assert (logs / "03_full_integer.log").read_text() == "from C++\n"
    assert (logs / "04_float16.log").read_text() == "from C++\nchild\n"


def test_a_log_is_appended_to(run_notebook, tmp_path):
    log = tmp_path / "home" / "logs" / "05.log"
    log.parent.mkdir(parents=True)
    log.write_text("earlier\n")
    run_notebook(
        QUIET + "from qhelpers.notebook import lesson\nlesson.start('05')\nnative('later')"
    )
    assert log.read_text() == "earlier\nlater\n"
