"""Draws the embedded default data: portraits of latent people in the sources' real layouts, and the truth apart from them."""

from facemask import params
from facemask.core import paths
from facemask.core.code import stage
from facemask.tools.demo_data.trees import draw

if __name__ == "__main__":
    with stage("draw"):
        draw(paths.DRAWN, seed=params.section("seed"), **params.section("draw"))
