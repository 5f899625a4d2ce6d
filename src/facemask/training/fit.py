"""The training loop: set the rate, forward, backward, clip, step, average, log; a checkpoint an epoch."""

import time
from contextlib import nullcontext
from itertools import repeat
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from facemask.draws import generator, seed_of
from facemask.errors import UserError
from facemask.nets.losses import member_loss, weight_sums
from facemask.nets.model import FaceNet, build, normalisation
from facemask.nets.precision import autocast
from facemask.training import checkpoint
from facemask.training.batches import TrainingBatches
from facemask.training.consistency import UnlabelledBatches, guesses
from facemask.training.devices import accelerator, summed
from facemask.training.memory import is_out_of_memory, smaller_parts
from facemask.training.mixing import mixed
from facemask.training.optimizer import Average, adamw, clip, learning_rate, set_frozen, set_rate

CHECKED = 16  # steps between looks at the losses: for each look a GPU waits until it has nothing left to do


def fit(
    rows: pd.DataFrame,
    store_paths: dict[str, str],
    recipe: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    name: str,
    folder: Path,
    unlabelled: pd.DataFrame | None = None,
) -> tuple[FaceNet, list[dict[str, Any]]]:
    """Train one member on rows; return the averaged network and the history, one entry an epoch.

    name keys every draw. folder holds the checkpoint, from which an interrupted fit goes on bit for bit. Under
    `accelerate launch` every process calls this, and each learns from its part of every batch. unlabelled: what the
    recipe's consistency looks at; None or empty: it is off.
    Raises UserError, naming epoch and step, for a loss that is not finite, and for a batch that does not fit into memory.
    """
    parts = recipe["schedule"]["accumulate"]
    while True:
        try:
            return fit_in_parts(rows, store_paths, recipe, training, seed, name, folder, parts, unlabelled)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler, whose traceback would hold the memory; what follows goes on from the last checkpoint.
        parts = smaller_parts(recipe, training, parts, accelerator(training, recipe).num_processes == 1, name)


