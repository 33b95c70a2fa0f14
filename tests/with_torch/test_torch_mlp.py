import subprocess
import sys

import numpy as np
import pytest
import torch

from qhelpers import paths
from qhelpers.pytorch import torch_cache, torch_mlp


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path))


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(torch_mlp, "schedule", lambda count: (16, 3))


def numbers(net):
    return torch.cat([value.flatten() for value in net.state_dict().values()])


def test_importing_it_does_not_import_pytorch():
    code = "import qhelpers.pytorch.torch_mlp, sys; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


def test_network_computes_what_the_article_writes():
    net = torch_mlp.build()
    x = torch.rand(5, 784)
    w1, b1, w2, b2 = net.parameters()
    expected = torch.relu(x @ w1.T + b1) @ w2.T + b2
    torch.testing.assert_close(net(x), expected)
    torch.testing.assert_close(net(x.view(5, 28, 28)), expected)
    assert sum(p.numel() for p in net.parameters()) == 784 * 128 + 128 + 128 * 10 + 10


@pytest.mark.filterwarnings("error")
def test_stubs_change_nothing_and_warn_of_nothing():
    plain, stubs = torch_mlp.build(), torch_mlp.build(with_stubs=True)
    assert {"quant", "dequant"} <= dict(stubs.named_children()).keys()
    assert not hasattr(plain, "quant")
    stubs.load_state_dict(plain.state_dict())
    x = torch.rand(3, 784)
    assert torch.equal(stubs(x), plain(x))


def test_same_tensors_as_torchvision():
    from torchvision import transforms

    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    theirs = torch.stack([transform(image[:, :, None]) for image in images]).flatten(1)
    ours = torch_mlp.to_tensor(images)
    assert ours.dtype == torch.float32
    assert torch.equal(ours, theirs)


@pytest.mark.filterwarnings("error")
def test_to_tensor_leaves_read_only_images_alone(few):
    images = few.train_images.copy()
    images.flags.writeable = False
    before = images.copy()
    torch_mlp.to_tensor(images)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 28, 28), np.float32), np.zeros((2, 784), np.uint8), np.zeros((28, 28), np.uint8)],
)
def test_to_tensor_says_what_it_takes(images):
    with pytest.raises(ValueError, match=r"must be uint8 \[n, 28, 28\]; got"):
        torch_mlp.to_tensor(images)


def test_schedule():
    assert torch_mlp.schedule(60_000) == (64, 2)
    batch, epochs = torch_mlp.schedule(1_297)
    assert batch == 16
    steps = epochs * -(-1_297 // batch)
    assert steps == pytest.approx(2 * 938, rel=0.05)


def test_training_learns(few):
    net = torch_mlp.build()
    history = torch_mlp.train(net, few, epochs=20, show=False)
    assert [len(values) for values in history.values()] == [20, 20]
    assert history["loss"][-1] < history["loss"][0] / 2
    assert history["accuracy"][-1] >= 0.9
    predictions = torch_mlp.logits(net, few.test_images).argmax(axis=1)
    assert np.mean(predictions == few.test_labels) >= 0.9


def test_training_takes_the_articles_steps(few, monkeypatch):
    """The same batches through plain PyTorch end at the same weights."""
    monkeypatch.setattr(torch_mlp, "schedule", lambda count: (64, 2))
    net, other = torch_mlp.build(), torch_mlp.build()
    torch_mlp.train(net, few, show=False)

    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    images, labels = torch_mlp.to_tensor(few.train_images), torch.from_numpy(few.train_labels)
    for _ in range(2):
        for chosen in torch.randperm(80, generator=generator).split(64):
            optimizer.zero_grad()
            criterion(other(images[chosen]), labels[chosen].long()).backward()
            optimizer.step()
    torch.testing.assert_close(numbers(net), numbers(other))


def test_same_result_whatever_ran_before_and_nothing_disturbed(few):
    results = []
    for seed, threads in [(1, 1), (2, 2)]:
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        state = torch.get_rng_state()
        net = torch_mlp.build()
        torch_mlp.train(net, few, epochs=1, show=False)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == threads
        results.append(numbers(net))
    assert torch.equal(*results)


def test_trained_once_then_read(few, fast, monkeypatch):
    first = torch_mlp.trained(few, show=False)
    assert not first.training
    (path,) = (paths.home() / "models").iterdir()
    assert few.key in path.name
    assert path.suffix == ".pt"
    monkeypatch.setattr(torch_mlp, "train", lambda *_, **__: pytest.fail("trained again"))
    again = torch_mlp.trained(few, show=False)
    assert not again.training
    assert torch.equal(numbers(first), numbers(again))


def cut(content):
    return content[: len(content) // 2]


def flip_a_bit(content):
    middle = len(content) // 2  # among the weights
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def another_network(content):
    net = torch.nn.Linear(3, 2)
    return torch_cache.saved(net)


@pytest.mark.parametrize(
    "damage", [cut, flip_a_bit, another_network, lambda content: b"", lambda content: b"no zip"]
)
def test_damaged_cache_is_reported_and_replaced(few, fast, capsys, damage):
    good = torch_mlp.trained(few, show=False)
    (path,) = (paths.home() / "models").iterdir()
    content = path.read_bytes()
    path.write_bytes(damage(content))
    again = torch_mlp.trained(few, show=False)
    assert torch.equal(numbers(good), numbers(again))
    output = capsys.readouterr()
    assert output.out.count("\n") == 1
    assert "damaged" in output.out
    assert path.name in output.out
    assert path.read_bytes() == content


def test_nothing_is_unpickled(few, fast, capsys):
    torch_mlp.trained(few, show=False)
    (path,) = (paths.home() / "models").iterdir()
    torch.save({"fc1.weight": subprocess.Popen}, path)
    torch_mlp.trained(few, show=False)
    assert "damaged" in capsys.readouterr().out


def test_logits_in_batches(few):
    net = torch_mlp.build().eval()
    images = np.concatenate([few.train_images] * 13)  # 1,040: more than one batch
    outputs = torch_mlp.logits(net, images)
    assert outputs.dtype == np.float32
    with torch.no_grad():
        np.testing.assert_allclose(outputs, net(torch_mlp.to_tensor(images)).numpy(), rtol=1e-4)
    assert torch_mlp.logits(net, images[:0]).shape == (0, 10)


def test_state_bytes_is_the_file_size(tmp_path):
    net = torch_mlp.build()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    weights = 4 * sum(p.numel() for p in net.parameters())
    assert weights < torch_mlp.state_bytes(net) < weights + 4_000
    assert torch_mlp.state_bytes(net) == pytest.approx(
        (tmp_path / "net.pt").stat().st_size, abs=200
    )


def test_missing_pytorch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"\.\[torch\]"):
        torch_mlp.build()
