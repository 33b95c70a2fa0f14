"""What guards lesson 07; runs behind its last cell, in its namespace."""

folded, plain = (training.logits(n, digits.test_images) for n in (nets["CNN"], normalized))
assert np.abs(folded - plain).max() < 1e-3, "folding changes logits"
assert float_accuracy["CNN"].value > 0.93, "the CNN does not read digits"
assert float_accuracy["dense"].value > 0.85, "the dense network does not read digits"
for network in after:
    lost = float_accuracy[network].value - after[network]["largest"][8].value
    assert lost < 0.01, "eight bits lose more than a point"
one, other = (training.logits(n, digits.test_images) for n in (normalized, uneven))
assert np.array_equal(one, other), "the uneven network gives other logits"
for network in after:
    better, worse = (after[network][how][2].value for how in ("smallest error", "largest"))
    assert better > worse + 0.01, "the better range is no better at 2 bits"
assert (true_slope == 0).all(), "rounding has a slope"
assert torch.equal(faked.detach(), staircase.detach()), "fake quantization is not the staircase"
inner = weights.detach().abs() < 1.25 - 1e-3
outer = weights.detach().abs() > 1.25 + 1e-3
assert (weights.grad[inner] == 1).all(), "inside, the gradient does not pass"
assert (weights.grad[outer] == 0).all(), "outside, the gradient passes"

# The same values and gradients as PyTorch's own, on real weights of which some are clipped.
found_pair = []
for function in (
    lambda w: FakeQuantize.apply(w, torch.tensor(0.0007), -127, 127),
    lambda w: torch.fake_quantize_per_tensor_affine(w, 0.0007, 0, -127, 127),
):
    w = nets["dense"].fc1.weight.detach().clone().requires_grad_()
    value = function(w)
    (value * torch.linspace(-1, 1, w.numel()).reshape(w.shape)).sum().backward()
    found_pair.append((value.detach(), w.grad))
assert torch.allclose(found_pair[0][0], found_pair[1][0], atol=0.00071), "values differ"
assert (found_pair[0][1] != found_pair[1][1]).float().mean() < 1e-3, "gradients differ"

# The learned scale's gradient, by the definition: numeric in the scale with levels held still.
x = torch.tensor([[0.2, -0.9, 3.0, -3.0]])
scale_in = torch.tensor([[0.5]], requires_grad=True)
LearnedScale.apply(x, scale_in, -1, 1).sum().backward()
assert abs(scale_in.grad.item() - ((0 - 0.4) - 1 + 1 - 1)) < 1e-6, "LSQ's gradient"
clipped = [
    float(
        (n.fc.parametrizations.weight.original / n.fc.parametrizations.weight[0].scale)
        .round()
        .abs()
        .gt(1)
        .float()
        .mean()
    )
    for n in (rounded(nets["CNN"], 2, by_max), rounded(nets["CNN"], 2, by_mse))
]
assert clipped[0] == 0 < clipped[1], "clipping has no work"
assert sum(t.numel() for t in kept) == 20_388, "some weights are no integers"
fakes = [m for m in aware.modules() if isinstance(m, pt2e.FakeQuantizeBase)]
assert len(fakes) == 4, "fake quantization for 2 weights and 2 activations"
assert max(len(row.unique()) for row in watched.fc.weight) <= 3, "more than three levels"
if len(digits.train_images) > 10_000:  # MNIST
    _, better_start, learned_from_bad, *_ = adds["CNN"]
    assert learned_from_bad.low > 0, "a learned scale does not mend a bad start"
    better = better_start.low > learned_from_bad.low
    assert better, "a good start is worth less than a learned scale"
    assert adds["dense"][1].value < 0.01, "the dense network needs a good start too"
_, cured = tried(seven_bits=False)
assert cured > decibels + 1, "the eighth bit does not cure the uneven CNN"
for other_change in ({"images": 5000}, {"histogram": False}, {"per_channel": False}):
    assert tried(**other_change)[1] < decibels + 0.5, "another change cures it as well"
for plan in ("Uneven PT2E", "Uneven QAT"):
    assert len(files[plan][0]) < len(reference) / 3, "the plan still holds float weights"
for network in (two_bits["CNN"], trained):
    content, step = packed(network), network.fc.parametrizations.weight[0].scale.detach()
    assert len(content) == (108 + 20_280) // 4 + 2 * 4 * (12 + 10), "the packed file's size is off"
    found = packing.unpack(np.frombuffer(content, np.uint8)[27 + 96 :][:5070], 2, 20_280)
    weight = torch.from_numpy(found.reshape(10, -1).astype(np.float32)) * step
    assert torch.allclose(weight, network.fc.weight.detach()), "packed weights are others"
pair = [training.logits(n, digits.test_images) for n in (after_training, converted)]
assert np.array_equal(pair[0], outputs["PTQ"]), "dropping float weights changes logits"
assert np.array_equal(pair[1], outputs["QAT, trained scales"]), (
    "dropping float weights changes logits"
)
flips = metrics.flips(outputs["QAT, fake-quantized"], outputs["QAT, trained scales"])
assert flips <= len(digits.test_images) / 1000, "handed the trained scales, convert changes answers"
