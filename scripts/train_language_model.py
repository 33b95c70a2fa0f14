"""Train the language model of the course, and write its weights: ten minutes on a busy core.

Run from the repository: `python scripts/train_language_model.py`. It prints the hash that belongs
into `qhelpers/pytorch/language_model.py`. The text is that of the Python that runs it.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import platform
import time

import numpy as np
import torch

from qhelpers.pytorch import language_model, text

BATCH, RATE, WARM_UP, THREADS, SEED = 16, 4e-3, 60, 1, 0


def bits(model: torch.nn.Module, windows: torch.Tensor) -> float:
    """Return bits per character over [n, 257]."""
    with torch.no_grad():
        logits = model(windows[:, :-1])
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
    return loss.item() / math.log(2)


def main() -> None:
    """Train, say how it goes, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--output", default=str(language_model.WEIGHTS))
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    read = "\n".join(text.documents(held_out=False).values())
    learned, held_out = text.encode(read), text.held_out().flatten(0, 1)
    model = language_model.LanguageModel()
    for name, values in model.named_parameters():
        if values.ndim > 1:
            deep = name.endswith(("out.weight", "down.weight"))
            torch.nn.init.normal_(values, std=0.05 / (math.sqrt(8) if deep else 1))
    groups = [[p for p in model.parameters() if (p.ndim > 1) == large] for large in (True, False)]
    optimizer = torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": 0.1}, {"params": groups[1], "weight_decay": 0.0}],
        lr=RATE,
        betas=(0.9, 0.98),
    )
    length, start = text.LENGTH, time.perf_counter()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(learned):,} characters")
    for step in range(options.steps):
        done = step / options.steps
        rate = (
            RATE * min(1, (step + 1) / WARM_UP) * (0.03 + 0.97 * (1 + math.cos(math.pi * done)) / 2)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        places = torch.randint(len(learned) - length, (BATCH,))
        batch = torch.stack([learned[p : p + length + 1] for p in places])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(batch[:, :-1]).float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0 or step == 10 or step == options.steps - 1:
            spent = time.perf_counter() - start
            found = loss.item() / math.log(2), bits(model, held_out)
            print(
                f"{step:5} {spent:5.0f} s  {found[0]:.3f} learned, {found[1]:.3f} held out",
                flush=True,
            )
    arrays = {name: value.numpy().astype(np.float16) for name, value in model.state_dict().items()}
    about = {
        "text_sha256": hashlib.sha256(read.encode()).hexdigest(),
        "text": f"pydoc_data.topics of Python {platform.python_version()}, PSF License Version 2",
    }
    with open(options.output, "wb") as stream:
        np.savez(stream, **arrays, **{name: np.array(said) for name, said in about.items()})
    with open(options.output, "rb") as stream:
        print(hashlib.sha256(stream.read()).hexdigest())


if __name__ == "__main__":
    main()
