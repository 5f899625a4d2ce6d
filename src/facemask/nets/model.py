"""A timm backbone with one linear head a task. The only module that knows timm's models."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from facemask.core.errors import UserError
from facemask.core.labels import ATTRIBUTES, CLASSES
from facemask.nets.heads import AGE_HEADS, AGE_SPREAD, MEAN_AGE, BatchDropout, YearsHead
from facemask.nets.weights import load_pretrained, read_tensors, unreachable

HEADS = {"joint": len(CLASSES), **{attribute: len(words) for attribute, words in ATTRIBUTES.items()}}


class FaceNet(nn.Module):
    """Images (n, 3, h, w) float32, normalised -> {head: logits (n, classes)} and, with years, {"years": (n,)}.

    The age head's logits may be log probabilities; softmax gives the bands' probabilities all the same.
    """

    def __init__(self, backbone: nn.Module, features: int, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict({head: _head(head, features, recipe) for head in recipe["predicts"]})
        self.dropout = BatchDropout(recipe["dropout"]["rate"])
        self.samples = recipe["dropout"]["samples"]
        self.regressor: nn.Linear | None = None
        if recipe["years"] and recipe["age_head"] != "years":
            self.regressor = nn.Linear(features, 1)
            self.regressor.requires_grad_(not recipe["years"]["frozen"])

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.backbone(images)
        # Multi-sample dropout (Inoue 2019): the heads' mean over several dropout masks of one forward pass.
        samples = [self.dropout(features) for _ in range(self.samples if self.training else 1)]
        outputs = {name: torch.stack([head(s) for s in samples]).mean(0) for name, head in self.heads.items()}
        if self.regressor is not None:
            outputs["years"] = MEAN_AGE + AGE_SPREAD * self.regressor(features).squeeze(1)
        elif "age" in self.heads and isinstance(self.heads["age"], YearsHead):
            outputs["years"] = self.heads["age"].years(features)
        return outputs


def _head(name: str, features: int, recipe: dict[str, Any]) -> nn.Module:
    return AGE_HEADS[recipe["age_head"]](features) if name == "age" else nn.Linear(features, HEADS[name])


def sized(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe with the backbone's own input size where it has none. Raises UserError for a backbone that timm does not know."""
    if recipe["size"]:
        return recipe
    _must_be_known(recipe["backbone"])
    given = recipe["arguments"].get("img_size") or timm.get_pretrained_cfg(recipe["backbone"]).input_size[1:]
    return recipe | {"size": [given, given] if isinstance(given, int) else list(given)}


def build(recipe: dict[str, Any], weights_dir: str | None, pretrained: bool) -> FaceNet:
    """The recipe's network; `pretrained` loads the backbone's weights (false when trained ones follow). Raises as load_backbone."""
    backbone = load_backbone(recipe, weights_dir, pretrained)
    return FaceNet(backbone, backbone.num_features, recipe)


def load_backbone(recipe: dict[str, Any], weights_dir: str | None, pretrained: bool = True) -> Any:
    """The timm model that a recipe (or an extractor) names, without its classifier.

    Raises UserError for an unknown backbone, and for weights that are not there or do not fit.
    """
    name = recipe["backbone"]
    _must_be_known(name)
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in recipe["arguments"].items()}
    backbone = _create(name, pretrained and recipe["weights"] == "hub", arguments)
    if pretrained:
        load_pretrained(backbone, name, recipe["weights"], weights_dir)
    return backbone


def load_trained(recipe: dict[str, Any], path: Path) -> FaceNet:
    """The network of a finished fit, on the CPU."""
    model = build(recipe, None, pretrained=False)
    model.load_state_dict(read_tensors(path, str(path)))
    return model.eval()


def load_folds(recipe: dict[str, Any], folder: Path, folds: Iterable[int]) -> Iterator[tuple[int, FaceNet]]:
    """(fold, its network), one in memory at a time; folder: a member's, with <fold>/weights.safetensors inside."""
    for fold in folds:
        yield fold, load_trained(recipe, folder / str(fold) / "weights.safetensors")


def _must_be_known(name: str) -> None:
    if not timm.is_model(name):
        raise UserError(f"backbone {name!r} is not a timm {timm.__version__} model; see timm.list_models()")


def _create(name: str, from_hub: bool, arguments: dict[str, Any]) -> Any:
    if not from_hub:
        return timm.create_model(name, pretrained=False, num_classes=0, **arguments)
    try:
        # With its own classifier: asked for none, timm also lets other tensors be missing and trains them from scratch.
        backbone = timm.create_model(name, pretrained=True, **arguments)
    except (OSError, RuntimeError) as error:
        if str(error).startswith("Error(s) in loading state_dict"):
            raise UserError(f"weights of {name} from timm's hub do not fit: {' '.join(str(error).split())}") from error
        raise unreachable(name, f"could not be fetched from timm's hub ({type(error).__name__})") from error
    backbone.reset_classifier(0)
    return backbone


def normalisation(model: nn.Module) -> tuple[Tensor, Tensor]:
    """(mean, standard deviation) of the inputs of `model.backbone`, each (1, 3, 1, 1), on the scale 0..255."""
    config = resolve_model_data_config(model.backbone)
    mean, deviation = (255 * torch.tensor(config[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    return mean, deviation
