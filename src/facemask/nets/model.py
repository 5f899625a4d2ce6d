"""A timm backbone with one linear head a task. The only module that knows timm's models."""

from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from facemask.errors import UserError
from facemask.labels import ATTRIBUTES, CLASSES
from facemask.nets.weights import load_pretrained

HEADS = {"joint": len(CLASSES), **{attribute: len(words) for attribute, words in ATTRIBUTES.items()}}
MEAN_AGE, AGE_SPREAD = 40.0, 15.0  # years: the regression layer's output is standardised by these


class FaceNet(nn.Module):
    """Images (n, 3, h, w) float32, normalised -> {head: logits (n, classes)} and, with years, {"years": (n,)}."""

    def __init__(self, backbone: nn.Module, features: int, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict({head: nn.Linear(features, HEADS[head]) for head in recipe["predicts"]})
        self.dropout = nn.Dropout(recipe["dropout"]["rate"])
        self.samples = recipe["dropout"]["samples"]
        self.regressor: nn.Linear | None = None
        if recipe["years"]:
            self.regressor = nn.Linear(features, 1)
            self.regressor.requires_grad_(not recipe["years"]["frozen"])

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.backbone(images)
        # Multi-sample dropout (Inoue 2019): the heads' mean over several dropout masks of one forward pass.
        samples = [self.dropout(features) for _ in range(self.samples if self.training else 1)]
        outputs = {name: torch.stack([head(s) for s in samples]).mean(0) for name, head in self.heads.items()}
        if self.regressor is not None:
            outputs["years"] = MEAN_AGE + AGE_SPREAD * self.regressor(features).squeeze(1)
        return outputs


def build(recipe: dict[str, Any], weights_dir: str | None, pretrained: bool) -> FaceNet:
    """The recipe's network; `pretrained` loads the backbone's weights (false when trained ones follow).

    Raises UserError for an unknown backbone, head or source of weights.
    """
    name = recipe["backbone"]
    unknown = [head for head in recipe["predicts"] if head not in HEADS]
    if unknown:
        raise UserError(f"predicts: {unknown[0]!r} is unknown; choose from {', '.join(HEADS)}")
    if not timm.is_model(name):
        raise UserError(f"backbone {name!r} is not a timm {timm.__version__} model; see timm.list_models()")
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in recipe["arguments"].items()}
    backbone = _create(name, pretrained and recipe["weights"] == "hub", arguments)
    if pretrained:
        load_pretrained(backbone, name, recipe["weights"], weights_dir)
    return FaceNet(backbone, backbone.num_features, recipe)


def _create(name: str, from_hub: bool, arguments: dict[str, Any]) -> Any:
    try:
        return timm.create_model(name, pretrained=from_hub, num_classes=0, **arguments)
    except (OSError, RuntimeError) as error:
        if not from_hub:
            raise
        raise UserError(
            f"weights of {name} could not be fetched from timm's hub ({type(error).__name__}); connect to a network, "
            "set training.weights_dir and weights=folder, or set weights=none to train from scratch"
        ) from error


def normalisation(model: FaceNet) -> tuple[Tensor, Tensor]:
    """(mean, standard deviation) of the backbone's own inputs, each (1, 3, 1, 1), on the scale 0..255."""
    config = resolve_model_data_config(model.backbone)
    mean, deviation = (255 * torch.tensor(config[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    return mean, deviation
