"""Fit a member: its network, batches, optimizer and steps, handed to the training loop."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from accelerate import Accelerator
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from facemask.core.rng import generator
from facemask.nets.device import autocast, grad_scaler
from facemask.nets.losses import member_loss, weight_sums
from facemask.nets.model import FaceNet, build, normalisation, sized
from facemask.nets.weights import save_tensors
from facemask.train.batches import TrainingBatches
from facemask.train.checkpoint import State
from facemask.train.consistency import WithUnlabelled, pseudo_targets
from facemask.train.engine import Fit, History, Learner, train
from facemask.train.memory import is_out_of_memory, smaller_parts
from facemask.train.mixing import mixed
from facemask.train.optimizer import adamw, clip, learning_rate, start_epoch
from facemask.train.processes import accelerator, summed

Targets = dict[str, Tensor]
Part = tuple[Tensor, Targets, Targets]  # of a batch: images, their targets, the weight sums of the whole batch
Labelled = tuple[Tensor, Targets]


def fit_member(
    job: tuple[dict[str, Any], dict[str, Any], int, str, Path],
    rows: pd.DataFrame,
    seen: Mapping[str, Path],
    unlabelled: pd.DataFrame,
) -> tuple[Callable[[Path], None], History]:
    """fit() with stores by source: what saves the network, and the history. job: Fit's arguments."""
    stores = {source: str(path) for source, path in seen.items()}
    model, history = fit(Fit(sized(job[0]), *job[1:]), rows, stores, unlabelled)
    return lambda path: save_tensors(model.state_dict(), path), history


def fit(
    job: Fit, rows: pd.DataFrame, stores: dict[str, str], unlabelled: pd.DataFrame | None = None
) -> tuple[FaceNet, History]:
    """Train one member on rows of the training table; return the averaged network and the history.

    Under `accelerate launch` every process calls this and trains on its share of every batch. unlabelled: photos for
    consistency training, which is off without them. Raises UserError, naming epoch and step, for a loss that is not finite,
    and for a batch that does not fit into memory.
    """
    parts = job.recipe["schedule"]["accumulate"]
    while True:
        try:
            return _fit_in_parts(job, rows, stores, unlabelled, parts)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler, whose traceback would hold the memory; the next try resumes from the last checkpoint.
        parts = smaller_parts(job, parts)


def _fit_in_parts(
    job: Fit, rows: pd.DataFrame, stores: dict[str, str], unlabelled: pd.DataFrame | None, parts: int
) -> tuple[FaceNet, History]:
    """fit() with each batch cut into `parts`, whose gradients add up to those of the batch."""
    recipe, schedule = job.recipe, job.recipe["schedule"]
    processes = accelerator(job.training, recipe)
    share = (processes.process_index, processes.num_processes)
    job.seed_torch("weights", job.name)
    model = build(recipe, job.training["weights_dir"], pretrained=True).to(processes.device)
    model = model.to(memory_format=layout_of(recipe))
    labelled = TrainingBatches(job, rows, stores, share)
    average = ModelEmaV3(model, decay=schedule["ema"], use_warmup=True)
    scaler = grad_scaler(processes.device, job.training["amp"])
    state = State({"model": model, "averaged": average.module}, adamw(model, recipe), scaler)
    if recipe["compile"]:
        model.compile()
    steps = Steps(job, processes, model, state, parts)

    def start(epoch: int) -> None:
        job.seed_torch("dropout", job.name, epoch)
        start_epoch(model, schedule, epoch)

    learner = Learner(
        state,
        recipe["epochs"],
        rate=lambda step, count: learning_rate(step, count, recipe["lr"], schedule["warmup"], schedule["rate"]),
        start=start,
        clip=lambda: clip(model, schedule),
        average=lambda step: average.update(model, step=step),
    )
    if unlabelled is None or not len(unlabelled):
        history = train(job, learner, labelled, steps.supervised)
    else:
        history = train(job, learner, WithUnlabelled(job, labelled, unlabelled, stores), steps.consistent)
    return cast(FaceNet, average.module), history


class Steps:
    """The step functions of a fit: forward and backward of this process's share of a batch -> the loss of the batch."""

    def __init__(self, job: Fit, processes: Accelerator, model: FaceNet, state: State, parts: int) -> None:
        """state.networks["averaged"] predicts the targets of unlabelled photos."""
        self.job, self.processes, self.scaler, self.parts = job, processes, state.scaler, parts
        self.teacher = state.networks["averaged"]
        self.mean, self.deviation = (tensor.to(processes.device) for tensor in normalisation(model))
        self.network = processes.prepare_model(model)

    def supervised(self, batch: Labelled, number: int) -> Tensor:
        return self._accumulate(self._labelled_parts(batch, number))

    def consistent(self, batch: tuple[Labelled, tuple[Tensor, Tensor]], number: int) -> Tensor:
        """The supervised step with FixMatch's targets beside it: the teacher's confident predictions of weakly augmented
        photos, for the same photos strongly augmented."""
        labelled = self._labelled_parts(batch[0], number)
        weak, strong = map(self._normalised, batch[1])
        size = len(labelled[0][0])
        with torch.no_grad():
            predictions = [self._outputs(self.teacher, some) for some in torch.split(weak, size)]
        return self._accumulate(_cut(strong, *pseudo_targets(predictions, self.job.recipe, summed), size) + labelled)

    def _labelled_parts(self, batch: Labelled, number: int) -> list[Part]:
        images, targets = self._normalised(batch[0]), {key: self._on_device(value) for key, value in batch[1].items()}
        random = generator(self.job.seed, "mix", self.job.name, number, self.processes.process_index)
        images, targets = mixed(images, targets, self.job.recipe["mix"], random)
        return _cut(images, targets, weight_sums(targets, summed), -(-len(images) // self.parts))

    def _accumulate(self, parts: list[Part]) -> Tensor:
        """Backward of one part after the other; processes exchange gradients at the last one alone."""
        loss = torch.zeros((), device=self.processes.device)
        for images, targets, sums in parts:
            with nullcontext() if images is parts[-1][0] else self.processes.no_sync(self.network):
                part = member_loss(self._outputs(self.network, images), targets, self.job.recipe, sums, summed)
                self.scaler.scale(part).backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
        return loss

    def _outputs(self, network: nn.Module, images: Tensor) -> Targets:
        with autocast(self.processes.device, self.job.training["amp"]):
            outputs: Targets = network(images.contiguous(memory_format=layout_of(self.job.recipe)))
        return outputs

    def _normalised(self, images: Tensor) -> Tensor:
        return (self._on_device(images).float() - self.mean) / self.deviation

    def _on_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.processes.device, non_blocking=True)


def layout_of(recipe: dict[str, Any]) -> torch.memory_format:
    return torch.channels_last if recipe["channels_last"] else torch.contiguous_format


def _cut(images: Tensor, targets: Targets, sums: Targets, size: int) -> list[Part]:
    cuts = [slice(start, start + size) for start in range(0, len(images), size)]
    return [(images[cut], {key: value[cut] for key, value in targets.items()}, sums) for cut in cuts]
