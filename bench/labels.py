"""Who finds wrong labels first: this ranking, plain votes, or cleanlab; and is cleaning worth it? (make bench-labels)

Voters are the same for all. A person's score is the mean over the seven photos for votes and cleanlab too, and a pair's
the sum over its two photos; row e shows what happens without: a person is as suspicious as the worst photo. Of cleanlab's
scores and filters the table shows the one with the best average precision, chosen with the truth in hand.
"""

import argparse
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from given_labels import QUALITIES, measure_sets
from noisy_labels import (
    FOLDS,
    PHOTOS,
    PROTOCOLS,
    Faces,
    Planted,
    digit_folds,
    digits,
    draw_faces,
    judge,
    plant,
    seeds_with_cache,
    vote,
)
from processes import peak_megabytes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from facemask.core.errors import one_sentence
from facemask.core.labels import EXCHANGED, Array, age_band, encode
from facemask.core.rng import generator
from facemask.fix_labels.apply import fix_labels
from facemask.relabel.judgements import Judgements, votes_against
from facemask.relabel.posterior import judge_photos
from facemask.relabel.ranking import find_suspects, rank_labels

RATES = (0.01, 0.04)
FIXES = {"auto": True, "margin": 1.5, "action": "change", "weight": 0.3, "most": 1.0}
FILTERS = ("prune_by_noise_rate", "prune_by_class", "both", "confident_learning")
WAYS = ("a ours", "b votes", "c cleanlab, same voters", "d cleanlab, its own protocol", "e the same, photo by photo")
UNITS = {
    "person": "persons, gender and age in one list",
    "gender": "persons, gender alone",
    "age": "persons, age alone",
    "swap": "exchanged pairs",
    "photo": "photos, masks",
    "digit": "photos, scikit-learn's digits",
}
Scores = dict[tuple[str, str], Array]  # (unit, way) -> suspicion of each unit


def measures(suspicion: Array, wrong: Array) -> tuple[float, float, float, float]:
    """Average precision, AUROC, precision at the number of errors, recall at twice that; ties in the order of chance."""
    errors = int(wrong.sum())
    found = [_found(suspicion, wrong, cut) for cut in (errors, 2 * errors)]
    areas = float(average_precision_score(wrong, suspicion)), float(roc_auc_score(wrong, suspicion))
    return *areas, found[0] / errors, found[1] / errors


def _found(suspicion: Array, wrong: Array, cut: int) -> float:
    threshold = np.sort(suspicion)[::-1][min(cut, len(suspicion)) - 1]
    above, tied = suspicion > threshold, suspicion == threshold
    return float(wrong[above].sum() + (cut - above.sum()) * wrong[tied].mean())


def mean_probabilities(probabilities: Array) -> Array:
    """[photos, classes] float64: the mean over the voters that judged."""
    mean = np.nanmean(probabilities.astype(np.float64), axis=0)
    return np.asarray(mean / mean.sum(1, keepdims=True))


