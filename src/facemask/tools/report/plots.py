"""The report's figures, one function each; render() makes a PNG whose bytes depend on the figure alone."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from facemask.core.labels import ATTRIBUTES, CLASSES, Array
from facemask.stack.metrics import Reliability

DPI = 120
SHEET_COLUMNS = 6
FEWEST = 10  # photos of a bin of confidence that is worth a dot
BLUE, ORANGE, GREEN, GREY = "#3b78c2", "#d9822b", "#3f9c6b", "#8a94a3"
LINES = (BLUE, ORANGE, GREEN, "#a05fc0", "#c0504d", "#5bb0c9", "#b0a030", GREY)


def _theme(page: str, ink: str, rule: str) -> dict[Any, Any]:
    return {
        "figure.facecolor": page, "axes.facecolor": page, "savefig.facecolor": page,
        "text.color": ink, "axes.labelcolor": ink, "xtick.color": ink, "ytick.color": ink, "axes.edgecolor": rule,
        "grid.color": rule, "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.spines.top": False,
        "axes.spines.right": False, "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 10,
        "axes.titlelocation": "left", "legend.frameon": False,
    }  # fmt: skip


# from the page's colour, so that an empty cell is empty, to one on which its label can be read
HEAT = {
    "#ffffff": LinearSegmentedColormap.from_list("light", ["#ffffff", "#9cc0e8", "#1f5296"]),
    "#161a20": LinearSegmentedColormap.from_list("dark", ["#161a20", "#2c5c96", "#a9cdf7"]),
}
THEMES = {"light": _theme("#ffffff", "#1b1f24", "#d5dbe3"), "dark": _theme("#161a20", "#e6e9ee", "#3a424d")}


def render(draw: Callable[[], Figure], theme: str = "light") -> bytes:
    """PNG bytes in the "light" or "dark" theme."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(THEMES[theme])
        figure = draw()
        buffer = io.BytesIO()
        # without Software: None, matplotlib writes its version into the file
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def confusion_matrix(counts: Array, names: Sequence[str]) -> Figure:
    """Share of each true class (row) that was predicted as each class (column)."""
    size = 6.8 if len(names) > 6 else 3.4
    figure = _figure(size, size * 0.95)
    _heat(figure.add_subplot(), counts, names, "predicted, in % of the true class")
    return figure


def attribute_confusions(counts: Mapping[str, Array]) -> Figure:
    """One matrix for mask, gender and age each."""
    figure = _figure(8.4, 3.1)
    for axes, (attribute, words) in zip(figure.subplots(1, 3), ATTRIBUTES.items(), strict=True):
        _heat(axes, counts[attribute], words, "")
        axes.set_title(attribute)
    return figure


