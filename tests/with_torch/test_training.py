"""The training loop against plain PyTorch, and trained networks that are kept in files."""

import io
import os
import subprocess

import numpy as np
import pytest
import torch

from qhelpers import paths
from qhelpers.pytorch import networks, training


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("QHELPERS_HOME", str(tmp_path))


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(training, "mlp_schedule", lambda count: (15, 16))
    monkeypatch.setattr(training, "cnn_schedule", lambda count: (60, 32))


def numbers(net):
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


def files():
    return sorted((paths.home() / "models").iterdir())


# --- images and logits ----------------------------------------------------------------------------


def test_same_tensors_as_torchvision():
    from torchvision import transforms

    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    theirs = torch.stack([transform(image[:, :, None]) for image in images]).flatten(1)
    ours = training.to_tensor(images)
    assert ours.dtype == torch.float32
    assert torch.equal(ours, theirs)


@pytest.mark.filterwarnings("error")
def test_to_tensor_leaves_read_only_images_alone(few):
    images = few.train_images.copy()
    images.flags.writeable = False
    before = images.copy()
    training.to_tensor(images)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 28, 28), np.float32), np.zeros((2, 784), np.uint8), np.zeros((28, 28), np.uint8)],
)
def test_to_tensor_says_what_it_takes(images):
    with pytest.raises(ValueError, match=r"must be uint8 \[n, 28, 28\]; got"):
        training.to_tensor(images)


@pytest.mark.parametrize("batch", [7, 100, 200])
def test_logits_in_batches(few, batch):
    net, images = networks.mlp(), np.concatenate([few.train_images] * 2)
    outputs = training.logits(net, images, batch)
    assert outputs.dtype == np.float32
    with torch.no_grad():
        expected = net(training.to_tensor(images)).numpy()
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)


def test_saved_is_the_file(tmp_path):
    net = networks.mlp()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    weights = 4 * sum(p.numel() for p in net.parameters())
    assert weights < len(training.saved(net)) < weights + 4_000
    assert len(training.saved(net)) == pytest.approx((tmp_path / "net.pt").stat().st_size, abs=200)


