from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.slice_data import write_slices
from training.cli import main
from training.describe import measure


def test_the_cost_of_a_convolution_is_counted() -> None:
    def inputs() -> tuple[Tensor, ...]:
        return (torch.empty(1, 3, 10, 10, requires_grad=True),)

    cost = measure(lambda: nn.Conv2d(3, 5, 3, padding=1), inputs)
    assert cost.forward == 2 * 9 * 3 * 5 * 100
    assert cost.training == 3 * cost.forward
    assert cost.activations == 4 * 3 * 100


def test_the_paper_preset_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "--model", "m3c", "--preset", "paper", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"] == 113_669_761
    assert told["gflop_step"] == pytest.approx(64 * 1489.4, rel=0.01)
    assert told["settings"]["steps"] == 30_200
    assert told["schedule"] == {
        "train_steps": 1000, "betas": [1e-4, 0.02], "kind": "linear", "prediction": "epsilon"
    }  # fmt: skip
    assert told["ablation"] == {"tumor": 0.3, "classes": 0.5, "per_batch": False}
    assert 1.5 < told["memory_gib"]["weights_gradients_optimizer"] < 2.5
    assert told["memory_gib"]["total"] > told["memory_gib"]["activations"] > 1


def test_text_and_the_length_of_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_slices(tmp_path, count=10)
    options = ["--data", str(data), "--batch", "4", "--epochs", "3", "--mask-scale", "63.75"]
    assert main(["describe", "--model", "m2", *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("M2 diffusion with the full mask, preset compact\n")
    assert "steps                        15" in out
    assert "mask_scale                   63.75" in out


@pytest.mark.parametrize(("model", "title"), [("m4", "M4 referee"), ("m5", "M5 context-guided inpainting")])
def test_our_own_models(model: str, title: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "--model", model, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["title"] == title
    assert told["gflop_training"] > 2 * told["gflop_forward"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "m5", "--preset", "paper"], "there is no preset paper for m5. Choose compact"),
        (["--model", "m5", "--per-batch"], "--per-batch means nothing for m5"),
        (["--model", "m2", "--as-coded"], "M1's own protocol"),
        (["--model", "m2", "--epochs", "0"], "--epochs 0"),
        (["--model", "m2", "--mask-scale", "0"], "--mask-scale 0.0"),
    ],
)
def test_options_that_do_not_fit(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", *options]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
