"""The course's two networks: what they compute, with stubs and without."""

import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from qhelpers.pytorch import networks


def numbers(net):
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


def test_missing_pytorch_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None; import qhelpers.pytorch.networks"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert 'ImportError: torch is not installed. Install it with: pip install -e ".[torch]"' in (
        result.stderr
    )


def test_mlp_computes_what_its_name_says():
    net, x = networks.mlp(), torch.rand(5, 784)
    w1, b1, w2, b2 = net.parameters()
    expected = torch.relu(x @ w1.T + b1) @ w2.T + b2
    torch.testing.assert_close(net(x), expected)
    torch.testing.assert_close(net(x.view(5, 28, 28)), expected)
    assert sum(p.numel() for p in net.parameters()) == 784 * 128 + 128 + 128 * 10 + 10


def test_cnn_without_batch_normalization():
    net, x = networks.cnn(batch_norm=False), torch.rand(5, 784)
    maps = functional.conv2d(x.view(5, 1, 28, 28), net.conv.weight, net.conv.bias)
    pooled = functional.max_pool2d(torch.relu(maps), 2).reshape(5, 12 * 13 * 13)
    expected = pooled @ net.fc.weight.T + net.fc.bias
    torch.testing.assert_close(net(x), expected)
    torch.testing.assert_close(net(x.view(5, 28, 28)), expected)
    assert sum(p.numel() for p in net.parameters()) == 20_410


def normalized(bn, maps):
    mean, var = (t.view(1, 12, 1, 1) for t in (bn.running_mean, bn.running_var))
    return (maps - mean) / torch.sqrt(var + bn.eps)  # gamma 1, beta 0: untrained


@pytest.mark.parametrize("residual", [False, True])
def test_cnn_with_batch_normalization(residual):
    net, x = networks.cnn(residual=residual).eval(), torch.rand(5, 784)
    assert net.conv.bias is None
    for bn in [net.bn, net.bn2] if residual else [net.bn]:
        bn.running_mean.uniform_(-1, 1)
        bn.running_var.uniform_(0.5, 2)
    maps = functional.conv2d(x.view(5, 1, 28, 28), net.conv.weight)
    pooled = functional.max_pool2d(torch.relu(normalized(net.bn, maps)), 2)
    if residual:
        second = functional.conv2d(pooled, net.conv2.weight, padding=1)
        pooled = torch.relu(pooled + normalized(net.bn2, second))
    torch.testing.assert_close(net(x), net.fc(pooled.flatten(1)), rtol=1e-4, atol=1e-5)


ALL = [
    (networks.mlp, {}),
    (networks.cnn, {}),
    (networks.cnn, {"batch_norm": False}),
    (networks.cnn, {"residual": True}),
    (networks.cnn, {"residual": True, "batch_norm": False}),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("build", "options"), ALL)
def test_stubs_change_nothing_and_warn_of_nothing(build, options):
    plain, stubs = build(**options).eval(), build(**options, stubs=True).eval()
    stubs.load_state_dict(plain.state_dict())
    x = torch.rand(3, 784)
    assert torch.equal(stubs(x), plain(x))
    assert (type(stubs.quant).__name__, type(stubs.dequant).__name__) == (
        "QuantStub",
        "DeQuantStub",
    )
    assert type(plain.quant) is type(plain.dequant) is torch.nn.Identity


@pytest.mark.parametrize(("build", "options"), ALL)
def test_same_weights_whatever_ran_before(build, options):
    torch.manual_seed(1)
    first, state = build(**options), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(numbers(first), numbers(build(**options)))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())