def class_bars(table: pd.DataFrame) -> Figure:
    """F1 of the 18 classes (errors.class_table), a colour for each mask class."""
    figure, axes = _axes(5.6, 4.6)
    place = np.arange(len(table))[::-1]
    axes.barh(place, table["f1"].fillna(0), color=[(BLUE, ORANGE, GREEN)[index // 6] for index in range(len(table))])
    for at, (f1, photos) in zip(place, table[["f1", "photos"]].itertuples(index=False), strict=True):
        label = f"{f1:.2f}" if np.isfinite(f1) else "none"
        axes.text((f1 if np.isfinite(f1) else 0) + 0.01, at, f"{label}  ({photos})", va="center", fontsize=8)
    axes.set_yticks(place, table["meaning"])
    axes.set(xlim=(0, 1.12), xlabel="F1 (number of photos)")
    axes.grid(axis="x")
    return figure


def reliability_curve(parts: Mapping[str, Reliability]) -> Figure:
    """Accuracy against the probability of the predicted class; a calibrated ensemble lies on the diagonal."""
    figure, axes = _axes(4.6, 4.2)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    for colour, (name, each) in zip(LINES, parts.items(), strict=False):
        shown = each.photos >= FEWEST
        confidence, accuracy, photos = each.confidence[shown], each.accuracy[shown], each.photos[shown]
        axes.plot(confidence, accuracy, color=colour, linewidth=1.5, label=f"{name}, ECE {each.error:.3f}")
        axes.scatter(confidence, accuracy, s=8 + 120 * photos / each.photos.sum(), color=colour, zorder=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the predicted class", ylabel="accuracy")
    axes.grid()
    axes.legend(loc="lower right")
    return figure


def old_curve(parts: Mapping[str, pd.DataFrame]) -> Figure:
    """Share predicted as >=60 by years (errors.old_by_years)."""
    figure, axes = _axes(5.2, 3.4)
    names: list[str] = max(parts.values(), key=len)["years"].tolist()
    for colour, (name, table) in zip(LINES, parts.items(), strict=False):
        shown = table[table["years"].isin(names)]
        axes.plot(
            [names.index(years) for years in shown["years"]], shown["as_old"], color=colour, marker="o", label=name
        )
    first_old = sum(int(name.split("-")[0].rstrip("+")) < 60 for name in names)
    axes.axvline(first_old - 0.5, color=GREY, linestyle="--", linewidth=1)
    axes.text(first_old - 0.45, 1.02, "60 and more", fontsize=8, color=GREY)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylim=(0, 1.1), xlabel="years", ylabel="share predicted as >=60")
    axes.grid(axis="y")
    axes.legend(loc="upper left")
    return figure


def bars(table: pd.DataFrame, label: str, columns: Mapping[str, str], axis: str) -> Figure:
    """Horizontal bars of shares 0..1, nan where there is nobody: a group a row of the table, a bar a column (column -> legend)."""
    figure, axes = _axes(5.2, 0.9 + 0.26 * len(table) * (len(columns) + 0.6))
    place = np.arange(len(table))[::-1] * (len(columns) + 0.6)
    for index, (colour, (column, legend)) in enumerate(zip(LINES, columns.items(), strict=False)):
        values = table[column].to_numpy(np.float64)
        axes.barh(place - index, np.nan_to_num(values), height=0.9, color=colour, label=legend)
        for at, value in zip(place - index, values, strict=True):
            axes.text(
                np.nan_to_num(value), at, " nobody" if np.isnan(value) else f" {value:.1%}", va="center", fontsize=8
            )
    names = [f"{name} ({photos})" for name, photos in zip(table[label], table["photos"], strict=True)]
    axes.set_yticks(place - (len(columns) - 1) / 2, names)
    axes.set(xlim=(0, max(0.05, 1.18 * float(table[list(columns)].max().max()))), xlabel=axis)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1))
    axes.grid(axis="x")
    if len(columns) > 1:
        figure.legend(loc="outside lower center", ncols=len(columns))
    return figure


def candidate_dots(table: pd.DataFrame, chosen: str) -> Figure:
    """Macro F1 of every candidate with its 95 % interval (columns name, value, low, high), the chosen one in colour."""
    figure, axes = _axes(5.4, 1.0 + 0.24 * len(table))
    place = np.arange(len(table))[::-1]
    for at, row in zip(place, table.to_dict("records"), strict=True):
        colour = ORANGE if row["name"] == chosen else BLUE
        axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=1.5)
        axes.plot(row["value"], at, "o", color=colour, markersize=5)
    axes.set_yticks(place, table["name"])
    axes.set(xlabel="out-of-fold macro F1, 95 % interval over persons")
    axes.grid(axis="x")
    return figure


def agreement_heat(table: pd.DataFrame) -> Figure:
    """Of each attribute, the share of photos on which two members agree (errors.agreement)."""
    groups = [(name, table[table["attribute"] == name]) for name in ATTRIBUTES if (table["attribute"] == name).any()]
    figure = _figure(1.2 + 2.6 * len(groups), 3.0)
    for axes, (attribute, pairs) in zip(np.atleast_1d(figure.subplots(1, len(groups))), groups, strict=True):
        names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
        shares = np.eye(len(names))
        for pair in pairs.to_dict("records"):
            at = names.index(pair["first"]), names.index(pair["second"])
            shares[at] = shares[at[::-1]] = pair["agree"]
        _grid(axes, shares, names, "{:.2f}", low=float(shares.min()) - 0.1)
        axes.set_title(attribute)
    return figure


def training_curves(curves: pd.DataFrame) -> Figure:
    """Training loss by epoch (columns member, fold, epoch, loss): the mean over folds, and each fold faintly."""
    figure, axes = _axes(5.6, 3.2)
    for colour, (member, rows) in zip(LINES * 4, curves.groupby("member", sort=False), strict=False):
        for _, fold in rows.groupby("fold"):
            axes.plot(fold["epoch"], fold["loss"], color=colour, alpha=0.25, linewidth=0.8)
        mean = rows.groupby("epoch")["loss"].mean()
        axes.plot(mean.index, mean, color=colour, linewidth=1.8, marker="o", markersize=3, label=str(member))
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", ylabel="training loss")
    axes.grid()
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    return figure


def mean_maps(means: Mapping[tuple[str, str], Mapping[bool, Array]], photo: Array) -> Figure:
    """Maps (grad_cam_figures.mean_maps) over a photo (rows, columns, 3) uint8: a column a head, the right predictions above."""
    figure = _figure(0.5 + 1.15 * len(means), 3.5)
    grid = figure.subplots(2, len(means), squeeze=False)
    for column, ((member, head), outcomes) in zip(grid.T, means.items(), strict=True):
        for axes, (outcome, name) in zip(column, ((True, "right"), (False, "wrong")), strict=True):
            _bare(axes)
            if outcome in outcomes:
                axes.imshow(_heated(photo, outcomes[outcome] / max(float(outcomes[outcome].max()), 1e-6)))
            else:
                axes.text(0.5, 0.5, "none", ha="center", va="center", color=GREY, transform=axes.transAxes)
            if column is grid.T[0]:
                axes.set_ylabel(name)
        column[0].set_title(f"{member}\n{head}", fontsize=7.5, loc="center")
    return figure


