"""What bench/train.py compares: this repository's loop, the bare model, and what people would use instead."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import timm.data
import torch
import torch.nn.functional as F
import yaml
from timm.optim import create_optimizer_v2
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from facemask.nets.device import use_threads
from facemask.nets.model import FaceNet, build, normalisation
from facemask.params import compose
from facemask.train.engine import Fit
from facemask.train.fit import fit

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
ON_CPU = {
    "lite0": {"backbone": "tf_efficientnet_lite0", "weights": "package", "size": [128, 96], "batch": 32},
    "test_efficientnet": {"backbone": "test_efficientnet", "weights": "none", "size": [128, 96], "batch": 32},
}
ON_CUDA = {
    "nfnet": {"backbone": "eca_nfnet_l2", "weights": "none", "size": [384, 384], "batch": 32},
    "beit": {"backbone": "beit_base_patch16_384", "weights": "none", "size": [384, 384], "batch": 32},
    "b5": {"backbone": "tf_efficientnet_b5", "weights": "none", "size": [456, 456], "batch": 32},
}
MODELS = ON_CUDA if CUDA else ON_CPU


def recipe_of(model: str) -> dict[str, Any]:
    """The demo scale's effnet_mask on another backbone."""
    return yaml.safe_load(compose(["scale=demo"]))["members"]["effnet_mask"] | {
        "channels_last": model not in ("beit", "nfnet"),  # as in conf/scale/full.yaml
        "arguments": {},
        **MODELS[model],
    }


def training_of(threads: int, workers: int) -> dict[str, Any]:
    options = yaml.safe_load(compose(["scale=demo"]))["training"]
    return options | {"threads": threads, "workers": workers, "amp": "bf16" if CUDA else "no"}


# What is compared: (recipe, folder, steps, threads, workers) -> nothing; the clock sees the steps.


def bare(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    images = torch.randint(0, 255, (recipe["batch"], 3, *recipe["size"]), dtype=torch.uint8)
    train_on(((images, torch.arange(recipe["batch"]) % 3) for _ in range(steps)), recipe, threads, resident=True)


def ours(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    rows = pd.read_parquet(folder / "photos.parquet")
    epochs = 2
    member = recipe | {"epochs": epochs, "epoch_photos": steps // epochs * recipe["batch"]}
    with tempfile.TemporaryDirectory() as place:
        stores = {"competition": str(folder / "photos.pixels")}
        fit(Fit(member, training_of(threads, workers), 1, "bench", Path(place)), rows, stores)


def timm_benchmark(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    """As the train runner of timm's benchmark.py does: SGD, 1000 classes, a resident batch, fp16 autocast."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if recipe["channels_last"] else torch.contiguous_format
    model = timm.create_model(recipe["backbone"]).to(DEVICE, memory_format=layout).train()
    optimizer = create_optimizer_v2(model, opt="sgd", lr=1e-4)
    images = torch.randn(recipe["batch"], 3, *recipe["size"], device=DEVICE).contiguous(memory_format=layout)
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.autocast(DEVICE.type, torch.float16, enabled=CUDA):
            outputs = model(images)
            F.cross_entropy(outputs, torch.randint(outputs.shape[1], (len(images),), device=DEVICE)).backward()
        optimizer.step()


def timm_loader(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    loader = timm.data.create_loader(
        timm.data.ImageDataset(str(folder / "small")),
        input_size=(3, *recipe["size"]),
        batch_size=recipe["batch"],
        is_training=True,
        use_prefetcher=False,
        num_workers=workers,
        scale=(0.7, 1.0),
        hflip=0.5,
        color_jitter=0.1,
        persistent_workers=workers > 0,
    )
    train_on(endless(loader, steps), recipe, threads, normalised=True)


def torchvision_v2(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    transform = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(recipe["size"], scale=(0.7, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.1, 0.1, 0.1),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD),
        ]
    )
    train_on(endless(folder_loader(folder / "small", transform, recipe, workers), steps), recipe, threads, True)


def team(recipe: dict[str, Any], folder: Path, steps: int, threads: int, workers: int) -> None:
    transform = v1.Compose(
        [
            v1.Resize((384, 384)),
            v1.RandomRotation(10),
            v1.RandomHorizontalFlip(),
            v1.ColorJitter(0.1, 0.1, 0.1),
            v1.Resize(tuple(recipe["size"])),
            v1.ToTensor(),
            v1.Normalize(timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD),
            v1.RandomErasing(),
        ]
    )
    train_on(endless(folder_loader(folder / "original", transform, recipe, workers), steps), recipe, threads, True)


METHODS: dict[str, Callable[[dict[str, Any], Path, int, int, int], None]] = {
    "bare model": bare,
    "ours": ours,
    "timm's benchmark": timm_benchmark,
    "timm create_loader": timm_loader,
    "ImageFolder + v2": torchvision_v2,
    "the team's recipe": team,
}
ON_A_PROCESSOR = {
    "bare model": (0,),
    "ours": (0, 1),
    "timm create_loader": (0, 2),
    "ImageFolder + v2": (0, 2),
    "the team's recipe": (0, 2),
}
WORKERS = {"bare model": (0,), "ours": (8,), "timm's benchmark": (0,)} if CUDA else ON_A_PROCESSOR


def folder_loader(folder: Path, transform: Any, recipe: dict[str, Any], workers: int) -> Any:
    return DataLoader(
        ImageFolder(str(folder), transform),
        recipe["batch"],
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def endless(loader: Any, steps: int) -> Iterator[Any]:
    while True:
        for batch in loader:
            if not steps:
                return
            steps -= 1
            yield batch


def train_on(
    batches: Iterator[Any], recipe: dict[str, Any], threads: int, normalised: bool = False, resident: bool = False
) -> None:
    """Forward, backward, step and nothing else."""
    # The bare model has what ours has, the others what people have.
    set_threads = use_threads if resident else torch.set_num_threads
    set_threads(threads)
    model, optimizer = prepared(recipe)
    mean, deviation = (tensor.to(DEVICE) for tensor in normalisation(model))
    batch = None
    for images, codes in batches:
        if batch is None or not resident:
            images = images.to(DEVICE)
            images = images if normalised else (images.float() - mean) / deviation
            batch = for_model(images, recipe), codes.to(DEVICE) % 3
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=CUDA):
            outputs = model(batch[0])
        optimizer.zero_grad()
        loss_of(outputs, batch[1], recipe).backward()
        optimizer.step()


def prepared(recipe: dict[str, Any]) -> tuple[FaceNet, torch.optim.Optimizer]:
    model = build(recipe, None, pretrained=True).to(DEVICE).train()
    if recipe["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
    return model, torch.optim.AdamW(model.parameters(), lr=recipe["lr"])


def for_model(images: torch.Tensor, recipe: dict[str, Any]) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last) if recipe["channels_last"] else images


def loss_of(outputs: dict[str, torch.Tensor], codes: torch.Tensor, recipe: dict[str, Any]) -> torch.Tensor:
    return F.cross_entropy(outputs["mask"].float(), codes, label_smoothing=recipe["loss"]["smoothing"])
