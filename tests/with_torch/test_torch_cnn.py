import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from qhelpers import paths
from qhelpers.pytorch import torch_cnn, torch_train


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path))


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(torch_cnn, "schedule", lambda count: (60, 32))


def numbers(net):
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


def test_importing_it_does_not_import_pytorch():
    code = (
        "import qhelpers.pytorch.torch_cnn, qhelpers.pytorch.torch_train, sys;"
        "print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


def test_network_computes_what_its_name_says():
    net, x = torch_cnn.build(), torch.rand(5, 784)
    maps = functional.conv2d(x.view(5, 1, 28, 28), net.conv.weight, net.conv.bias)
    pooled = functional.max_pool2d(torch.relu(maps), 2).reshape(5, 12 * 13 * 13)
    expected = pooled @ net.fc.weight.T + net.fc.bias
    torch.testing.assert_close(net(x), expected)
    torch.testing.assert_close(net(x.view(5, 28, 28)), expected)
    assert sum(p.numel() for p in net.parameters()) == 20_410


def test_batch_normalization_in_use():
    net, x = torch_cnn.build(batch_norm=True).eval(), torch.rand(5, 784)
    assert net.conv.bias is None
    net.bn.running_mean.uniform_(-1, 1)
    net.bn.running_var.uniform_(0.5, 2)
    maps = functional.conv2d(x.view(5, 1, 28, 28), net.conv.weight)
    mean, var = (t.view(1, 12, 1, 1) for t in (net.bn.running_mean, net.bn.running_var))
    maps = (maps - mean) / torch.sqrt(var + net.bn.eps)  # gamma 1, beta 0: untrained
    pooled = functional.max_pool2d(torch.relu(maps), 2).reshape(5, 12 * 13 * 13)
    torch.testing.assert_close(net(x), net.fc(pooled), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("batch_norm", [False, True])
def test_stubs_change_nothing_and_warn_of_nothing(batch_norm):
    plain, stubs = torch_cnn.build(batch_norm), torch_cnn.build(batch_norm, with_stubs=True)
    stubs.load_state_dict(plain.state_dict())
    x = torch.rand(3, 784)
    assert torch.equal(stubs.eval()(x), plain.eval()(x))
    assert type(stubs.quant).__name__ == "QuantStub"
    assert type(plain.quant).__name__ == "Identity"


def test_same_weights_whatever_ran_before():
    torch.manual_seed(1)
    first, state = torch_cnn.build(), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(numbers(first), numbers(torch_cnn.build()))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_schedule():
    assert torch_cnn.schedule(60_000) == (1000, 64)
    assert torch_cnn.schedule(1_297) == (600, 32)


def test_trained_once_then_read(few, fast, monkeypatch):
    first = torch_cnn.trained(few, show=False)
    assert not first.training
    found = torch_train.logits(first, few.test_images).argmax(axis=1)
    assert np.mean(found == few.test_labels) >= 0.9
    (path,) = (paths.home() / "models").iterdir()
    assert few.key in path.name
    monkeypatch.setattr(torch_train, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = torch_cnn.trained(few, show=False)
    assert not again.training
    assert torch.equal(numbers(first), numbers(again))


def test_damaged_cache_is_reported_and_replaced(few, fast, capsys):
    good = torch_cnn.trained(few)
    (path,) = (paths.home() / "models").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    again = torch_cnn.trained(few, show=False)
    assert torch.equal(numbers(good), numbers(again))
    assert "damaged" in capsys.readouterr().out
    assert path.read_bytes() == content


def test_missing_pytorch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"\.\[torch\]"):
        torch_cnn.build()
