"""The training loop: set the rate, forward, backward, clip, step, average, log; a checkpoint an epoch."""

import math
import time
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from timm.utils import ModelEmaV3

from facemask.draws import seed_of
from facemask.errors import UserError
from facemask.nets.losses import member_loss
from facemask.nets.model import FaceNet, build, normalisation
from facemask.nets.precision import autocast
from facemask.training import checkpoint
from facemask.training.batches import TrainingBatches


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """Linear warm-up over a share of the steps, then half a cosine to zero: a pure function of the step."""
    start = max(1, round(steps * warmup))
    if step < start:
        return peak * (step + 1) / start
    return peak * 0.5 * (1 + math.cos(math.pi * (step - start) / max(1, steps - start)))


def device_of(training: dict[str, Any]) -> torch.device:
    name = training["device"]
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def fit(
    rows: pd.DataFrame,
    store_paths: dict[str, str],
    recipe: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    name: str,
    folder: Path,
) -> tuple[FaceNet, list[dict[str, Any]]]:
    """Train one member on rows; return the averaged network and the history, one entry an epoch.

    name keys every draw. folder holds the checkpoint, from which an interrupted fit goes on bit for bit.
    Raises UserError, naming epoch and step, for a loss that is not finite.
    """
    torch.set_num_threads(training["threads"])
    device = device_of(training)
    torch.manual_seed(seed_of(seed, "weights", name) % 2**63)
    model = build(recipe, training["weights_dir"], pretrained=True).to(device)
    if recipe["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
    batches = TrainingBatches(rows, store_paths, recipe, seed, name, training["workers"])
    schedule = recipe["schedule"]
    averaged = ModelEmaV3(model, decay=schedule["ema"], use_warmup=True)
    optimizer = torch.optim.AdamW(_parameter_groups(model, schedule["weight_decay"]), lr=recipe["lr"])
    scaler = torch.amp.GradScaler(device.type, enabled=training["amp"] == "fp16")
    mean, deviation = (tensor.to(device) for tensor in normalisation(model))
    done, history = _resume(folder / "last.safetensors", model, averaged, optimizer)

    for epoch in range(done, recipe["epochs"]):
        torch.manual_seed(seed_of(seed, "dropout", name, epoch) % 2**63)
        model.train()
        started, total = time.monotonic(), 0.0
        for index, (images, targets) in enumerate(batches.epoch(epoch)):
            step = epoch * batches.steps + index
            rate = learning_rate(step, recipe["epochs"] * batches.steps, recipe["lr"], schedule["warmup"])
            for group in optimizer.param_groups:
                group["lr"] = rate
            images = (images.to(device, non_blocking=True).float() - mean) / deviation
            if recipe["channels_last"]:
                images = images.contiguous(memory_format=torch.channels_last)
            targets = {key: value.to(device, non_blocking=True) for key, value in targets.items()}
            with autocast(device, training["amp"]):
                outputs = model(images)
            loss = member_loss(outputs, targets, recipe)
            value = loss.item()
            if not math.isfinite(value):
                raise UserError(
                    f"{name}: the loss is {value} in epoch {epoch + 1}, step {index + 1}; lower the member's lr"
                )
            optimizer.zero_grad()
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), schedule["clip"])
            scaler.step(optimizer)
            scaler.update()
            averaged.update(model, step=step)
            total += value
        history.append({"epoch": epoch + 1, "loss": total / batches.steps, "lr": rate})
        seconds = time.monotonic() - started
        print(
            f"{name} epoch {epoch + 1}/{recipe['epochs']} loss {total / batches.steps:.4f} "
            f"{batches.steps * batches.batch / seconds:.0f} photos/s",
            flush=True,
        )
        states = {"model": model.state_dict(), "averaged": averaged.module.state_dict()}
        states["optimizer"] = checkpoint.optimizer_tensors(optimizer)
        checkpoint.save(folder / "last.safetensors", epoch + 1, history, states)
    return cast(FaceNet, averaged.module), history


def _parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and gains do not."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _resume(
    path: Path, model: torch.nn.Module, averaged: ModelEmaV3, optimizer: torch.optim.Optimizer
) -> tuple[int, list[dict[str, Any]]]:
    if not path.exists():
        return 0, []
    done, history, states = checkpoint.load(path)
    model.load_state_dict(states["model"])
    averaged.module.load_state_dict(states["averaged"])
    checkpoint.restore_optimizer(optimizer, states["optimizer"])
    print(f"resumed after epoch {done}", flush=True)
    return done, history
