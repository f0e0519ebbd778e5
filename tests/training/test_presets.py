from __future__ import annotations

import dataclasses

import pytest
import torch

from seg_editor.errors import UsageError
from seg_editor.generation.networks import count_parameters
from seg_editor.generation.unet import NoiseNet, UNetConfig
from training.presets import ARMS, OURS, PRESETS, arm_of, preset_of
from training.train.settings import LoopSettings, learning_rate


def parameters(config: UNetConfig) -> int:
    with torch.device("meta"):
        return count_parameters(NoiseNet(config))


@pytest.mark.parametrize(("model", "count"), [("m1", 113_668_609), ("m2", 113_669_761), ("m3c", 113_669_761)])
def test_the_paper_network_has_the_published_size(model: str, count: int) -> None:
    assert parameters(PRESETS["paper"].network_of(ARMS[model])) == count


def test_the_paper_network_is_the_published_one() -> None:
    arguments = PRESETS["paper"].network.unet_arguments()
    assert arguments["block_out_channels"] == (128, 128, 256, 256, 512, 512)
    assert arguments["down_block_types"] == (*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D")
    assert arguments["up_block_types"] == ("UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4)
    assert (arguments["in_channels"], arguments["out_channels"], arguments["sample_size"]) == (2, 1, 256)
    assert (arguments["layers_per_block"], arguments["attention_head_dim"], arguments["norm_num_groups"]) == (2, 8, 32)


@pytest.mark.parametrize("model", ARMS)
def test_a_compact_model_fits_ten_megabytes_in_half_precision(model: str) -> None:
    assert parameters(PRESETS["compact"].network_of(ARMS[model])) <= 4_900_000


def test_the_paper_protocol() -> None:
    settings = PRESETS["paper"].loop_settings(9_671)
    assert (settings.steps, settings.validate_every, settings.keep_every) == (151 * 200, 151, 1510)
    assert (settings.batch, settings.learning_rate, settings.warmup) == (64, 1e-4, 500)
    assert (settings.amp, settings.clip, settings.ema, settings.weight_decay) == ("fp16", 1.0, 0.0, 0.01)
    assert settings.adam_betas == (0.9, 0.999)
    assert learning_rate(settings, settings.steps) == 0
    # the paper's rate: 0.81e-4 at the evaluated checkpoint
    assert learning_rate(settings, 9_060) == pytest.approx(0.81e-4, rel=0.01)


def test_m1_as_coded() -> None:
    preset = preset_of("paper", "m1", as_coded=True)
    settings = preset.loop_settings(9_671)
    assert (settings.steps, settings.batch, settings.amp) == (4_030, 24, "off")
    with pytest.raises(UsageError, match="M1's own protocol"):
        preset_of("paper", "m2", as_coded=True)


def test_the_arms() -> None:
    assert not ARMS["m1"].mask
    assert all(ARMS[m].mask for m in ("m2", "m3", "m3k", "m3c"))
    assert arm_of("m3", per_batch=True).ablation.per_batch
    with pytest.raises(UsageError, match="per-batch means nothing for m3k"):
        arm_of("m3k", per_batch=True)
    with pytest.raises(UsageError, match="no model m9"):
        arm_of("m9")
    with pytest.raises(UsageError, match="no preset tiny"):
        preset_of("tiny", "m2")


def test_presets_are_frozen_data() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["paper"].batch = 1  # type: ignore[misc]
    assert all(LoopSettings(**ours.loop).steps > 0 for ours in OURS.values())


def test_a_run_shorter_than_a_batch() -> None:
    assert PRESETS["compact"].loop_settings(3, epochs=2).steps == 2


def test_config_survives_a_card() -> None:
    for preset in PRESETS.values():
        assert UNetConfig.from_json(preset.network.to_json()) == preset.network
    with pytest.raises(TypeError):
        UNetConfig.from_json({"widths": [8], "color": 1})
