"""The training loop of fit and pretrain: set the rate, step, clip, update, average, log; a checkpoint an epoch."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from facemask.core.checkpoint_folder import is_main_process
from facemask.core.errors import UserError
from facemask.core.rng import seed_of
from facemask.train import checkpoint
from facemask.train.optimizer import set_rate

CHECKED = 16  # steps between checks of the losses: each check makes a GPU wait until its queue is empty

History = list[dict[str, Any]]  # one entry an epoch
Step = Callable[[Any, int], Tensor]  # forward and backward of one batch; its number -> its loss, detached


@dataclass(frozen=True)
class Fit:
    """One fit: its recipe, params.yaml's section training, the seed and name that key every draw, its checkpoint's folder."""

    recipe: dict[str, Any]
    training: dict[str, Any]
    seed: int
    name: str
    folder: Path

    def seed_torch(self, stage: str, *key: object) -> None:
        torch.manual_seed(seed_of(self.seed, stage, *key) % 2**63)


class Batches(Protocol):
    """`steps` batches of `batch` photos an epoch; epoch(number) is a function of the seed, the name and the number alone."""

    steps: int
    batch: int

    def epoch(self, number: int) -> Iterator[Any]: ...


@dataclass(frozen=True)
class Learner:
    """What the loop changes, and how: each function does its part of the loop in place."""

    state: checkpoint.State
    epochs: int
    rate: Callable[[int, int], float]  # (step, steps) -> learning rate
    start: Callable[[int], None]  # of an epoch: seeds, modes
    clip: Callable[[], Any]
    average: Callable[[int], None] = lambda step: None
    measures: Callable[[], dict[str, float]] = dict  # of the epoch, for the history
    rate_key: str = "the member's lr"


def train(job: Fit, learner: Learner, batches: Batches, step: Step) -> History:
    """Train to the last epoch, from the checkpoint in job.folder on if there is one: the weights are the same, bit for bit.

    Raises UserError, naming epoch and step, for a loss that is not finite.
    """
    networks, optimizer, scaler = learner.state
    path = job.folder / "last.safetensors"
    done, history = checkpoint.resume(path, learner.state)
    for epoch in range(done, learner.epochs):
        learner.start(epoch)
        heading = f"{job.name} epoch {epoch + 1}/{learner.epochs}"
        losses: list[Tensor] = []
        started = time.monotonic()
        for batch in _with_progress(batches, epoch, heading):
            number = epoch * batches.steps + len(losses)
            rate = learner.rate(number, learner.epochs * batches.steps)
            set_rate(optimizer, rate)
            optimizer.zero_grad()
            losses.append(step(batch, number))
            if len(losses) % CHECKED == 0:
                _must_be_finite(losses, len(losses) - CHECKED, heading, learner.rate_key)
            scaler.unscale_(optimizer)
            learner.clip()
            scaler.step(optimizer)
            scaler.update()
            learner.average(number)
        _must_be_finite(losses, 0, heading, learner.rate_key)
        if not all(weights.isfinite().all() for network in networks.values() for weights in network.parameters()):
            raise UserError(f"{heading}: the weights are not finite; lower {learner.rate_key}")
        loss = sum(loss.item() for loss in losses) / batches.steps
        history.append({"epoch": epoch + 1, "loss": loss, **learner.measures(), "lr": rate})
        if is_main_process():
            measures = " ".join(f"{name} {value:.4f}" for name, value in list(history[-1].items())[1:-1])
            speed = batches.steps * batches.batch / (time.monotonic() - started)
            print(f"{heading} {measures} {speed:.0f} photos/s", flush=True)
            checkpoint.save(path, epoch + 1, history, learner.state)
    return history


def _with_progress(batches: Batches, epoch: int, heading: str) -> Iterator[Any]:
    """The epoch's batches, with a bar where somebody watches the main process."""
    quiet = None if is_main_process() else True
    return iter(tqdm(batches.epoch(epoch), heading, batches.steps, unit="step", leave=False, disable=quiet))


def _must_be_finite(losses: list[Tensor], first: int, heading: str, rate_key: str) -> None:
    """Raises UserError naming the first step, counted from 1, from the index `first` on whose loss is not finite."""
    for index, finite in enumerate(torch.isfinite(torch.stack(losses[first:])).tolist(), first):
        if not finite:
            raise UserError(f"{heading}, step {index + 1}: the loss is {losses[index].item()}; lower {rate_key}")
