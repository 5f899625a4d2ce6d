"""Further pre-training of a member's backbone on the domain's own photos, which need no labels."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facemask.core.errors import UserError
from facemask.core.rng import generator
from facemask.ingest.geometry import centre_view
from facemask.ingest.photos import Photos
from facemask.nets.device import autocast, device_of, grad_scaler, use_threads
from facemask.nets.model import build, normalisation
from facemask.tools.pretrain.masked import MaskedNet, block_mask, patches_in
from facemask.tools.pretrain.published import published_tokenizer
from facemask.tools.pretrain.tokens import CODEBOOKS, patches_of
from facemask.train.batches import UNIFORM, Batch, TrainingBatches
from facemask.train.checkpoint import State
from facemask.train.engine import Fit, History, Learner, train
from facemask.train.optimizer import learning_rate

SAMPLED = 256  # photos from whose patches a codebook takes mean, spread and centres


def seen_photos(photos: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
    """The photo tables' rows for pre-training: those of its sources, eval photos only if transductive."""
    chosen = photos["source"].isin(options["sources"]) & ((photos["split"] != "eval") | options["transductive"])
    if not chosen.any():
        raise UserError(f"pretrain.sources: no photo of {', '.join(options['sources'])}; give data.root")
    rows: pd.DataFrame = photos[chosen].reset_index(drop=True)
    return rows


def pretrain(
    job: Fit, options: dict[str, Any], rows: pd.DataFrame, stores: dict[str, str]
) -> tuple[dict[str, Tensor], History]:
    """The backbone's tensors after masked image modelling on rows, and the history.

    job.recipe: the member's; options: params.yaml's section pretrain. Raises UserError, naming epoch and step, for a loss
    that is not finite.
    """
    use_threads(job.training["threads"])
    device = device_of(job.training)
    job.seed_torch("pretrain", job.name)
    member = build(job.recipe, job.training["weights_dir"], pretrained=True)
    mean, deviation = (tensor.to(device) for tensor in normalisation(member))
    tokenizer, codes = _tokenizer(job, options, rows, stores, member.backbone)
    job.seed_torch("pretrain", "head", job.name)  # whatever heads the member has
    net = MaskedNet(member.backbone, codes).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=options["lr"], weight_decay=options["weight_decay"], fused=True)
    scaler = grad_scaler(device, job.training["amp"])
    plain = {"sampler": UNIFORM, "labels": "fixed"} | {key: options[key] for key in ("batch", "epoch_photos")}
    named = replace(job, recipe=job.recipe | plain, name=f"pretrain/{job.name}")
    batches = TrainingBatches(named, rows.assign(weight=np.float32(1), years=np.float32("nan")), stores)
    step = MaskedStep(job, options["share"], batches.steps, net, tokenizer.to(device), (mean, deviation), scaler)

    def start(epoch: int) -> None:
        job.seed_torch("pretrain", "dropout", job.name, epoch)
        net.train()

    learner = Learner(
        State({"net": net}, optimizer, scaler),
        options["epochs"],
        rate=lambda step, steps: learning_rate(step, steps, options["lr"], options["warmup"]),
        start=start,
        clip=lambda: torch.nn.utils.clip_grad_norm_(net.parameters(), options["clip"]),
        measures=step.measures,
        rate_key="pretrain.lr",
    )
    history = train(named, learner, batches, step)
    return {key: tensor.detach().cpu().contiguous() for key, tensor in net.backbone.state_dict().items()}, history


@dataclass
class MaskedStep:
    """The step function: hide blocks of patches and learn to predict their tokens; `share` of the patches is hidden."""

    job: Fit
    share: float
    steps: int  # an epoch
    net: MaskedNet
    tokenizer: nn.Module
    normal: tuple[Tensor, Tensor]  # mean and deviation of the images
    scaler: torch.amp.GradScaler
    right: int = 0
    count: int = 0

    def __call__(self, batch: Batch, number: int) -> Tensor:
        images, (mean, deviation) = batch[0], self.normal
        random = generator(self.job.seed, "pretrain", "masks", self.job.name, *divmod(number, self.steps))
        masks = np.stack([block_mask(self.net.grid, self.share, random).ravel() for _ in images])
        hidden, images = torch.from_numpy(masks).to(mean.device), images.to(mean.device, non_blocking=True).float()
        with torch.no_grad():
            tokens = self.tokenizer(images / 255)[hidden]
        with autocast(mean.device, self.job.training["amp"]):
            logits = self.net((images - mean) / deviation, hidden)
        loss = F.cross_entropy(logits.float(), tokens)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.right, self.count = self.right + int((logits.argmax(1) == tokens).sum()), self.count + len(tokens)
        return loss.detach()

    def measures(self) -> dict[str, float]:
        """The share of hidden tokens predicted right since the last call."""
        share, self.right, self.count = self.right / self.count, 0, 0
        return {"guessed": share}  # the history's column


def _tokenizer(
    job: Fit, options: dict[str, Any], rows: pd.DataFrame, stores: dict[str, str], backbone: Any
) -> tuple[nn.Module, int]:
    """(images in 0..1 -> tokens, number of codes) as options["tokenizer"] says: projection, kmeans, or a safetensors path."""
    kind = options["tokenizer"]
    grid, patch = patches_in(backbone)
    if kind.endswith(".safetensors"):
        return published_tokenizer(Path(kind), grid)
    random = generator(job.seed, "pretrain", "codebook", job.name)
    photos = Photos(rows, stores)
    sampled = random.choice(len(rows), min(SAMPLED, len(rows)), replace=False)
    size, share = job.recipe["size"], job.recipe["augment"]["share"]
    views = np.stack([centre_view(photos[int(row)], size, share) for row in sampled])
    patches = patches_of(torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255, patch).flatten(0, 1)
    return CODEBOOKS[kind](patches, patch, options["codes"], random), options["codes"]