def fit_in_parts(
    rows: pd.DataFrame,
    store_paths: dict[str, str],
    recipe: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    name: str,
    folder: Path,
    parts: int,
    unlabelled: pd.DataFrame | None = None,
) -> tuple[FaceNet, list[dict[str, Any]]]:
    """fit() with each batch cut into `parts`, whose gradients add up to the batch's."""
    processes = accelerator(training, recipe)
    device, schedule = processes.device, recipe["schedule"]
    torch.manual_seed(seed_of(seed, "weights", name) % 2**63)
    layout = torch.channels_last if recipe["channels_last"] else torch.contiguous_format
    model = build(recipe, training["weights_dir"], pretrained=True).to(device).to(memory_format=layout)
    share = (processes.process_index, processes.num_processes)
    batches = TrainingBatches(rows, store_paths, recipe, seed, name, training["workers"], share)
    second = None
    if unlabelled is not None and len(unlabelled):
        options = (recipe, batches.steps, seed, name, training["workers"], share)
        second = UnlabelledBatches(unlabelled, store_paths, *options)
    averaged = Average(model, schedule["ema"])
    optimizer = adamw(model, recipe)
    scaler = torch.amp.GradScaler(device.type, enabled=training["amp"] == "fp16")
    mean, deviation = (tensor.to(device) for tensor in normalisation(model))
    state = checkpoint.State({"model": model, "averaged": averaged.module}, optimizer, scaler)
    done, history = checkpoint.resume(folder / "last.safetensors", state)
    if recipe["compile"]:
        model.compile()
    network = processes.prepare_model(model)
    quiet = None if processes.is_main_process else True  # None: where nobody watches

    def on_device(images: Tensor) -> Tensor:
        return (images.to(device, non_blocking=True).float() - mean) / deviation

    for epoch in range(done, recipe["epochs"]):
        torch.manual_seed(seed_of(seed, "dropout", name, epoch) % 2**63)
        model.train()
        if schedule["freeze"]:
            set_frozen(model, epoch < schedule["freeze"])
        started, losses = time.monotonic(), []
        unseen = second.epoch(epoch) if second else repeat(None)
        heading = f"{name} epoch {epoch + 1}/{recipe['epochs']}"
        whole = tqdm(batches.epoch(epoch), heading, batches.steps, unit="step", leave=False, disable=quiet)
        for index, ((images, targets), pair) in enumerate(zip(whole, unseen, strict=False)):
            step = epoch * batches.steps + index
            steps = recipe["epochs"] * batches.steps
            rate = learning_rate(step, steps, recipe["lr"], schedule["warmup"], schedule["rate"])
            set_rate(optimizer, rate)
            targets = {key: value.to(device, non_blocking=True) for key, value in targets.items()}
            images, targets = mixed(
                on_device(images), targets, recipe["mix"], generator(seed, "mix", name, step, share[0])
            )
            size = -(-len(images) // parts)
            pieces = _pieces(images, targets, weight_sums(targets, summed), size)
            if pair is not None:
                mild, strong = map(on_device, pair)
                with torch.no_grad(), autocast(device, training["amp"]):
                    opinions = [
                        averaged.module(few.contiguous(memory_format=layout)) for few in torch.split(mild, size)
                    ]
                pieces = _pieces(strong, *guesses(opinions, recipe, summed), size) + pieces
            optimizer.zero_grad()
            loss = torch.zeros((), device=device)
            for piece, piece_targets, sums in pieces:
                with nullcontext() if piece is pieces[-1][0] else processes.no_sync(network):
                    with autocast(device, training["amp"]):
                        outputs = network(piece.contiguous(memory_format=layout))
                    piece_loss = member_loss(outputs, piece_targets, recipe, sums, summed)
                    scaler.scale(piece_loss).backward()  # type: ignore[no-untyped-call]
                loss += piece_loss.detach()
            losses.append(loss)
            if len(losses) % CHECKED == 0:
                _must_be_finite(losses[-CHECKED:], name, epoch, index + 1 - CHECKED)
            scaler.unscale_(optimizer)
            clip(model, schedule)
            scaler.step(optimizer)
            scaler.update()
            averaged.update(model, step=step)

        _must_be_finite(losses, name, epoch, 0)
        if not all(torch.isfinite(weights).all() for weights in averaged.module.parameters()):
            raise _diverged("the weights are not finite", name, epoch, batches.steps)
        history.append({"epoch": epoch + 1, "loss": sum(loss.item() for loss in losses) / batches.steps, "lr": rate})
        if processes.is_main_process:
            speed = batches.steps * batches.batch / (time.monotonic() - started)
            print(f"{heading} loss {history[-1]['loss']:.4f} {speed:.0f} photos/s", flush=True)
            checkpoint.save(folder / "last.safetensors", epoch + 1, history, state)
    return cast(FaceNet, averaged.module), history


Piece = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]  # images, their targets, the whole batch's weight sums


def _pieces(images: Tensor, targets: dict[str, Tensor], sums: dict[str, Tensor], size: int) -> list[Piece]:
    cuts = [slice(start, start + size) for start in range(0, len(images), size)]
    return [(images[cut], {key: value[cut] for key, value in targets.items()}, sums) for cut in cuts]


def _must_be_finite(losses: list[Tensor], name: str, epoch: int, first: int) -> None:
    """Of consecutive steps, `first` (from 0) the earliest. Raises UserError naming the step that was the first to fail."""
    for index, finite in enumerate(torch.isfinite(torch.stack(losses)).tolist(), first + 1):
        if not finite:
            raise _diverged(f"the loss is {losses[index - first - 1].item()}", name, epoch, index)


def _diverged(what: str, name: str, epoch: int, step: int) -> UserError:
    return UserError(f"{name}: {what} in epoch {epoch + 1}, step {step}; lower the member's lr")
