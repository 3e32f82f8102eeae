"""ViT-Small and DistilBERT from official weights, where the image holds them; frozen.

The names are those of timm's `vit_small_patch16_224` and of Hugging Face's
`distilbert-base-uncased`; every size comes from the shapes. Heads for other tasks are left out.
"""

import math
from pathlib import Path

import torch
import wordpiece
from torch import nn
from torch.nn import functional

FOLDER = Path("/opt/weights")
VIT = FOLDER / "vit-small" / "pytorch_model.bin"
DISTILBERT = FOLDER / "distilbert" / "pytorch_model.bin"
PIECES = FOLDER / "distilbert" / "vocab.txt"
HEAD_WIDTH = 64  # of both models; no shape tells it

# What a layer of torch calls its weights -> what the official file calls them; several are stacked.
VIT_NAMES = {
    "norm1.": ["norm1."],
    "self_attn.in_proj_": ["attn.qkv."],
    "self_attn.out_proj.": ["attn.proj."],
    "norm2.": ["norm2."],
    "linear1.": ["mlp.fc1."],
    "linear2.": ["mlp.fc2."],
}
DISTILBERT_NAMES = {
    "self_attn.in_proj_": ["attention.q_lin.", "attention.k_lin.", "attention.v_lin."],
    "self_attn.out_proj.": ["attention.out_lin."],
    "norm1.": ["sa_layer_norm."],
    "linear1.": ["ffn.lin1."],
    "linear2.": ["ffn.lin2."],
    "norm2.": ["output_layer_norm."],
}


def found():
    """Say whether the image holds all that both encoders need."""
    return all(path.is_file() for path in (VIT, DISTILBERT, PIECES))


def encoders(words):
    """Return both encoders; `words` is the split's vocabulary, token -> word."""
    return VisionTransformer(read(VIT)), DistilBert(read(DISTILBERT), words)


def read(path):
    """Return an official file's weights by their names; older ones call a norm's gamma and beta."""
    weights = torch.load(path, map_location="cpu", weights_only=True)
    newer = {".gamma": ".weight", ".beta": ".bias"}
    for old, new in newer.items():
        weights = {name.replace(old, new): tensor for name, tensor in weights.items()}
    return {name.removeprefix("distilbert."): tensor for name, tensor in weights.items()}


def layers(weights, prefix, names, **settings):
    """Return torch's own transformer layers, as many as the weights are for, with these in them."""
    settings |= {"dropout": 0.0, "activation": "gelu", "batch_first": True}
    made = nn.ModuleList()
    while f"{prefix}.{len(made)}.{names['linear1.'][0]}weight" in weights:
        parts = {
            to + kind: torch.cat([weights[f"{prefix}.{len(made)}.{name}{kind}"] for name in given])
            for to, given in names.items()
            for kind in ("weight", "bias")
        }
        hidden, width = parts["linear1.weight"].shape
        heads = max(1, width // HEAD_WIDTH)
        made.append(nn.TransformerEncoderLayer(width, heads, hidden, **settings))
        made[-1].load_state_dict(parts)
    return made


def norm(weights, name, eps):
    made = nn.LayerNorm(len(weights[f"{name}.weight"]), eps=eps)
    made.load_state_dict({kind: weights[f"{name}.{kind}"] for kind in ("weight", "bias")})
    return made


class VisionTransformer(nn.Module):
    """Images of any side, in [-1, 1] as these weights expect them -> patches [n, grid², width]."""

    def __init__(self, weights):
        super().__init__()
        filters = weights["patch_embed.proj.weight"]
        self.width, patch = filters.shape[0], filters.shape[-1]
        self.grid = math.isqrt(weights["pos_embed"].shape[1] - 1)
        self.side = self.grid * patch
        self.embed = nn.Conv2d(3, self.width, patch, stride=patch)
        self.embed.load_state_dict({"weight": filters, "bias": weights["patch_embed.proj.bias"]})
        self.first = nn.Parameter(weights["cls_token"])
        self.place = nn.Parameter(weights["pos_embed"])
        self.layers = layers(weights, "blocks", VIT_NAMES, norm_first=True, layer_norm_eps=1e-6)
        self.norm = norm(weights, "norm", 1e-6)

    def forward(self, images):
        images = functional.interpolate(images, size=(self.side, self.side), mode="bicubic")
        patches = self.embed(images).flatten(2).transpose(1, 2)
        found = torch.cat([self.first.expand(len(patches), -1, -1), patches], 1) + self.place
        for layer in self.layers:
            found = layer(found)
        return self.norm(found)[:, 1:]


class DistilBert(nn.Module):
    """Tokens of the split's own vocabulary [n, tokens] -> the mean over their pieces [n, width]."""

    def __init__(self, weights, words):
        super().__init__()
        numbers = wordpiece.read_vocabulary(PIECES)
        names = (wordpiece.PADDING, wordpiece.START, wordpiece.END)
        self.padding, self.start, self.end = (numbers[name] for name in names)
        # Not saved: it is made again of the same words.
        pieces = torch.tensor(wordpiece.table(words, numbers))
        self.register_buffer("pieces", pieces, persistent=False)
        self.word = nn.Parameter(weights["embeddings.word_embeddings.weight"])
        self.place = nn.Parameter(weights["embeddings.position_embeddings.weight"])
        self.width = self.word.shape[1]
        self.norm = norm(weights, "embeddings.LayerNorm", 1e-12)
        self.layers = layers(
            weights, "transformer.layer", DISTILBERT_NAMES, norm_first=False, layer_norm_eps=1e-12
        )

    def forward(self, tokens):
        pieces = self.spell(tokens)
        padding = pieces == self.padding
        found = self.norm(functional.embedding(pieces, self.word) + self.place[: pieces.shape[1]])
        for layer in self.layers:
            found = layer(found, src_key_padding_mask=padding)
        return found.masked_fill(padding[:, :, None], 0).sum(1) / (~padding).sum(1, keepdim=True)

    def spell(self, tokens):
        """Return [n, pieces]: a start, the pieces of all words, an end, then padding."""
        pieces = self.pieces[tokens].flatten(1)
        order = (pieces == self.padding).int().argsort(dim=1, stable=True)
        pieces = pieces.gather(1, order)[:, : len(self.place) - 2]
        counts = (pieces != self.padding).sum(1)
        framed = functional.pad(pieces[:, : int(counts.max())], (1, 1), value=self.padding)
        framed[:, 0] = self.start
        framed[torch.arange(len(framed), device=framed.device), counts + 1] = self.end
        return framed
