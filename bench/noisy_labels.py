"""Labels with planted errors, and cheap voters that judge them: drawn persons, and scikit-learn's digits.

Voters of drawn persons are linear models on features of a frozen EfficientNet-Lite0; those of digits on raw pixels.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from facemask.core.files import replacing
from facemask.core.labels import MASK, OLD_AGE, Array, age_band
from facemask.core.rng import generator
from facemask.relabel.judgements import Judgements
from facemask.tools import demo_data

PROTOCOLS = ("alone", "rest")
FOLDS = 5
PHOTOS = 7  # of a person
SIZE = (120, 160)  # pixels: width and height of the photos that the features are made from
COMPONENTS = 120  # principal components that the voters see
CONFUSED = {0: 6, 1: 7, 2: 3, 3: 8, 4: 9, 5: 6, 6: 5, 7: 1, 8: 3, 9: 4}  # what a digit is taken for
SHARE = np.array([0, 2, 0.5, 2, 1, 1, 0, 2, 1, 0.5])  # of the mean error rate: errors depend on the class


@dataclass
class Faces:
    """Drawn persons, seven photos each in a row: features [photos, COMPONENTS], stem [photos] file stems, true codes, years."""

    features: Array
    stem: Array
    mask: Array
    gender: Array
    age: Array

    @property
    def person(self) -> Array:
        """The person of each photo, 0..persons-1."""
        return np.repeat(np.arange(len(self.gender)), PHOTOS)


@dataclass
class Planted:
    """What is written (mask [photos]; gender, age [persons]) and where it is wrong; `swap` [persons]."""

    mask: Array
    gender: Array
    age: Array
    wrong_mask: Array
    wrong_gender: Array
    wrong_age: Array
    swap: Array


def draw_faces(persons: int, seed: int, cache: Path) -> Faces:
    """Drawn once, then read from `cache` until the drawing code changes."""
    path = cache / f"faces-{seed}-{persons}-{_drawing_code()}.npz"
    if not path.exists():
        drawn = _drawn(persons, seed)
        with replacing(path) as temporary, temporary.open("wb") as target:
            np.savez(target, **drawn)
    kept = np.load(path)
    scaled = StandardScaler().fit_transform(kept["features"])
    features = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit_transform(scaled)
    return Faces(features / features[:, 0].std(), *(kept[name] for name in ("stem", "mask", "gender", "age")))


def plant(faces: Faces, rate: float, seed: int, draw: int) -> Planted:
    """Wrong gender, wrong age band and exchanged pairs for `rate` of the persons each, wrong masks for `rate` of photos."""
    random = generator(seed, "bench labels", "plant", rate, draw)
    persons = len(faces.gender)
    count = max(1, round(rate * persons))

    def chosen() -> Array:
        return np.isin(np.arange(persons), random.choice(persons, count, replace=False))

    wrong_gender, wrong_age, swap = chosen(), chosen(), chosen()
    age = np.minimum(faces.age, OLD_AGE)
    written_age, bands = age.copy(), age_band(age)
    for person in np.flatnonzero(wrong_age):
        band = random.choice([other for other in range(3) if other != bands[person]])
        written_age[person] = random.choice(age[bands == band])
    mask, exchanged = faces.mask.copy(), np.repeat(swap, PHOTOS)
    mask[exchanged] = np.array([0, 2, 1])[mask[exchanged]]
    single = random.choice(np.flatnonzero(~exchanged), max(1, round(rate * len(mask))), replace=False)
    mask[single] = (mask[single] + random.integers(1, 3, len(single))) % 3
    gender = np.where(wrong_gender, 1 - faces.gender, faces.gender)
    return Planted(mask, gender, written_age, mask != faces.mask, wrong_gender, wrong_age, swap)


def judge(faces: Faces, planted: Planted, protocol: str, seed: int) -> tuple[Judgements, pd.DataFrame]:
    """Five voters' judgements of what is written, and the photo table that carries it."""
    person = faces.person
    fold = (generator(seed, "bench labels", "folds").permutation(len(faces.gender)) % FOLDS)[person]
    names = np.array([f"{number:05d}" for number in person])
    files = np.array([f"{stem}.jpg" for stem in faces.stem])
    gender, age = planted.gender[person], planted.age[person]
    voted = [vote(faces.features, labels, fold, protocol) for labels in (planted.mask, gender, age_band(age))]
    judgements = Judgements(*voted, _vote_years(faces.features, age, fold, protocol), names, files)
    return judgements, pd.DataFrame(
        {"person": names, "file": files, "split": "train", "mask": planted.mask, "gender": gender, "age": age}
    ).astype({"mask": "Int8", "gender": "Int8", "age": "Int16"})


