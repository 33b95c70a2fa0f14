import numpy as np
import pytest
import torch

from qhelpers.pytorch import torch_mlp, torch_train


@pytest.fixture(scope="module")
def few(few):
    return few.train_images, few.train_labels


def numbers(net):
    return torch.cat([value.flatten() for value in net.state_dict().values()])


@pytest.mark.parametrize("momentum", [None, 0.9])
def test_same_steps_as_plain_pytorch(few, momentum):
    images, labels = few
    net, other = torch_mlp.build(), torch_mlp.build()
    losses = torch_train.fit(net, images, labels, 7, 1e-3, batch=32, seed=5, momentum=momentum)

    optimizer = (
        torch.optim.Adam(other.parameters(), lr=1e-3)
        if momentum is None
        else torch.optim.SGD(other.parameters(), lr=1e-3, momentum=momentum)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 7)
    generator = torch.Generator().manual_seed(5)
    x, y = torch_mlp.to_tensor(images), torch.from_numpy(labels).long()
    expected = []
    while len(expected) < 7:
        order = torch.randperm(80, generator=generator)
        for chosen in (order[:32], order[32:64]):  # the last 16 are no full batch
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
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        torch.manual_seed(threads)
        state = torch.get_rng_state()
        net = torch_mlp.build()
        torch_train.fit(net, *few, 3, 1e-3)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == threads
        results.append(numbers(net))
    assert torch.equal(*results)
    other = torch_mlp.build()
    torch_train.fit(other, *few, 3, 1e-3, seed=1)
    assert not torch.equal(results[0], numbers(other))


def test_callback_after_each_step_and_mode_left_alone(few, capsys):
    net, seen = torch_mlp.build().eval(), []
    torch_train.fit(
        net, *few, 3, 1e-3, each_step=lambda step: seen.append((step, numbers(net))), label="bar"
    )
    assert [step for step, _ in seen] == [0, 1, 2]
    assert not torch.equal(seen[0][1], seen[1][1])
    assert torch.equal(seen[-1][1], numbers(net))
    assert not net.training
    assert capsys.readouterr().out == ""


def test_what_needs_no_gradient_is_left_alone(few):
    net = torch_mlp.build()
    net.fc1.requires_grad_(False)
    before = net.fc1.weight.clone()
    torch_train.fit(net, *few, 2, 1e-2)
    assert torch.equal(before, net.fc1.weight)


@pytest.mark.parametrize(
    ("steps", "rate", "batch"), [(0, 1e-3, 8), (1, 0, 8), (1, -1, 8), (1, 1e-3, 0), (1, 1e-3, 81)]
)
def test_arguments_that_cannot_work(few, steps, rate, batch):
    with pytest.raises(ValueError, match=r"batch of 1 to 80.*got steps="):
        torch_train.fit(torch_mlp.build(), *few, steps, rate, batch=batch)


def test_each_image_needs_a_label(few):
    images, labels = few
    with pytest.raises(ValueError, match="80 images and 79 labels"):
        torch_train.fit(torch_mlp.build(), images, labels[:-1], 1, 1e-3)


@pytest.mark.parametrize("batch", [7, 200])
def test_logits_in_batches(few, batch):
    net = torch_mlp.build()
    outputs = torch_train.logits(net, few[0], batch)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, torch_mlp.logits(net, few[0]), rtol=1e-4, atol=1e-6)
    assert torch_train.logits(net, few[0][:0]).shape == (0, 10)
