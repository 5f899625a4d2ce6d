"""A batch that does not fit into memory: how many photos would, and whether to cut it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from timm.utils import ModelEmaV3

from facemask.core.errors import UserError
from facemask.nets.device import autocast, device_of
from facemask.nets.losses import member_loss
from facemask.nets.model import HEADS, build
from facemask.train.engine import Fit
from facemask.train.optimizer import adamw
from facemask.train.processes import accelerator


def is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


@contextmanager
def enough_memory(advice: str) -> Iterator[None]:
    """Raises UserError with the advice where the work runs out of memory."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(advice) from error


def smaller_parts(job: Fit, parts: int) -> int:
    """Into how many parts to cut each batch after `parts` were too few.

    Raises UserError, with a number of photos that fits, unless training.fit_batch lets one process cut the batch.
    """
    batch, alone = job.recipe["batch"], accelerator(job.training, job.recipe).num_processes == 1
    _release()
    while parts < batch:
        parts *= 2
        photos = -(-batch // parts)
        if not _step_fits(job, photos):
            continue
        if job.training["fit_batch"] and alone:
            print(f"{job.name}: out of memory; from here on {photos} photos at a time", flush=True)
            return int(parts)
        raise UserError(
            f"{job.name}: a batch of {batch} photos does not fit into the memory of {device_of(job.training)}, {photos} "
            f"do; set batch={photos}, or cut the batch with schedule.accumulate={parts} or training.fit_batch=true"
        )
    size = job.recipe["size"]
    raise UserError(f"{job.name}: not even one photo of {size} fits into memory; choose a smaller size or backbone")


def _step_fits(job: Fit, photos: int) -> bool:
    """Whether a training step on so many photos runs, with all that a fit keeps in memory."""
    try:
        _try_step(job.recipe, job.training, photos)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        _release()
    return True


def _try_step(recipe: dict[str, Any], training: dict[str, Any], photos: int) -> None:
    device = device_of(training)
    model = build(recipe, None, pretrained=False).to(device)
    average, optimizer = ModelEmaV3(model), adamw(model, recipe)
    targets = {head: torch.full((photos, HEADS[head]), 1 / HEADS[head], device=device) for head in recipe["predicts"]}
    targets["years"] = torch.full((photos,), 40.0, device=device)
    targets |= {f"{name}_weight": torch.ones(photos, device=device) for name in targets}
    with autocast(device, training["amp"]):
        outputs = model(torch.zeros(photos, 3, *recipe["size"], device=device))
    member_loss(outputs, targets, recipe).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    average.update(model)


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