def vote(features: Array, labels: Array, fold: Array, protocol: str) -> Array:
    """Probabilities [FOLDS, photos, classes] float32, NaN for what a voter learned."""
    votes = np.full((FOLDS, len(labels), labels.max() + 1), np.nan, dtype=np.float32)
    for voter in range(FOLDS):
        learned = (fold == voter) == (protocol == "alone")
        model = LogisticRegression(max_iter=300).fit(features[learned], labels[learned])
        probabilities = np.zeros(((~learned).sum(), votes.shape[2]))
        probabilities[:, model.classes_] = model.predict_proba(features[~learned])
        votes[voter, ~learned] = probabilities
    return votes


def digits(rate: float, seed: int) -> tuple[Array, Array, Array]:
    """Pixels [1797, 64] in 0..1, true and written digits: wrong ones depend on the class, as people's errors do."""
    pixels, true = load_digits(return_X_y=True)
    random = generator(seed, "bench labels", "digits", rate)
    written = true.copy()
    for digit, share in enumerate(SHARE):
        own = np.flatnonzero(true == digit)
        written[random.choice(own, round(rate * share * len(own)), replace=False)] = CONFUSED[digit]
    return pixels / 16, true, written


def digit_folds(count: int, seed: int) -> Array:
    return np.asarray(generator(seed, "bench labels", "digit folds").permutation(count) % FOLDS)


def _vote_years(features: Array, years: Array, fold: Array, protocol: str) -> Array:
    votes = np.full((FOLDS, len(years)), np.nan, dtype=np.float32)
    for voter in range(FOLDS):
        learned = (fold == voter) == (protocol == "alone")
        model = Ridge(alpha=30).fit(features[learned], years[learned].astype(float))
        votes[voter, ~learned] = model.predict(features[~learned])
    return votes


def _drawing_code() -> str:
    """Eight hex digits that change with any module that draws."""
    modules = sorted(Path(demo_data.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()[:8]


def _drawn(persons: int, seed: int) -> dict[str, Array]:
    from facemask.tools.demo_data.competition_tree import plan_persons, sittings

    people = plan_persons(persons, seed, 0.0)
    planned = sittings(people, seed)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        drawn = list(tqdm(pool.map(_draw_photos, planned, chunksize=8), f"draw {seed}", len(planned), unit="person"))
    return {
        "features": _features(np.concatenate(drawn), seed),
        "stem": np.array([photo.name for sitting in planned for photo in sitting.photos]),
        "mask": np.array([MASK.index(photo.mask) for sitting in planned for photo in sitting.photos]),
        "gender": np.array([person.gender for person in people]),
        "age": np.array([person.age for person in people]),
    }


def _draw_photos(sitting: object) -> Array:
    from facemask.tools.demo_data.people import draw_person
    from facemask.tools.demo_data.portrait import draw_portrait
    from facemask.tools.demo_data.sittings import Sitting

    assert isinstance(sitting, Sitting)
    cv2.setNumThreads(1)
    person = draw_person(sitting.seed, sitting.tree, sitting.number, sitting.gender, sitting.age)
    key = sitting.seed, sitting.tree, person, sitting.number
    portraits = [draw_portrait(*key, photo.name, photo.mask, photo.placement).pixels for photo in sitting.photos]
    return np.stack([cv2.resize(pixels, SIZE, interpolation=cv2.INTER_AREA) for pixels in portraits])


def _features(photos: Array, seed: int) -> Array:
    import timm
    import torch

    from facemask.nets.weights import PACKAGED, load_pretrained

    net = timm.create_model(PACKAGED, num_classes=0).eval()
    load_pretrained(net, PACKAGED, "package", None)
    made = []
    with torch.inference_mode():
        for start in tqdm(range(0, len(photos), 64), f"features {seed}", unit="batch"):
            batch = torch.from_numpy(photos[start : start + 64]).permute(0, 3, 1, 2).float() / 127.5 - 1
            made.append(net(batch.contiguous(memory_format=torch.channels_last)).numpy())
    return np.concatenate(made)


def seeds_with_cache(seeds: Sequence[int], persons: int, cache: Path) -> None:
    """Draw what the cache lacks, one seed after the other: drawing itself uses every core."""
    for seed in seeds:
        draw_faces(persons, seed, cache)
