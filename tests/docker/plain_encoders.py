"""Run in a container: compare the template's encoders with their definitions, written out.

Attention, norms and order of the official models step by step, on weights of two heads and layers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pretrained
import torch
import wordpiece
from tiny_weights import distilbert, vit
from torch import Tensor
from torch.nn import functional

WORDS = ["<pad>", "<unk>", "fuji", "wave", "waves", "kōbe's", "zzz"]
TOKENS = torch.tensor([[2, 3, 4, 0, 0], [5, 1, 6, 2, 3], [4, 0, 0, 0, 0]])
HEADS = 2
Weights = dict[str, Tensor]


def linear(given: Tensor, weights: Weights, name: str) -> Tensor:
    return given @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def norm(given: Tensor, weights: Weights, name: str, eps: float) -> Tensor:
    centred = given - given.mean(-1, keepdim=True)
    scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    n, width = query.shape
    heads = [one.reshape(n, HEADS, width // HEADS).transpose(0, 1) for one in (query, key, value)]
    scores = heads[0] @ heads[1].transpose(1, 2) / (width // HEADS) ** 0.5
    return (scores.softmax(-1) @ heads[2]).transpose(0, 1).reshape(n, width)


def see(image: Tensor, weights: Weights) -> Tensor:
    filters = weights["patch_embed.proj.weight"]
    side = filters.shape[-1] * 4
    image = functional.interpolate(image[None], size=(side, side), mode="bicubic")
    patches = functional.conv2d(
        image, filters, weights["patch_embed.proj.bias"], stride=filters.shape[-1]
    )
    found = torch.cat([weights["cls_token"][0], patches[0].flatten(1).T]) + weights["pos_embed"][0]
    for block in ("blocks.0", "blocks.1"):
        mixed = linear(norm(found, weights, f"{block}.norm1", 1e-6), weights, f"{block}.attn.qkv")
        found = found + linear(attend(*mixed.chunk(3, 1)), weights, f"{block}.attn.proj")
        hidden = linear(norm(found, weights, f"{block}.norm2", 1e-6), weights, f"{block}.mlp.fc1")
        found = found + linear(functional.gelu(hidden), weights, f"{block}.mlp.fc2")
    return norm(found, weights, "norm", 1e-6)[1:]


def read(pieces: list[int], weights: Weights) -> Tensor:
    base = "distilbert.embeddings"
    found = weights[f"{base}.word_embeddings.weight"][pieces]
    found = found + weights[f"{base}.position_embeddings.weight"][: len(pieces)]
    found = norm(found, weights, f"{base}.LayerNorm", 1e-12)
    for layer in ("distilbert.transformer.layer.0", "distilbert.transformer.layer.1"):
        parts = [linear(found, weights, f"{layer}.attention.{one}_lin") for one in "qkv"]
        found = found + linear(attend(*parts), weights, f"{layer}.attention.out_lin")
        found = norm(found, weights, f"{layer}.sa_layer_norm", 1e-12)
        hidden = functional.gelu(linear(found, weights, f"{layer}.ffn.lin1"))
        found = found + linear(hidden, weights, f"{layer}.ffn.lin2")
        found = norm(found, weights, f"{layer}.output_layer_norm", 1e-12)
    return found.mean(0)


def framed(tokens: list[int]) -> list[int]:
    numbers = wordpiece.read_vocabulary(pretrained.PIECES)
    words = [WORDS[token] for token in tokens if token]
    spelt = [
        piece
        for word in words
        for piece in ([numbers["[UNK]"]] if word == "<unk>" else wordpiece.pieces(word, numbers))
    ]
    return [numbers["[CLS]"], *spelt, numbers["[SEP]"]]


def main() -> None:
    folder, words = Path(tempfile.mkdtemp()), len(wordpiece.read_vocabulary(pretrained.PIECES))
    pretrained.VIT, pretrained.DISTILBERT = folder / "vit.bin", folder / "distilbert.bin"
    torch.save(vit(width=128, depth=2, patch=8, grid=4), pretrained.VIT)
    torch.save(distilbert(width=128, depth=2, words=words, places=64), pretrained.DISTILBERT)
    image_encoder, text_encoder = pretrained.encoders(WORDS)
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    weights = torch.load(pretrained.VIT, weights_only=True)
    patches = torch.stack([see(image, weights) for image in images])
    weights = torch.load(pretrained.DISTILBERT, weights_only=True)
    texts = torch.stack([read(framed(row), weights) for row in TOKENS.tolist()])
    for mode in (True, False):  # without gradients torch takes a path of its own
        with torch.inference_mode(not mode):
            seen = image_encoder.train(mode)(images)
            read_ = text_encoder.train(mode)(TOKENS)
        torch.testing.assert_close(seen, patches, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(read_, texts, rtol=1e-3, atol=1e-4)
    sys.stdout.write(f"as defined: {tuple(seen.shape)} {tuple(read_.shape)}\n")


if __name__ == "__main__":
    main()