def cleanlab_scores(probabilities: Array, labels: Array) -> Iterator[tuple[str, Array]]:
    """Name and suspicion [photos] of each of cleanlab's ways; a filter puts what it keeps first, by self-confidence."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    for method in QUALITIES:
        yield method, 1 - get_label_quality_scores(labels, probabilities, method=method)
    doubt = 1 - get_label_quality_scores(labels, probabilities, method="self_confidence")
    for name in FILTERS:
        yield f"filter {name}", doubt + 2 * find_label_issues(labels, probabilities, filter_by=name, n_jobs=1)


def rival_scores(probabilities: Array, labels: Array, protocol: str) -> Iterator[tuple[str, Array]]:
    """(way, suspicion [photos]) of votes and cleanlab on one attribute."""
    if protocol == "alone":
        against, judged = votes_against(probabilities, labels)
        yield WAYS[1], against / judged
    way = WAYS[2] if protocol == "alone" else WAYS[3]
    for name, suspicion in cleanlab_scores(mean_probabilities(probabilities), labels):
        yield f"{way}|{name}", suspicion


def rank_faces(judgements: Judgements, photos: pd.DataFrame, protocol: str) -> Scores:
    """Suspicion of persons (gender and age in one list), gender, age, swaps and photos (masks)."""
    scores = _our_scores(judgements, photos, f"{WAYS[0]}|{protocol}")
    pairs = [np.flatnonzero(photos["file"] == f"{stem}.jpg") for stem in EXCHANGED]
    labels = {name: photos[name].to_numpy(np.int64) for name in ("mask", "gender", "age")}
    for way, suspicion in rival_scores(judgements.mask, labels["mask"], protocol):
        scores["photo", way], scores["swap", way] = suspicion, suspicion[pairs[0]] + suspicion[pairs[1]]
    for name, codes in (("gender", labels["gender"]), ("age", age_band(labels["age"]))):
        for way, suspicion in rival_scores(judgements.of(name), codes, protocol):
            by_person = suspicion.reshape(-1, PHOTOS)
            scores[name, way] = by_person.mean(1)
            if way.startswith(WAYS[3]):  # as a user would have it who installs cleanlab and no more
                scores[name, way.replace(WAYS[3], WAYS[4])] = by_person.max(1)
    for way in {way for unit, way in scores if unit == "gender"}:
        scores["person", way] = np.concatenate([scores["gender", way], scores["age", way]])
    return scores


def _our_scores(judgements: Judgements, photos: pd.DataFrame, way: str) -> Scores:
    ranked = rank_labels(judgements, photos)
    by_attribute = {name: rows.set_index(["person", "file"]) for name, rows in ranked.groupby("attribute")}
    persons = photos["person"].unique()
    whole = pd.MultiIndex.from_product([persons, [""]])
    masks = by_attribute["mask"].loc[pd.MultiIndex.from_frame(photos[["person", "file"]])]
    at = photos["file"].to_numpy() == f"{EXCHANGED[0]}.jpg"
    swap = masks["swap_score"].fillna(-1000.0).to_numpy()[at]  # NaN: both photos are written the same
    gender, age = (by_attribute[name].loc[whole, "score"].to_numpy() for name in ("gender", "age"))
    return {("photo", way): masks["score"].to_numpy(), ("swap", way): swap, ("gender", way): gender, ("age", way): age}


def run_faces(persons: int, seed: int, rate: float, draws: int, cache: Path) -> list[dict[str, object]]:
    faces, rows = draw_faces(persons, seed, cache), []
    for draw in range(draws):
        planted = plant(faces, rate, seed, draw)
        wrong = {"photo": planted.wrong_mask, "swap": planted.swap}
        wrong |= {"gender": planted.wrong_gender, "age": planted.wrong_age}
        wrong["person"] = np.concatenate([planted.wrong_gender, planted.wrong_age])
        for protocol in PROTOCOLS:
            judgements, photos = judge(faces, planted, protocol, seed + 1000 * draw)
            for (unit, way), suspicion in rank_faces(judgements, photos, protocol).items():
                rows.append(_row(rate, unit, way, seed, measures(suspicion, wrong[unit])))
            rows += _expectations(judgements, photos, wrong, rate, protocol, seed)
            if draw == 0:
                rows += _worth(faces, planted, judgements, photos, rate, protocol, seed)
    return rows


def run_digits(seed: int, rate: float) -> list[dict[str, object]]:
    pixels, true, written = digits(rate, seed)
    fold, rows = digit_folds(len(true), seed), []
    for protocol in PROTOCOLS:
        probabilities = vote(pixels, written, fold, protocol)
        found = [(f"{WAYS[0]}|{protocol}", judge_photos(probabilities, written).log_odds)]
        found += rival_scores(probabilities, written, protocol)
        rows += [_row(rate, "digit", way, seed, measures(scores, written != true)) for way, scores in found]
    return rows


def _row(rate: float, unit: str, way: str, seed: int, values: Sequence[float]) -> dict[str, object]:
    return {"rate": rate, "unit": unit, "way": way, "seed": seed} | dict(
        zip(("ap", "auroc", "p", "r"), values, strict=True)
    )


def _expectations(
    judgements: Judgements, photos: pd.DataFrame, wrong: dict[str, Array], rate: float, protocol: str, seed: int
) -> list[dict[str, object]]:
    """Expected and true errors in the ranking's first n, 2n and 4n rows, n the number of wrong labels."""
    ranked = rank_labels(judgements, photos)
    persons = photos["person"].unique()
    bad = {(person, "", "gender") for person in persons[wrong["gender"]]}
    bad |= {(person, "", "age") for person in persons[wrong["age"]]}
    bad |= {
        (person, file, "mask")
        for person, file in photos.loc[wrong["photo"], ["person", "file"]].itertuples(index=False)
    }
    keys = ranked[["person", "file", "attribute"]].itertuples(index=False, name=None)
    true, expected = np.cumsum([key in bad for key in keys]), ranked["expected"].to_numpy()
    cuts = [min(times * len(bad), len(ranked)) - 1 for times in (1, 2, 4)]
    return [
        {"rate": rate, "unit": f"first {times}n", "way": f"expected|{protocol}", "seed": seed}
        | {"ap": expected[cut], "p": true[cut], "r": cut + 1}
        for times, cut in zip((1, 2, 4), cuts, strict=True)
    ]


