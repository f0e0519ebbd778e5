"""``remove`` with the paper's models: start, sampler and hole fill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from seg_editor import api
from seg_editor.cases import open_case
from seg_editor.generation.unet import NoiseNet, UNetConfig
from tests.cli.conftest import Run, file_slice
from tests.models import write_model

CONFIG = UNetConfig(image_size=32, fold=2, widths=(8, 8), layers=1, attention_level=1, head_size=4, groups=4)


@pytest.fixture
def paper(models: Path) -> Path:
    """M1 and M3c beside m4 and m5."""
    for name, mask in (("m1", False), ("m3c", True)):
        torch.manual_seed(0)
        network = NoiseNet(UNetConfig(**{**CONFIG.__dict__, "mask": mask}))
        steps: Any = {"standard": {"steps": 6}}
        write_model(models / name, network, name=name, kind="diffusion", network="UNet2DModel", presets=steps)
    return models


def recipe(document: Any, folder: Path) -> Any:
    found = [json.loads(p.read_text()) for p in folder.glob("*.json") if "request" in json.loads(p.read_text())]
    return json.loads(found[0]["request"]["recipe"])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], {"start": "from_noise", "solver": "ddpm", "hole": "zero", "strength": None, "steps": 6}),
        (["--start", "noise"], {"start": "from_noise", "solver": "ddpm", "hole": "zero"}),
        (["--start", "strength"], {"start": "strength", "strength": 0.7}),
        (
            ["--start", "strength=0.5", "--sampler", "ddim", "--hole-fill", "tissue", "--steps", "5"],
            {"start": "strength", "strength": 0.5, "solver": "ddim", "hole": "prior", "steps": 5},
        ),
        (["--hole-fill", "nearest", "--seed", "7"], {"hole": "nearest", "seed": 7}),
    ],
)
def test_what_is_asked_is_what_is_recorded(
    run: Run, paper: Path, case_folder: Path, tmp_path: Path, words: list[str], wanted: dict[str, Any]
) -> None:
    k, out = file_slice(case_folder), tmp_path / "out"
    answer = run("remove", case_folder, "--model", "m3c", "--out", out, "--slices", k, "--json", *words)
    found = recipe(answer.document, out)
    assert {name: found[name] for name in wanted} == wanted


def test_each_choice_makes_another_picture(paper: Path, case_folder: Path) -> None:
    case, k = open_case(case_folder), file_slice(case_folder)
    choices = [
        api.Sampling(),
        api.Sampling(api.Start.STRENGTH),
        api.Sampling(solver=api.Solver.DDIM),
        api.Sampling(hole=api.HoleFill.PRIOR),
    ]
    made = [api.remove(case, api.Options("m3c", slices=(k,), sampling=s)).counterfactual for s in choices]
    assert len({next(iter(c.patches.values())).tobytes() for c in made}) == len(choices)
    assert len({c.request.key for c in made}) == len(choices)


def test_a_model_without_mask_has_no_hole_to_fill(run: Run, paper: Path, case_folder: Path, tmp_path: Path) -> None:
    words = ("remove", case_folder, "--model", "m1", "--out", tmp_path / "out", "--slices", file_slice(case_folder))
    assert "m1 sees no mask whose hole could be filled" in run(*words, "--hole-fill", "nearest").line
    assert run(*words, "--start", "strength=0.7").code == 0
