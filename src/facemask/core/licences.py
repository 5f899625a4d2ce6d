"""The licences of the weights that the pipeline brings or names, as their authors state them."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from facemask.core.errors import UserError
from facemask.core.paths import EXTERNAL

PACKAGED = "tf_efficientnet_lite0"  # what weights=package is
FURTHER = "data/pretrained/"  # where stage pretrain leaves <member>.safetensors
UNKNOWN = "not known here"
# Of timm's hub, by backbone: those that conf/ names. What timm 1.0 says of any other is asked of timm itself.
HUB = dict.fromkeys(
    (
        "beit_base_patch16_384.in22k_ft_in22k_in1k",
        "deit_base_distilled_patch16_384.fb_in1k",
        "eca_nfnet_l2.ra3_in1k",
        "efficientnet_b0.ra_in1k",
        "resnet152.a1_in1k",
        "resnet18.a1_in1k",
        "resnet50.a1_in1k",
        "tf_efficientnet_b3.ns_jft_in1k",
        "tf_efficientnet_b5.ns_jft_in1k",
        "vit_base_patch16_384.augreg_in21k_ft_in1k",
        "vit_large_patch14_reg4_dinov2.lvd142m",
        "vit_large_patch16_siglip_384.v2_webli",
    ),
    "Apache-2.0",
) | {
    "convnextv2_base.fcmae_ft_in22k_in1k_384": "CC-BY-NC-4.0",
    "eva02_base_patch14_448.mim_in22k_ft_in22k_in1k": "MIT",
    "eva02_large_patch14_448.mim_m38m_ft_in22k_in1k": "MIT",
    "vit_large_patch16_dinov3.lvd1689m": "DINOv3-License",
}
COMMERCIAL = {"apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "modified mit (dall-e), mit (beit v2)"}


class Network(NamedTuple):
    """Weights that a run uses: the key that names them, the licence, and what to use instead."""

    network: str
    key: str
    licence: str
    instead: str

    @property
    def commercial(self) -> bool:
        return self.licence.lower() in COMMERCIAL

    def refusal(self) -> UserError:
        return UserError(
            f"{self.key}: the weights of {self.network} are not cleared for commercial use (licence: {self.licence});"
            f" set data.allow_noncommercial=true if yours is none, or {self.instead}"
        )


LANDMARKS = Network(
    "dlib's 68 landmarks",
    "ingest.masks",
    "learned from 300-W, which excludes commercial use",
    "draw no masks on faces without key points of their own (ingest.masks={wear:0,incorrect:0,bare:1})",
)


def networks(params: dict[str, Any]) -> Iterator[Network]:
    """The weights that `params` (all of params.yaml) names or brings, each once."""
    members, seen = params["members"], set()
    named = [name for name in [*params["trained"], params["relabel"]["member"]] if members[name]["kind"] == "network"]
    found = [_start(name, members, "members") for name in named]
    found += [_start(name, params["features"], "features") for name in params["extractors"]]
    for network in found:
        if network and network.network not in seen:
            seen.add(network.network)
            yield network
    tokenizer = params["pretrain"]["tokenizer"]
    if params["pretrain"]["backbones"] and tokenizer.endswith(".safetensors"):
        licence = "modified MIT (DALL-E), MIT (BEiT v2)"  # no other tokenizer can be read
        yield Network(tokenizer, "pretrain.tokenizer", licence, "take pretrain.tokenizer=kmeans")


def used_networks(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows network, key, licence, commercial of a run: its weights, and the landmarks where masks may be drawn with them."""
    draws = any(params["ingest"]["masks"].get(worn, 0) for worn in ("wear", "incorrect"))
    has_faces = any(params["data"][source] for source in EXTERNAL)
    used = [*networks(params), *([LANDMARKS] if draws and has_faces else [])]
    return [
        {"network": one.network, "key": one.key, "licence": one.licence, "commercial": one.commercial} for one in used
    ]


def _start(name: str, members: dict[str, Any], section: str) -> Network | None:
    """What the backbone of a member, or an extractor, starts from; None: from scratch."""
    weights, key = members[name]["weights"], f"{section}.{name}.weights"
    instead = f"take another backbone, or {key}=none"
    if weights.startswith(FURTHER):
        origin = weights.removeprefix(FURTHER).removesuffix(".safetensors")
        return _start(origin, members, section) if origin != name and origin in members else None
    if weights == "none":
        return None
    if weights == "package":
        return Network(f"{PACKAGED} (package)", key, "Apache-2.0", instead)
    backbone = members[name]["backbone"]
    if weights in ("hub", "folder"):
        return Network(backbone, key, HUB.get(backbone) or _of_timm(backbone), instead)
    return Network(weights, key, UNKNOWN, instead)


def _of_timm(backbone: str) -> str:
    timm: Any = import_module("timm")  # by name, and seconds: only for a backbone that conf/ does not name
    return str((timm.is_model(backbone) and timm.get_pretrained_cfg(backbone).license) or UNKNOWN)