def _worth(
    faces: Faces, planted: Planted, judgements: Judgements, photos: pd.DataFrame, rate: float, protocol: str, seed: int
) -> list[dict[str, object]]:
    """Macro F1 on the clean truth, out of fold, of models that learn written, automatically fixed and true labels."""
    nobody = pd.DataFrame(columns=["person", "file", "attribute", "value", "by", "note", "line"], dtype="str")
    fixed, _, _ = fix_labels(photos, find_suspects(judgements, photos), nobody, FIXES)
    person = faces.person
    true = faces.mask, faces.gender[person], age_band(faces.age)[person]
    learned = {
        "written labels": (planted.mask, planted.gender[person], age_band(planted.age)[person]),
        f"fix_labels.auto|{protocol}": tuple(
            codes if name != "age" else age_band(codes)
            for name in ("mask", "gender", "age")
            for codes in [fixed[name].to_numpy(np.int64)]
        ),
        "true labels": true,
    }
    fold = (generator(seed, "bench labels", "worth").permutation(len(faces.gender)) % FOLDS)[person]
    return [
        {
            "rate": rate,
            "unit": "macro F1",
            "way": name,
            "seed": seed,
            "ap": _macro_f1(faces.features, labels, true, fold),
        }
        for name, labels in learned.items()
    ]


def _macro_f1(features: Array, labels: Sequence[Array], true: Sequence[Array], fold: Array) -> float:
    predicted = [np.zeros(len(fold), dtype=np.int64) for _ in labels]
    for held in range(FOLDS):
        out = fold == held
        for answer, codes in zip(predicted, labels, strict=True):
            answer[out] = LogisticRegression(max_iter=300).fit(features[~out], codes[~out]).predict(features[out])
    return float(f1_score(encode(*true), encode(*predicted), average="macro"))


def print_tables(rows: pd.DataFrame) -> None:
    others = rows["unit"].eq("macro F1") | rows["unit"].str.startswith("first")
    by_seed = rows[~others].groupby(["unit", "rate", "way", "seed"])[["ap", "auroc", "p", "r"]].mean()
    table = by_seed.groupby(level=[0, 1, 2]).mean()
    table["spread"] = by_seed["ap"].groupby(level=[0, 1, 2]).std()
    print(
        f"\n{'noise':>5}  {'way':58} {'average precision':>18} {'AUROC':>6} {'precision at n':>15} {'recall at 2n':>13}"
    )
    for unit in UNITS:
        print(UNITS[unit])
        for rate in RATES:
            for way, row in _best_of_each(table.loc[unit, rate]).iterrows():
                name = str(way).replace("|", ": ")
                print(
                    f"{rate:5.0%}  {name:58} {row.ap:11.3f} ±{row.spread:.3f} {row.auroc:6.3f} {row.p:15.3f} {row.r:13.3f}"
                )
    _print_expectations(rows[rows["unit"].str.startswith("first")])
    _print_worth(rows[rows["unit"] == "macro F1"])


def _best_of_each(ways: pd.DataFrame) -> pd.DataFrame:
    """Ours by both protocols, and the best variant of each rival."""
    names = ways.index.to_series()
    family = names.where(names.str.startswith("a"), names.str.split("|").str[0])
    best = ways.sort_values("ap", ascending=False).groupby(family).head(1)
    return best.sort_index()


