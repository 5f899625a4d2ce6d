"""What a user would write in half an hour instead of this pipeline: one EfficientNet-Lite0 with three heads, every label as written.

AdamW, one cycle of the learning rate, mirrored photos and a little light; the last epoch's weights predict the eval photos.
"""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import timm
import torch
from tqdm import tqdm

from facemask.core.labels import AGE, GENDER, MASK, Array, age_band, encode
from facemask.ingest.competition import list_photos
from facemask.ingest.tree import Entry, open_tree, read
from facemask.nets.weights import load_pretrained

SIZE, BATCH, EPOCHS, RATE = (128, 96), 32, 12, 1e-3
HEADS = (len(MASK), len(GENDER), len(AGE))


def plain_classes(tree: Path, seed: int) -> "pd.Series[int]":
    """The class 0..17 of each eval photo by its file name; tree: a folder in the competition's layout."""
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    listing = list_photos(open_tree(str(tree), "tree"))
    pixels = np.stack([_read(listing.entries[path]) for path in tqdm(listing.photos["path"], "read", disable=None)])
    train = (listing.photos["split"] == "train").to_numpy()
    rows = listing.photos[train]
    bands = age_band(rows["age"].to_numpy(np.int64))
    codes = np.stack([rows["mask"].to_numpy(np.int64), rows["gender"].to_numpy(np.int64), bands], axis=1)
    network = _fitted(pixels[train], torch.from_numpy(codes), np.random.default_rng(seed))
    with torch.inference_mode():
        batches = np.split(pixels[~train], range(64, int((~train).sum()), 64))
        outputs = torch.cat([network(_normalised(batch)) for batch in batches])
    mask, gender, age = (logits.argmax(1).numpy() for logits in outputs.split(HEADS, 1))
    return pd.Series(encode(mask, gender, age), listing.photos.loc[~train, "file"])


def _read(entry: Entry) -> Array:
    image = cv2.imdecode(np.frombuffer(read(entry), np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(cv2.resize(image, SIZE[::-1], interpolation=cv2.INTER_AREA))


def _normalised(images: Array) -> torch.Tensor:
    mean, deviation = (255 * torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    return ((pixels - mean) / deviation).contiguous(memory_format=torch.channels_last)


def _fitted(images: Array, codes: torch.Tensor, rng: np.random.Generator) -> torch.nn.Module:
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    load_pretrained(network, "tf_efficientnet_lite0", "package", None)
    network.reset_classifier(sum(HEADS))
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.02)
    steps = len(images) // BATCH
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps, pct_start=0.1)
    for _ in tqdm(range(EPOCHS), "plain loop", unit="epoch", disable=None):
        for rows in rng.permutation(len(images))[: steps * BATCH].reshape(steps, BATCH):
            batch, mirrored = images[rows], rng.random(BATCH) < 0.5
            batch[mirrored] = batch[mirrored, :, ::-1]
            light = torch.randn(2, BATCH, 1, 1, 1)
            logits = network(_normalised(batch) * (1 + 0.2 * light[0]) + 0.1 * light[1]).split(HEADS, 1)
            pairs = zip(logits, codes[rows].T, strict=True)
            loss = sum(torch.nn.functional.cross_entropy(some, own, label_smoothing=0.05) for some, own in pairs)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[union-attr]
            optimizer.step()
            rate.step()
    return network.eval()
