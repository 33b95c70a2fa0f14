"""Training the PyTorch network for two epochs: the usual DataLoader loop against qhelpers.

Run as `python -m benchmarks.torch_training usual|course`; prints seconds and accuracy as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from qhelpers import data as digits
from qhelpers.pytorch import networks, training


def usual(net: Any, data: digits.Digits) -> None:
    """Go through the images one by one with torchvision's transforms, as tutorials do."""
    import torch
    from torchvision import transforms

    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )

    class Images(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return len(data.train_images)

        def __getitem__(self, index: int) -> Any:
            # Through PIL, as torchvision.datasets.MNIST does it.
            image = transforms.functional.to_pil_image(data.train_images[index])
            return transform(image), int(data.train_labels[index])

    loader = torch.utils.data.DataLoader(Images(), batch_size=64, shuffle=True)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    running = 0.0
    for _ in range(2):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()


def main(which: str) -> None:
    import torch

    data = digits.load(quiet=True)
    torch.manual_seed(0)
    net = networks.mlp()
    started = time.perf_counter()
    if which == "usual":
        usual(net, data)
    else:
        steps, batch = training.mlp_schedule(len(data.train_images))
        train_set, rate = (data.train_images, data.train_labels), training.MLP_RATE
        training.fit(net, *train_set, steps, rate, batch=batch, sgd=True)
    seconds = time.perf_counter() - started
    predictions = training.logits(net, data.test_images).argmax(axis=1)
    accuracy = float((predictions == data.test_labels).mean())
    print(json.dumps({"seconds": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main(sys.argv[1])
