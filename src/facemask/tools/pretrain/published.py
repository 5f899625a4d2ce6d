"""Published tokenizers by path: DALL-E's discrete VAE, which BEiT learned from, and BEiT v2's VQ-KD; safetensors alone."""

from collections import OrderedDict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch.nn.functional as F
from timm.layers import resample_abs_pos_embed
from timm.models.beit import Beit
from torch import Tensor, nn

from facemask.core.errors import UserError
from facemask.nets.weights import read_tensors

DVAE_STRIDE = 8  # pixels of DALL-E's input a token stands for
DVAE_MARGIN = 0.1  # its pixels lie within 0.1 .. 0.9
HEAD = 64  # width of an attention head in VQ-KD's encoder

State = dict[str, Tensor]


def published_tokenizer(path: Path, grid: tuple[int, int]) -> tuple[nn.Module, int]:
    """(images (n, 3, h, w) float32 in 0..1 -> tokens (n, patches of the grid) int64; how many codes there are).

    path: a safetensors file of the tokenizer's state dict under its published names. Raises UserError where it is missing
    or holds something else.
    """
    state = {name: tensor.float() for name, tensor in read_tensors(path, "pretrain.tokenizer").items()}
    made = next((make for key, make in TOKENIZERS.items() if key in state), None)
    if made is None:
        raise UserError(
            f"pretrain.tokenizer: {path} is no tokenizer known here (it has none of {', '.join(TOKENIZERS)})"
        )
    try:
        tokenizer, codes = made(state, grid)
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"pretrain.tokenizer: {path} does not hold the whole tokenizer: {reason}") from error
    return tokenizer.eval().requires_grad_(False), codes


class DalleEncoder(nn.Module):
    """DALL-E's discrete VAE encoder (Ramesh et al. 2021): images (n, 3, h, w) in 0..1 -> tokens (n, patches) int64.

    The image is resized so that one token stands for one patch, as BEiT does.
    """

    def __init__(self, grid: tuple[int, int], hidden: int, codes: int) -> None:
        super().__init__()
        self.size = [rows * DVAE_STRIDE for rows in grid]
        widths = [hidden, hidden, 2 * hidden, 4 * hidden, 8 * hidden]
        self.blocks = _named({"input": nn.Conv2d(3, hidden, 7, padding=3)})
        for group, (before, after) in enumerate(pairwise(widths), 1):
            parts = {"block_1": _DalleBlock(before, after), "block_2": _DalleBlock(after, after)}
            self.blocks.add_module(f"group_{group}", _named(parts | ({"pool": nn.MaxPool2d(2)} if group < 4 else {})))
        self.blocks.add_module("output", _named({"relu": nn.ReLU(), "conv": nn.Conv2d(8 * hidden, codes, 1)}))

    def forward(self, images: Tensor) -> Tensor:
        small = F.interpolate(images, self.size, mode="bilinear", antialias=True, align_corners=False)
        logits = self.blocks((1 - 2 * DVAE_MARGIN) * small + DVAE_MARGIN)
        return cast(Tensor, logits.argmax(1).flatten(1))


class _DalleBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = outputs // 4
        self.id_path = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.res_path = nn.Sequential()
        for number, (before, after) in enumerate(pairwise([inputs, hidden, hidden, hidden, outputs]), 1):
            kernel = 3 if number < 4 else 1
            self.res_path.add_module(f"relu_{number}", nn.ReLU())
            self.res_path.add_module(f"conv_{number}", nn.Conv2d(before, after, kernel, padding=kernel // 2))

    def forward(self, inputs: Tensor) -> Tensor:
        return cast(Tensor, self.id_path(inputs) + self.res_path(inputs) / 64)  # 1 / (8 blocks)^2


def _dalle(state: State, grid: tuple[int, int]) -> tuple[nn.Module, int]:
    endings = {".w": ".weight", ".b": ".bias"}
    state = {name[:-2] + endings.get(name[-2:], name[-2:]): tensor for name, tensor in state.items()}
    codes = len(state["blocks.output.conv.weight"])
    encoder = DalleEncoder(grid, len(state["blocks.input.weight"]), codes)
    encoder.load_state_dict(state)
    return encoder, codes


class VqKdEncoder(nn.Module):
    """BEiT v2's tokenizer (Peng et al. 2022): a transformer's patches, projected to the sphere, and the nearest code of each.

    The image is resized so that one of the encoder's patches stands for one patch; its place embeddings are resampled.
    """

    codebook: Tensor

    def __init__(self, encoder: Beit, project: nn.Sequential, codebook: Tensor, size: list[int]) -> None:
        super().__init__()
        self.encoder, self.project, self.size = encoder, project, size
        self.register_buffer("codebook", codebook)

    def forward(self, images: Tensor) -> Tensor:
        fitting = F.interpolate(images, self.size, mode="bilinear", antialias=True, align_corners=False)
        patches = self.encoder.fc_norm(self.encoder.forward_features(2 * fitting - 1)[:, 1:])
        points = F.normalize(self.project(patches), dim=2)
        return ((self.codebook**2).sum(1) - 2 * points @ self.codebook.T).argmin(2)


def _vq_kd(state: State, grid: tuple[int, int]) -> tuple[nn.Module, int]:
    encoder_state = {name.removeprefix("encoder."): t for name, t in state.items() if name.startswith("encoder.")}
    width, _, patch, _ = encoder_state["patch_embed.proj.weight"].shape
    size = [patch * side for side in grid]
    encoder = Beit(
        img_size=(size[0], size[1]),
        patch_size=patch,
        num_classes=0,
        embed_dim=width,
        depth=1 + max(int(name.split(".")[1]) for name in encoder_state if name.startswith("blocks.")),
        num_heads=width // HEAD,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    encoder_state["pos_embed"] = resample_abs_pos_embed(encoder_state["pos_embed"], list(grid))
    encoder.load_state_dict(encoder_state)
    codebook = state["quantize.embedding.weight"]
    project = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, codebook.shape[1]))
    task = "encode_task_layer."
    project.load_state_dict({name.removeprefix(task): t for name, t in state.items() if name.startswith(task)})
    return VqKdEncoder(encoder, project, codebook, size), len(codebook)


TOKENIZERS = {"blocks.input.w": _dalle, "quantize.embedding.weight": _vq_kd}  # a name that only this one's file has


def _named(parts: dict[str, nn.Module]) -> nn.Sequential:
    return nn.Sequential(OrderedDict(parts))
