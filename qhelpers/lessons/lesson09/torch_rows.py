"""The scorecard's rows of the PyTorch networks, in a process of their own.

TensorFlow and PyTorch crash each other in one process, so a lesson with TensorFlow calls `refresh`,
which runs this module as `python -m qhelpers.lessons.lesson09.torch_rows`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from qhelpers.data import Digits
from qhelpers.evaluation import metrics, scorecard
from qhelpers.lessons.lesson09 import own_process

REFERENCE = "PyTorch float32"
_NETWORKS = (REFERENCE, "PyTorch static", "PyTorch dynamic", "PyTorch PT2E")


def refresh(digits: Digits) -> dict[str, str]:
    """Measure the PyTorch networks whose row is missing or stale; import no PyTorch here.

    Args:
        digits: the data; the other process loads the same.

    Returns:
        By row "kept" or "measured"; empty where PyTorch is not installed.

    Raises:
        RuntimeError: the other process failed.
    """
    if importlib.util.find_spec("torch") is None:
        return {}
    label = "PyTorch's networks, in a process of their own"
    return own_process.run(
        "qhelpers.lessons.lesson09.torch_rows", digits, label, steps=len(_NETWORKS)
    )


def update(digits: Digits) -> dict[str, str]:
    """Build the networks and measure those whose row is missing or stale; needs PyTorch.

    Args:
        digits: the data.

    Returns:
        By row "kept" or "measured".
    """
    import torch

    from qhelpers.pytorch import static, training

    torch.set_num_threads(1)
    float_net = training.trained_mlp(digits, show=False)
    nets: dict[str, Any] = {REFERENCE: float_net}
    print(REFERENCE, flush=True)
    nets["PyTorch static"] = static.eager(float_net, digits)
    nets["PyTorch dynamic"] = static.dynamic(float_net)
    print("static, dynamic", flush=True)
    if importlib.util.find_spec("torchao") is not None:
        nets["PyTorch PT2E"] = static.pt2e(float_net, digits)
        print("PT2E", flush=True)
    files = {name: training.saved(net) for name, net in nets.items()}
    stale = [
        name
        for name in nets
        if not scorecard.unchanged(name, digits.key, files[name], files[REFERENCE])
    ]
    if stale:
        image = training.to_tensor(digits.test_images[:1])
        reference = training.logits(float_net, digits.test_images)
        calls: dict[str, Callable[[], Any]] = {
            name: lambda net=nets[name]: net(image)  # type: ignore[misc]
            for name in dict.fromkeys([REFERENCE, *stale])
        }
        with torch.no_grad():
            times = metrics.latency(calls)
        for name in stale:
            scorecard.add(
                scorecard.row(
                    *(name, digits, files[name]),
                    training.logits(nets[name], digits.test_images),
                    reference,
                    lesson=9,
                    latency=times[name],
                    reference=REFERENCE,
                    reference_content=files[REFERENCE],
                )
            )
    return {name: "measured" if name in stale else "kept" for name in nets}


if __name__ == "__main__":
    data = own_process.data()
    own_process.answer(data, update(data))