def photo_maps(
    photos: Sequence[str],
    titles: Mapping[str, str],
    pixels: Mapping[str, Array],
    columns: Sequence[tuple[str, str]],
    cells: Mapping[tuple[str, str, str], tuple[Array, str, bool]],
) -> Figure:
    """A row a photo: the photo, then every member's map on it with the member's prediction (grad_cam_figures._cells)."""
    figure = _figure(1.6 + 1.15 * len(columns), 0.4 + 1.9 * len(photos))
    grid = figure.subplots(len(photos), 1 + len(columns), squeeze=False)
    for line, photo in zip(grid, photos, strict=True):
        _bare(line[0])
        line[0].imshow(pixels[photo])
        line[0].set_xlabel(titles[photo], fontsize=7)
        for axes, (member, head) in zip(line[1:], columns, strict=True):
            _bare(axes)
            if (photo, member, head) in cells:
                heat, words, is_right = cells[photo, member, head]
                axes.imshow(_heated(pixels[photo], heat))
                axes.set_xlabel(words, fontsize=7, color=mpl.rcParams["text.color"] if is_right else ORANGE)
    for axes, (member, head) in zip(grid[0][1:], columns, strict=True):
        axes.set_title(f"{member}\n{head}", fontsize=7.5, loc="center")
    return figure


def contact_sheet(title: str, photos: Sequence[Array], captions: Sequence[str]) -> Figure:
    """Photos (h, w, 3) uint8, the first at the top left, each with its caption below."""
    lines = -(-len(photos) // SHEET_COLUMNS)
    figure = _figure(1.65 * SHEET_COLUMNS, 0.4 + 2.8 * lines)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    grid = figure.subplots(lines, SHEET_COLUMNS, squeeze=False).ravel()
    for axes in grid:
        _bare(axes)
    for axes, photo, caption in zip(grid, photos, captions, strict=False):
        axes.imshow(photo)
        axes.set_xlabel(caption, fontsize=7, parse_math=False)
        axes.set_anchor("N")
    return figure


def photo_rows(rows: Sequence[Sequence[Array]], captions: Sequence[str]) -> Figure:
    """Rows of photos (h, w, 3) uint8, each with its caption on the left."""
    columns = max(len(photos) for photos in rows)
    figure = _figure(0.9 + 1.1 * columns, 1.5 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, photos, caption in zip(grid, rows, captions, strict=True):
        for axes in line:
            _bare(axes)
        for axes, photo in zip(line, photos, strict=False):
            axes.imshow(photo)
        line[0].set_ylabel(caption, fontsize=8, rotation=0, ha="right", va="center")
    return figure


def nothing(reason: str) -> Figure:
    """A figure that says why there is nothing to draw: every run writes the same files."""
    figure = _figure(4.0, 1.0)
    figure.text(0.5, 0.5, reason, ha="center", va="center", color=GREY)
    return figure


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _heated(photo: Array, heat: Array) -> Array:
    """A photo (h, w, 3) uint8 under a map (rows, columns) 0..1 of the same frame, the more opaque the warmer; uint8."""
    height, width = photo.shape[:2]
    rows, columns = np.arange(height) * heat.shape[0] // height, np.arange(width) * heat.shape[1] // width
    heat = np.clip(heat[np.ix_(rows, columns)], 0, 1)
    grey = photo.mean(2, keepdims=True).repeat(3, 2)
    cover = 0.75 * heat[..., None]
    warm = 255 * mpl.colormaps["inferno"](0.25 + 0.75 * heat)[..., :3]
    return np.asarray(((1 - cover) * grey + cover * warm).astype(np.uint8))


def _figure(width: float, height: float) -> Figure:
    """Inches. A canvas of its own: pyplot would keep every figure and ask for a display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _figure(width, height)
    return figure, figure.add_subplot()


def _heat(axes: Axes, counts: Array, names: Sequence[str], label: str) -> None:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    _grid(axes, shares, names, "{:.0%}", low=0.0)
    axes.set(xlabel=label or "predicted", ylabel="true")


def _grid(axes: Axes, shares: Array, names: Sequence[str], form: str, low: float) -> None:
    colours = HEAT[mpl.rcParams["axes.facecolor"]]
    axes.imshow(shares, vmin=low, vmax=1, cmap=colours)
    small = len(names) > 6
    for (row, column), value in np.ndenumerate(shares):
        if value >= 0.005:
            red, green, blue, _ = colours((value - low) / (1 - low))
            ink = "#1b1f24" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "#ffffff"
            text = form.format(value).removesuffix("%") if small else form.format(value)
            axes.text(column, row, text, ha="center", va="center", fontsize=6.5 if small else 8.5, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=90 if small else 30, ha="center" if small else "right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0, labelsize=7.5 if small else 8)
    if small:
        for border in range(6, len(CLASSES), 6):
            axes.axhline(border - 0.5, color=ORANGE, linewidth=0.8)
            axes.axvline(border - 0.5, color=ORANGE, linewidth=0.8)