# --- the loop -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sgd", [True, False])
def test_same_steps_as_plain_pytorch(few, sgd):
    images, labels = few.train_images, few.train_labels
    net, other = networks.mlp(), networks.mlp()
    losses = training.fit(net, images, labels, 7, 1e-3, batch=32, seed=5, sgd=sgd)

    optimizer = (torch.optim.SGD if sgd else torch.optim.Adam)(other.parameters(), lr=1e-3)
    rate = (lambda step: 1) if sgd else (lambda step: 1 - step / 7)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    generator = torch.Generator().manual_seed(5)
    x, y = training.to_tensor(images), torch.from_numpy(labels).long()
    expected = []
    while len(expected) < 7:
        for chosen in torch.randperm(80, generator=generator).split(32):  # 32, 32 and 16
            if len(expected) < 7:
                loss = torch.nn.functional.cross_entropy(other(x[chosen]), y[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                expected.append(loss.item())
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    torch.testing.assert_close(numbers(net), numbers(other))


def test_repeatable_and_nothing_disturbed(few):
    results, images, labels = [], few.train_images, few.train_labels
    for threads in (1, 2):
        torch.set_num_threads(threads)
        torch.manual_seed(threads)
        state = torch.get_rng_state()
        net = networks.mlp()
        training.fit(net, images, labels, 3, 1e-3)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == threads
        results.append(numbers(net))
    assert torch.equal(*results)
    other = networks.mlp()
    training.fit(other, images, labels, 3, 1e-3, seed=1)
    assert not torch.equal(results[0], numbers(other))


def test_callback_after_each_step_and_mode_left_alone(few, capsys):
    net, seen = networks.mlp().eval(), []
    training.fit(
        *(net, few.train_images, few.train_labels, 3, 1e-3),
        each_step=lambda step: seen.append((step, numbers(net))),
    )
    assert [step for step, _ in seen] == [0, 1, 2]
    assert not torch.equal(seen[0][1], seen[1][1])
    assert torch.equal(seen[-1][1], numbers(net))
    assert not net.training
    assert capsys.readouterr().out == ""


def test_what_needs_no_gradient_is_left_alone(few):
    net = networks.mlp()
    net.fc1.requires_grad_(False)
    before = net.fc1.weight.clone()
    training.fit(net, few.train_images, few.train_labels, 2, 1e-2)
    assert torch.equal(before, net.fc1.weight)


# --- trained networks -----------------------------------------------------------------------------


def test_schedules():
    assert training.mlp_schedule(60_000) == (2 * 938, 64)
    steps, batch = training.mlp_schedule(1_297)
    assert (batch, steps % -(-1_297 // 16)) == (16, 0)
    assert steps == pytest.approx(2 * 938, rel=0.05)
    assert training.cnn_schedule(60_000) == (1000, 64)
    assert training.cnn_schedule(1_297) == (600, 32)


def test_mlp_is_trained_as_tutorials_train_it(few, monkeypatch):
    """Two epochs of plain gradient descent through a DataLoader's batches, rate 0.01."""
    monkeypatch.setattr(training, "mlp_schedule", lambda count: (4, 64))
    other = networks.mlp()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    images, labels = training.to_tensor(few.train_images), torch.from_numpy(few.train_labels)
    for _ in range(2):
        for chosen in torch.randperm(80, generator=generator).split(64):
            optimizer.zero_grad()
            torch.nn.CrossEntropyLoss()(other(images[chosen]), labels[chosen].long()).backward()
            optimizer.step()
    net = training.trained_mlp(few)
    torch.testing.assert_close(numbers(net), numbers(other))


RECIPES = {
    "mlp": training.trained_mlp,
    "cnn": training.trained_cnn,
    "residual_cnn": lambda digits: training.trained_cnn(digits, residual=True),
}


@pytest.mark.parametrize("name", RECIPES)
def test_trained_once_then_read(few, fast, monkeypatch, name):
    first = RECIPES[name](few)
    assert not first.training
    if name != "mlp":
        found = training.logits(first, few.test_images).argmax(axis=1)
        assert np.mean(found == few.test_labels) >= 0.9
    (path,) = files()
    assert few.key in path.name
    assert path.name.startswith(f"torch_{name}-")
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = RECIPES[name](few)
    assert not again.training
    assert torch.equal(numbers(first), numbers(again))


def cut(content):
    return content[: len(content) // 2]


def flip_a_bit(content):
    middle = len(content) // 2  # among the weights
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def file_of(*arrays):
    stream = io.BytesIO()
    np.savez(stream, *arrays)
    return stream.getvalue()


def weights_of(net):
    return [tensor.numpy() for tensor in net.state_dict().values()]


def another_network(content):
    return file_of(*weights_of(torch.nn.Linear(3, 2)))


def another_shape(content):
    """One layer fits, and must not be taken over before the other is seen not to."""
    net = networks.mlp()
    torch.nn.init.zeros_(net.fc1.weight)
    net.fc2 = torch.nn.Linear(128, 9)
    return file_of(*weights_of(net))


def not_a_number(content):
    net = networks.mlp()
    torch.nn.init.constant_(net.fc2.bias[3:4], float("nan"))
    return file_of(*weights_of(net))


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        flip_a_bit,
        another_network,
        another_shape,
        not_a_number,
        lambda content: file_of(*weights_of(networks.mlp())[:-1]),
        lambda content: file_of(*([subprocess.Popen] * 4)),  # nothing is unpickled
        lambda content: b"",
        lambda content: b"no zip",
    ],
)
def test_damaged_cache_is_reported_and_replaced(few, fast, capsys, damage):
    good = training.trained_mlp(few)
    (path,) = files()
    content = path.read_bytes()
    path.write_bytes(damage(content))
    again = training.trained_mlp(few)
    assert torch.equal(numbers(good), numbers(again))
    output = capsys.readouterr()
    assert output.out.count("\n") == 1
    assert "damaged" in output.out
    assert path.name in output.out
    assert path.read_bytes() == content


def test_a_folder_in_place_of_the_file_is_left_alone(few, fast, capsys):
    good = training.trained_mlp(few)
    (path,) = files()
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("kept")
    again = training.trained_mlp(few)
    assert torch.equal(numbers(good), numbers(again))
    assert "cannot be read" in capsys.readouterr().out
    assert (path / "mine").read_text() == "kept"


def test_a_network_that_cannot_be_kept_is_returned_all_the_same(few, fast, capsys, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paths, "write_atomically", full)
    net = training.trained_mlp(few)
    assert not net.training
    assert "could not be kept" in capsys.readouterr().out
    assert not os.path.exists(paths.home() / "models")
