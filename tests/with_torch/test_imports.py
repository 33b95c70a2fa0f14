"""What PyTorch would import later is there at once: a stop in the middle breaks the kernel."""

from __future__ import annotations

import subprocess
import sys

CODE = """\
import sys
from qhelpers.pytorch import networks
before = set(sys.modules)
import torch
torch.optim.Adam(networks.mlp().parameters())
print(sorted(name for name in set(sys.modules) - before if name.startswith("torch.")))
"""


def test_an_optimizer_imports_nothing_more() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
