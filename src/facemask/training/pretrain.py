"""Further pre-training of a member's backbone on the domain's own photos, which need no labels."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from facemask.draws import generator, seed_of
from facemask.errors import UserError
from facemask.nets.masked import MaskedNet, block_mask, patches_in
from facemask.nets.model import build, normalisation
from facemask.nets.precision import autocast
from facemask.nets.processor import use_threads
from facemask.nets.published import published_tokenizer
from facemask.nets.tokens import CODEBOOKS, patches_of
from facemask.photos.collection import Photos
from facemask.photos.geometry import centre_view
from facemask.training import checkpoint
from facemask.training.batches import TrainingBatches
from facemask.training.devices import device_of
from facemask.training.optimizer import learning_rate

SAMPLED = 256  # photos whose patches tell a codebook their mean, spread and centres


def seen_photos(photos: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
    """The photo tables' rows that pre-training looks at: the sources asked for; eval photos only if transductive."""
    chosen = photos["source"].isin(options["sources"]) & ((photos["split"] != "eval") | options["transductive"])
    if not chosen.any():
        raise UserError(f"pretrain.sources: no photo of {', '.join(options['sources'])}; give data.root")
    rows: pd.DataFrame = photos[chosen].reset_index(drop=True)
    return rows


def pretrain(
    rows: pd.DataFrame,
    store_paths: dict[str, str],
    recipe: dict[str, Any],
    options: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    name: str,
    folder: Path,
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """The backbone's tensors after masked image modelling on rows, and the history, one entry an epoch.

    recipe: the member's; options: params.yaml's section pretrain. name keys every draw. folder holds the checkpoint, from
    which an interrupted run goes on bit for bit. Raises UserError, naming epoch and step, for a loss that is not finite.
    """
    use_threads(training["threads"])
    device = device_of(training)
    torch.manual_seed(seed_of(seed, "pretrain", name) % 2**63)
    member = build(recipe, training["weights_dir"], pretrained=True)
    mean, deviation = (tensor.to(device) for tensor in normalisation(member))
    tokenizer, codes = _tokenizer(rows, store_paths, recipe, options, member.backbone, seed, name)
    torch.manual_seed(seed_of(seed, "pretrain", "head", name) % 2**63)  # whatever heads the member has
    net, tokenizer = MaskedNet(member.backbone, codes).to(device), tokenizer.to(device)
    plain = {"sampler": {"kind": "uniform", "temperature": 0.0, "shares": None}, "labels": "fixed"}
    plain |= {key: options[key] for key in ("batch", "epoch_photos")}
    labelled = rows.assign(weight=np.float32(1), years=np.float32("nan"))
    batches = TrainingBatches(labelled, store_paths, recipe | plain, seed, f"pretrain/{name}", training["workers"])
    optimizer = torch.optim.AdamW(net.parameters(), lr=options["lr"], weight_decay=options["weight_decay"], fused=True)
    scaler = torch.amp.GradScaler(device.type, enabled=training["amp"] == "fp16")
    state = checkpoint.State({"net": net}, optimizer, scaler)
    done, history = checkpoint.resume(folder / "last.safetensors", state)

    for epoch in range(done, options["epochs"]):
        torch.manual_seed(seed_of(seed, "pretrain", "dropout", name, epoch) % 2**63)
        net.train()
        started, total, right, count = time.monotonic(), 0.0, 0, 0
        heading = f"pretrain {name} epoch {epoch + 1}/{options['epochs']}"
        steps = tqdm(batches.epoch(epoch), heading, batches.steps, unit="step", leave=False, disable=None)
        for index, (images, _) in enumerate(steps):
            rate = learning_rate(
                epoch * batches.steps + index,
                options["epochs"] * batches.steps,
                options["lr"],
                options["warmup"],
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            random = generator(seed, "pretrain", "masks", name, epoch, index)
            hidden = torch.from_numpy(
                np.stack([block_mask(net.grid, options["share"], random).ravel() for _ in images])
            )
            hidden, images = hidden.to(device), images.to(device, non_blocking=True).float()
            with torch.no_grad():
                tokens = tokenizer(images / 255)[hidden]
            with autocast(device, training["amp"]):
                logits = net((images - mean) / deviation, hidden)
            loss = F.cross_entropy(logits.float(), tokens)
            value = loss.item()
            if not math.isfinite(value):
                raise UserError(
                    f"{name}: the pre-training loss is {value} in epoch {epoch + 1}, step {index + 1}; lower pretrain.lr"
                )
            optimizer.zero_grad()
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(net.parameters(), options["clip"])
            scaler.step(optimizer)
            scaler.update()
            total += value
            right, count = right + int((logits.argmax(1) == tokens).sum()), count + len(tokens)
        history.append({"epoch": epoch + 1, "loss": total / batches.steps, "guessed": right / count, "lr": rate})
        speed = batches.steps * batches.batch / (time.monotonic() - started)
        print(
            f"{heading} loss {total / batches.steps:.4f} guessed {right / count:.3f} of {codes} tokens, {speed:.0f} photos/s",
            flush=True,
        )
        checkpoint.save(folder / "last.safetensors", epoch + 1, history, state)
    return {key: tensor.detach().cpu().contiguous() for key, tensor in net.backbone.state_dict().items()}, history


def _tokenizer(
    rows: pd.DataFrame,
    store_paths: dict[str, str],
    recipe: dict[str, Any],
    options: dict[str, Any],
    backbone: Any,
    seed: int,
    name: str,
) -> tuple[nn.Module, int]:
    """(images in 0..1 -> tokens, number of codes) as options["tokenizer"] says: projection, kmeans, or a safetensors path."""
    kind = options["tokenizer"]
    grid, patch = patches_in(backbone)
    if kind.endswith(".safetensors"):
        return published_tokenizer(Path(kind), grid)
    if kind not in CODEBOOKS:
        raise UserError(f"pretrain.tokenizer={kind!r} is unknown; choose {', '.join(CODEBOOKS)} or a .safetensors file")
    random = generator(seed, "pretrain", "codebook", name)
    photos = Photos(rows, store_paths)
    sampled = random.choice(len(rows), min(SAMPLED, len(rows)), replace=False)
    views = np.stack([centre_view(photos[int(row)], recipe["size"], recipe["augment"]["share"]) for row in sampled])
    patches = patches_of(torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255, patch).flatten(0, 1)
    return CODEBOOKS[kind](patches, patch, options["codes"], random), options["codes"]