def _print_expectations(rows: pd.DataFrame) -> None:
    print("\nexpected and true errors in the first rows of the whole list (n = the number of wrong labels)")
    rows = rows.assign(known=rows["ap"].notna(), p=rows["p"].where(rows["ap"].notna()))
    means = rows.groupby(["rate", "way", "unit"])[["ap", "p", "r", "known"]].mean()
    for (rate, way, unit), row in means.iterrows():
        print(
            f"{rate:5.0%} {way.split('|')[1]:6} {unit:9} {row.r:6.0f} rows: expected {row.ap:6.1f}, true {row.p:6.1f}, known in {row.known:.0%}"
        )


def _print_worth(rows: pd.DataFrame) -> None:
    print("\nmacro F1 on the clean truth of a linear model that learns")
    spread = rows.groupby(["rate", "way"])["ap"].agg(["mean", "std"])
    for (rate, way), row in spread.iterrows():
        print(f"{rate:5.0%} {way.replace('|', ', voters '):32} {row['mean']:.3f} ±{row['std']:.3f}")


def measure_speed(persons: int = 2700) -> None:
    """Time and peak memory of 18,900 photos' judgements in, suspects out."""
    from facemask.relabel.judgements import Judgements as Blank

    random, files = np.random.default_rng(0), ["incorrect_mask", *(f"mask{i}" for i in range(1, 6)), "normal"]
    person = np.repeat([f"{number:06d}" for number in range(persons)], PHOTOS)
    photos = pd.DataFrame({"person": person, "file": np.tile([f"{name}.jpg" for name in files], persons)})
    photos["mask"], unit = np.tile([1, 0, 0, 0, 0, 0, 2], persons), np.arange(len(person)) // PHOTOS
    photos["gender"], photos["age"] = random.integers(0, 2, persons)[unit], random.integers(18, 61, persons)[unit]
    judgements = Blank.blank(FOLDS, photos["person"], photos["file"])
    fold = random.integers(0, FOLDS, persons)[unit]
    for voter in range(FOLDS):
        for name, classes in (("mask", 3), ("gender", 2), ("age", 3)):
            codes = photos[name] if name != "age" else age_band(photos["age"].to_numpy())
            logits = 2 * np.eye(classes)[codes] + random.normal(size=(len(person), classes))
            judgements.of(name)[voter] = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        judgements.years[voter] = photos["age"] + random.normal(0, 6, len(person))
        for values in (judgements.mask, judgements.gender, judgements.age, judgements.years):
            values[voter, fold == voter] = np.nan
    start = time.perf_counter()
    suspects = find_suspects(judgements, photos)
    took = time.perf_counter() - start
    print(f"{len(photos)} photos: {len(suspects)} suspects in {took:.1f} s, process at most {peak_megabytes():.0f} MB")


def _job(job: tuple[object, ...]) -> list[dict[str, object]]:
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        return run_faces(*job[1:]) if job[0] == "faces" else run_digits(*job[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=450, help="drawn persons a seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--draws", type=int, default=4, help="plantings of errors a seed")
    parser.add_argument("--cache", type=Path, default=Path("data/bench"))
    parser.add_argument("--speed", action="store_true", help="only measure time and memory at 18,900 photos")
    parser.add_argument("--given", type=Path, help="folder of sets whose wrong labels are known: measure those instead")
    arguments = parser.parse_args()
    if arguments.speed or arguments.given:
        measure_speed() if arguments.speed else measure_sets(arguments.given)
        return
    seeds_with_cache(arguments.seeds, arguments.persons, arguments.cache)
    common = arguments.draws, arguments.cache
    jobs: list[tuple[object, ...]] = [
        ("faces", arguments.persons, seed, rate, *common) for rate in RATES for seed in arguments.seeds
    ]
    jobs += [("digits", seed, rate) for rate in RATES for seed in arguments.seeds]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        rows = [row for part in tqdm(pool.map(_job, jobs), "settings", len(jobs)) for row in part]
    print_tables(pd.DataFrame(rows))
    sys.stdout.flush()
    # A process of its own, so that its peak memory is the ranking's and not the bench's.
    subprocess.run([sys.executable, __file__, "--speed"], check=True)


if __name__ == "__main__":
    with one_sentence():
        main()
