"""What model=modern needs of a GPU's memory, computed without one: python bench/memory.py.

Every member takes a training step, and every extractor looks at a batch, with tensors that have shapes and no numbers, under
bfloat16; of what operations return, the most that is alive at a time is counted. A parameter adds 4 bytes, and 16 more where it
is trained: its gradient, AdamW's two moments and the average. The kernels are a CPU's (attention without its matrix, as on a GPU); a
GPU keeps some results in float32, and its allocator adds a tenth or so.
"""

from typing import Any

import torch
import yaml
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from facemask.nets.model import build, load_backbone
from facemask.params import compose

GIGABYTE = 2**30
WEIGHT, TRAINED = 4, 16  # bytes a parameter


class Alive(TorchDispatchMode):
    """`peak`: the most bytes that operations' results held at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self.held: dict[StorageWeakRef, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(results):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.held.setdefault(StorageWeakRef(storage), storage.nbytes())
        self.held = {reference: size for reference, size in self.held.items() if not reference.expired()}
        self.peak = max(self.peak, sum(self.held.values()))
        return results


def measure(model: nn.Module, size: list[int], photos: int, trains: bool) -> int:
    """Bytes beside the parameters' own of a forward pass, or of a training step, of `photos` photos. model: on the meta device."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = model.to_empty(device="cpu").train(trains).requires_grad_(trains)
        with Alive() as alive:
            with torch.autocast("cpu", torch.bfloat16):
                outputs = model(torch.zeros(photos, 3, *size))
            if trains:
                torch.stack([values.float().sum() for values in outputs.values()]).sum().backward()
    return alive.peak


def line(name: str, make: Any, options: dict[str, Any], photos: int, trains: bool) -> str:
    with torch.device("meta"):
        models = [make() for _ in range(2)]
    parameters = sum(parameter.numel() for parameter in models[0].parameters())
    half, whole = (
        measure(model, options["size"], count, trains)
        for model, count in zip(models, (photos // 2, photos), strict=True)
    )
    photo, fixed = (whole - half) / (photos - photos // 2), parameters * (WEIGHT + TRAINED * trains)
    shown = [parameters / 1e6, fixed / GIGABYTE, photo / GIGABYTE, photos, (fixed + whole) / GIGABYTE]
    return f"| {name} | {shown[0]:.0f} | {shown[1]:.1f} | {shown[2]:.2f} | {photos} | {shown[4]:.0f} |"


def main() -> None:
    config = yaml.safe_load(compose(["scale=full", "model=modern"]))
    print("| | million parameters | their GB | GB a photo | photos at a time | GB |\n|---|---|---|---|---|---|")
    for name in ("eva02_base", "eva02_large", "convnextv2"):
        recipe = config["members"][name]
        photos = recipe["batch"] // recipe["schedule"]["accumulate"]
        print(line(f"fine-tuned `{name}`", lambda: build(recipe, None, pretrained=False), recipe, photos, True))  # noqa: B023
    for name in ("dinov2", "dinov3", "siglip2", "eva02_large"):
        options = config["features"][name]
        print(line(f"features `{name}`", lambda: load_backbone(options, None, False), options, options["batch"], False))  # noqa: B023


if __name__ == "__main__":
    main()
