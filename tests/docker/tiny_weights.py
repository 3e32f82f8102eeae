"""Run in a container: write small random weights under the official names into a folder.

    tiny_weights.py FOLDER [full]      `full` writes them in the official sizes

The names are those of timm's vit_small_patch16_224 and Hugging Face's distilbert-base-uncased,
heads for other tasks included.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch


def part(name: str, out: int, *into: int) -> dict[str, torch.Tensor]:
    spread = 1 / max(1, into[0]) ** 0.5 if into else 0.0
    if not into:  # a norm
        return {f"{name}.weight": torch.rand(out) + 0.5, f"{name}.bias": torch.randn(out) * 0.1}
    return {
        f"{name}.weight": torch.randn(out, *into) * spread,
        f"{name}.bias": torch.randn(out) * 0.1,
    }


def vit(*, width: int, depth: int, patch: int, grid: int) -> dict[str, torch.Tensor]:
    found = {
        "cls_token": torch.randn(1, 1, width) * 0.02,
        "pos_embed": torch.randn(1, grid * grid + 1, width) * 0.02,
        **part("patch_embed.proj", width, 3, patch, patch),
    }
    for number in range(depth):
        block = f"blocks.{number}"
        found |= part(f"{block}.norm1", width) | part(f"{block}.norm2", width)
        found |= part(f"{block}.attn.qkv", 3 * width, width)
        found |= part(f"{block}.attn.proj", width, width)
        found |= part(f"{block}.mlp.fc1", 4 * width, width)
        found |= part(f"{block}.mlp.fc2", width, 4 * width)
    return found | part("norm", width) | part("head", 1000, width)


def distilbert(*, width: int, depth: int, words: int, places: int) -> dict[str, torch.Tensor]:
    embeddings = "distilbert.embeddings"
    found = {
        f"{embeddings}.word_embeddings.weight": torch.randn(words, width),
        f"{embeddings}.position_embeddings.weight": torch.randn(places, width) * 0.02,
        **part(f"{embeddings}.LayerNorm", width),
    }
    for number in range(depth):
        layer = f"distilbert.transformer.layer.{number}"
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            found |= part(f"{layer}.attention.{name}", width, width)
        found |= part(f"{layer}.sa_layer_norm", width) | part(f"{layer}.output_layer_norm", width)
        found |= part(f"{layer}.ffn.lin1", 4 * width, width)
        found |= part(f"{layer}.ffn.lin2", width, 4 * width)
    found |= part("vocab_transform", width, width) | part("vocab_layer_norm", width)
    return found | {"vocab_projector.bias": torch.zeros(words)}


def write(folder: Path, *, full: bool) -> None:
    words = len((folder / "distilbert" / "vocab.txt").read_text().splitlines())
    torch.manual_seed(3)
    if full:
        image = vit(width=384, depth=12, patch=16, grid=14)
        text = distilbert(width=768, depth=6, words=30522, places=512)
    else:
        image = vit(width=64, depth=1, patch=16, grid=4)
        text = distilbert(width=64, depth=1, words=words, places=64)
    torch.save(image, folder / "vit-small" / "pytorch_model.bin")
    torch.save(text, folder / "distilbert" / "pytorch_model.bin")


if __name__ == "__main__":
    write(Path(sys.argv[1]), full="full" in sys.argv)
