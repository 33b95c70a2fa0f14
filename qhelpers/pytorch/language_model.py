"""A small language model that ships with the course: it predicts the next character of a text.

`scripts/train_language_model.py` trains it on `qhelpers.pytorch.text`; beside the weights stand the
version of Python and the hash of the text that they saw.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import scaled_dot_product_attention, silu

from qhelpers.pytorch.text import LENGTH, VOCABULARY, encode

WIDTH, HIDDEN, BLOCKS, HEADS = 128, 384, 4, 4
WEIGHTS = Path(__file__).with_name("language_model.npz")
SHA256 = "07ea4efe49644d57eafa4bb56384db448d8409830033708caac4a452bc2ce5aa"


class Cache:
    """The keys and values of the characters so far, so that none is computed twice.

    Attributes:
        round: what both go through before they are kept, from and to float32 [n, heads, t, 32].
        kept: for each block its keys and values, [n, heads, length, 32].
    """

    def __init__(self, round: Callable[[Any], Any] = lambda x: x) -> None:  # noqa: A002
        self.round = round
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def extend(self, block: int, *new: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep a block's new keys and values; return all that it has."""
        old = self.kept.get(block) or tuple(part[:, :, :0] for part in new)
        key, value = (torch.cat((a, self.round(b)), 2) for a, b in zip(old, new, strict=True))
        self.kept[block] = key, value
        return key, value

    def __len__(self) -> int:
        return self.kept[0][0].shape[2] if self.kept else 0


class Block(nn.Module):
    """Attention, then a gated network; each is normalized before and added to what entered."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH, 1e-5), nn.RMSNorm(WIDTH, 1e-5)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 2 * HIDDEN, bias=False)  # the gate, and what it lets through
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x: torch.Tensor, number: int, start: int, cache: Cache) -> torch.Tensor:
        """Compute [n, t, 128] from the [n, t, 128] at the places from `start` on."""
        n, t, _ = x.shape
        parts = self.qkv(self.norm1(x)).view(n, t, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        key, value = cache.extend(number, _turned(parts[1], start), parts[2])
        query = _turned(parts[0], start)
        seen = scaled_dot_product_attention(query, key, value, is_causal=start == 0)
        x = x + self.out(seen.transpose(1, 2).reshape(n, t, WIDTH))
        gate, through = self.up(self.norm2(x)).chunk(2, -1)
        return x + torch.as_tensor(self.down(silu(gate) * through))


class LanguageModel(nn.Module):
    """The plan of Llama, small: four blocks, rotary positions, no biases; 877,696 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(VOCABULARY), WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm = nn.RMSNorm(WIDTH, 1e-5)
        self.head = nn.Linear(WIDTH, len(VOCABULARY), bias=False)

    def forward(self, tokens: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Return logits, float32 [n, t, 96], of what follows each of int64 [n, t].

        Raises:
            ValueError: more than one character for a cache that is not empty.
        """
        cache = Cache() if cache is None else cache
        start = len(cache)
        if start and tokens.shape[1] > 1:
            raise ValueError(f"the cache has {start} characters: add one, not {tokens.shape[1]}.")
        x = self.embed(tokens)
        for number, block in enumerate(self.blocks):
            x = block(x, number, start, cache)
        return torch.as_tensor(self.head(self.norm(x)))


def _turned(x: torch.Tensor, start: int) -> torch.Tensor:
    """Turn pairs of [n, heads, t, width] by angles that grow with the place (RoPE)."""
    half = x.shape[-1] // 2
    places = torch.arange(start, start + x.shape[2])
    angles = places[:, None] * 10_000 ** -(torch.arange(half) / half)
    (a, b), cos, sin = x.chunk(2, -1), angles.cos(), angles.sin()
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


def load() -> LanguageModel:
    """Return the trained model, float32, in eval mode, without gradients.

    Raises:
        ValueError: the file of the weights is not the one that this module was written for.
    """
    content = WEIGHTS.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        found = f"hash {found[:8]}, not {SHA256[:8]}"
        raise ValueError(f"{WEIGHTS.name} is damaged ({found}). Install the course again.")
    model = LanguageModel().requires_grad_(False)
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        model.load_state_dict({n: torch.from_numpy(kept[n]).float() for n in model.state_dict()})
    return model.eval()


def linear(model: nn.Module) -> dict[str, nn.Linear]:
    """Return name -> linear layer of the blocks, in order; the head is none of them."""
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear) and n != "head"}


def logits(model: nn.Module, windows: torch.Tensor, **cache: Any) -> NDArray[np.float32]:
    """Run a model on windows, int64 [..., t]: float32 [..., t, 96]; `cache` goes to `Cache`."""
    rows: Any = windows.reshape(-1, windows.shape[-1])
    with torch.no_grad():
        found = torch.cat([model(part, Cache(**cache)) for part in rows.split(8)])
    return np.asarray(found.reshape(*windows.shape, -1).float())


def write(model: nn.Module, prompt: str, count: int, heat: float = 0.0, seed: int = 0) -> str:
    """Return `count` characters that the model puts behind a prompt.

    `heat` is the temperature: at 0 it takes the likeliest, at 1 it draws as it believes.

    Raises:
        ValueError: no prompt, or prompt and characters are more than 256.
    """
    if not 1 <= len(prompt) <= LENGTH - count:
        raise ValueError(f"{len(prompt)} characters and {count} more are not 1 to {LENGTH}.")
    random, cache, tokens = np.random.default_rng(seed), Cache(), encode(prompt)[None]
    with torch.no_grad():
        for _ in range(count):
            new = tokens if len(cache) == 0 else tokens[:, -1:]
            scores = model(new, cache)[0, -1].double().numpy()
            noise = random.gumbel(size=len(scores)) * heat  # the largest is then a draw
            tokens = torch.cat((tokens, torch.tensor([[int((scores + noise).argmax())]])), 1)
    return "".join(VOCABULARY[token] for token in tokens[0, len(prompt) :].tolist())
