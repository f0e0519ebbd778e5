from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seg_editor.errors import ModelError, UsageError
from seg_editor.generation.diffusion import HoleFill, Sampling, Solver, Start, healthy
from seg_editor.generation.registry import load_model
from seg_editor.generation.unet import NoiseNet, UNetConfig, add_noise, encode_mask, signal_shares
from tests.training.slice_data import SIZE, TINY, write_slices
from tests.training.tasks import tensors
from training.cli import main
from training.models.ablation import Ablation
from training.models.diffusion_task import DiffusionTask, MonitorSettings
from training.models.slice_set import SliceSet
from training.presets import ARMS
from training.train.export import export_model
from training.train.loop import LoopSettings, train

MONITOR = MonitorSettings(slices=4, batch=2, grid=2, steps=2)
SETTINGS = LoopSettings(
    steps=20, batch=4, learning_rate=3e-3, warmup=2, validate_every=20, checkpoint_every=1e9, amp="off", ema=0.0
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slices(tmp_path_factory.mktemp("slices"))


def task_of(data: Path, model: str = "m3c", config: UNetConfig = TINY) -> DiffusionTask:
    arm = ARMS[model]
    return DiffusionTask(model, data, dataclasses.replace(config, mask=arm.mask), arm.ablation, monitor=MONITOR)


def test_twenty_steps_save_resume_export_and_load(data: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, keep_every=10)
    straight = train(task_of(data), settings, tmp_path / "straight", device="cpu")
    assert (straight.reason, straight.state.step) == ("done", 20)

    task = task_of(data)
    make = task.batch_rows
    cut = {"at": 9}

    def interrupted(size: int, seed: int, step: int, rows: range) -> dict[str, torch.Tensor]:
        if step == cut["at"]:
            import signal

            signal.raise_signal(signal.SIGINT)
        return make(size, seed, step, rows)

    task.batch_rows = interrupted  # type: ignore[method-assign]
    assert train(task, settings, tmp_path / "resumed", device="cpu").reason == "interrupted"
    train(task_of(data), settings, tmp_path / "resumed", device="cpu")
    one, two = (tensors(tmp_path / name / "last.safetensors") for name in ("straight", "resumed"))
    assert set(one) == set(two)
    assert all(torch.equal(v, two[k]) for k, v in one.items())
    assert not [k for k in one if k.startswith("ema.")]

    out = tmp_path / "straight"
    assert sorted(p.name for p in out.glob("step-*")) == ["step-0000010.safetensors", "step-0000020.safetensors"]
    assert not [k for k in tensors(out / "step-0000010.safetensors") if k.startswith("optimizer.")]
    assert (out / "samples" / "step-0000020.png").stat().st_size > 100
    kinds = [json.loads(line) for line in (out / "stats.jsonl").read_text().splitlines()]
    assert [r["kind"] for r in kinds] == ["samples", "validate", "samples", "train"]
    assert -1 <= kinds[0]["val_ssim"] <= 1

    export_model(out / "last.safetensors", tmp_path / "m3c")
    model = load_model(tmp_path / "m3c", device="cpu")
    assert (model.card.kind, model.card.network) == ("diffusion", "UNet2DModel")
    assert isinstance(model.network, NoiseNet)
    part = SliceSet.open(data, "val")
    source = part.images[:2].astype(np.float32) / 255
    made = healthy(model, part.masks[:2], source, Sampling(Start.STRENGTH, Solver.DDPM, 4, 0.7, HoleFill.NEAREST))
    assert made is not None
    assert made.shape == source.shape
    assert np.isfinite(made).all()

    card = json.loads((tmp_path / "m3c" / "card.json").read_text())
    card["config"]["widths"] = [16, 16]
    (tmp_path / "m3c" / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="do not fit the card"):
        load_model(tmp_path / "m3c", device="cpu")


def test_training_lowers_the_loss(data: Path, tmp_path: Path) -> None:
    task = task_of(data, "m2")
    records: list[dict[str, float]] = []
    settings = dataclasses.replace(SETTINGS, steps=100, validate_every=50, learning_rate=5e-3)
    train(task, settings, tmp_path, device="cpu", report=records.append)
    losses = [r["loss"] for r in records if r["kind"] == "train"]  # type: ignore[comparison-overlap]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("model", ["m2", "m3c"])
def test_rows_of_a_batch_are_the_whole_batch_s(data: Path, model: str) -> None:
    task = task_of(data, model)
    whole = task.batch(6, 3, 5)
    again = task_of(data, model).batch(6, 3, 5)
    assert all(torch.equal(v, again[k]) for k, v in whole.items())
    rows = task.finish(task.batch_rows(6, 3, 5, range(1, 6, 2)))
    assert all(torch.equal(v, whole[k][1::2]) for k, v in rows.items())
    other = task.batch(6, 4, 5)
    assert not torch.equal(whole["noise"], other["noise"])


def test_every_slice_comes_once_an_epoch(data: Path) -> None:
    task = task_of(data, "m1")
    count = len(task.slices)
    assert count == 12
    for epoch in range(2):
        seen = [int(k) for step in range(3) for k in task._places(4, 0, 3 * epoch + step)]
        assert sorted(seen) == list(range(count))
    assert len(task._places(50, 0, 0)) == 50


def test_masks_are_ablated_on_the_way(data: Path) -> None:
    def tumor_share(ablation: Ablation) -> float:
        task = DiffusionTask("m3", data, TINY, ablation, monitor=MONITOR)
        batches = [task.batch(12, 0, step) for step in range(40)]
        return float(np.mean([(b["mask"] == 4).flatten(1).any(1).float().mean() for b in batches]))

    assert tumor_share(Ablation()) == 0.5
    assert tumor_share(Ablation(tumor=1.0)) == 0
    assert tumor_share(Ablation(tumor=0.3)) == pytest.approx(0.35, abs=0.06)


def test_the_mask_channel_is_the_class_id_over_255() -> None:
    masks = torch.arange(5, dtype=torch.uint8)[None, None]
    assert torch.equal(encode_mask(masks)[0, 0, 0], torch.arange(5) / 255)
    assert float(encode_mask(masks, 63.75).max()) == 1
    assert torch.equal(torch.trunc(255 * encode_mask(masks)).to(torch.uint8)[0], masks)


def test_noise_is_added_as_diffusers_does() -> None:
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    generator = torch.Generator().manual_seed(0)
    pictures, noise = (torch.randn(3, 1, 4, 4, generator=generator) for _ in range(2))
    steps = torch.tensor([0, 500, 999])
    ours = add_noise(pictures, noise, steps, signal_shares())
    assert torch.equal(ours, scheduler.add_noise(pictures, noise, steps))
    assert [round(float(signal_shares()[t]) ** 0.5, 3) for t in (700, 300, 200)] == [0.083, 0.628, 0.81]


def test_the_network_reads_its_mask_and_m1_has_none() -> None:
    torch.manual_seed(0)
    picture, time = torch.randn(1, 1, SIZE, SIZE), torch.tensor([10])
    empty = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    full = torch.full_like(empty, 4)
    with torch.inference_mode():
        network = NoiseNet(dataclasses.replace(TINY, mask_scale=63.75)).eval()
        assert not torch.equal(network(picture, empty, time), network(picture, full, time))
        alone = NoiseNet(dataclasses.replace(TINY, mask=False)).eval()
        assert torch.equal(alone(picture, None, time), alone(picture, full, time))
    with pytest.raises(ValueError, match="needs a mask"):
        network(picture, None, time)


class Velocity(torch.nn.Module):
    """Stands for a U-Net: answers with what it was given."""

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *_: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=torch.nn.functional.pixel_unshuffle(self.answer, TINY.fold))


def test_noise_follows_from_velocity() -> None:
    generator = torch.Generator().manual_seed(0)
    picture, noise = (torch.randn(3, 1, SIZE, SIZE, generator=generator) for _ in range(2))
    steps = torch.tensor([0, 500, 999])
    share = signal_shares()[steps][:, None, None, None]
    network = NoiseNet(dataclasses.replace(TINY, velocity=True, mask=False))
    network.unet = Velocity(share.sqrt() * noise - (1 - share).sqrt() * picture)
    noisy = add_noise(picture, noise, steps, signal_shares())
    torch.testing.assert_close(network(noisy, None, steps), noise, rtol=1e-4, atol=1e-4)


def test_a_velocity_network_learns_velocity(data: Path) -> None:
    task = task_of(data, "m2", dataclasses.replace(TINY, velocity=True))
    batch = task.batch(4, 0, 0)
    network = NoiseNet(task.config)
    network.unet = Velocity(torch.zeros(4, 1, SIZE, SIZE))
    share = signal_shares()[batch["time"]][:, None, None, None]
    pictures = batch["image"][:, None].float() / 127.5 - 1
    velocity = share.sqrt() * batch["noise"] - (1 - share).sqrt() * pictures
    loss, figures = task.loss(network, batch)
    assert float(loss) == pytest.approx(float((velocity**2).mean()), rel=1e-4)
    assert set(figures) == {"loss", "noise_error"}


def test_the_detail_head_sees_the_noisy_picture() -> None:
    network = NoiseNet(dataclasses.replace(TINY, detail=4)).eval()
    assert network.config.unet_arguments()["out_channels"] == 4 * TINY.fold**2
    network.unet = Velocity(torch.zeros(1, 4, SIZE, SIZE))
    mask, steps = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8), torch.zeros(1, dtype=torch.long)
    with torch.inference_mode():
        one, two = (network(torch.full((1, 1, SIZE, SIZE), v), mask, steps) for v in (0.0, 1.0))
    assert one.shape == (1, 1, SIZE, SIZE)
    assert not torch.equal(one, two)


def test_training_crops_what_is_air_in_every_slice(tmp_path: Path) -> None:
    data = write_slices(tmp_path, size=32)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            path = data / "slices" / f"{split}_{kind}.npy"
            np.save(path, np.pad(np.load(path), [(0, 0), (2, 14), (0, 32)]))
    task = DiffusionTask("m2", data, TINY, Ablation(), monitor=MONITOR, crop=True)
    x, y = task.window
    lit = (np.asarray(task.slices.images) > 0).any(0)
    assert lit[x, y].sum() == lit.sum()
    assert (x.stop - x.start, y.stop - y.start) == task.slices.picture(TINY.multiple) == (20, 16)
    batch = task.batch(2, 0, 0)
    assert batch["image"].shape == batch["mask"].shape == (2, 20, 16)
    assert batch["noise"].shape == (2, 1, 20, 16)
    with torch.inference_mode():
        assert "val_loss" in task.validate(task.build().eval(), torch.device("cpu"))


def reframed(folder: Path, *, before: int, after: int, shift: int = 0) -> Path:
    """Slices with this much air around them; held-out ones lie `shift` rows further down."""
    write_slices(folder)
    for split in ("train", "val"):
        move = shift if split == "val" else 0
        for kind in ("images", "masks"):
            path = folder / "slices" / f"{split}_{kind}.npy"
            np.save(path, np.pad(np.load(path), [(0, 0), (before + move, after - move), (before, after)]))
    return folder


def cropped_task(data: Path, model: str = "m2") -> DiffusionTask:
    config = dataclasses.replace(TINY, mask=ARMS[model].mask)
    return DiffusionTask(model, data, config, Ablation(), monitor=MONITOR, crop=True)


@pytest.mark.parametrize("model", ["m1", "m2"])
def test_held_out_slices_are_seen_through_the_window_of_training(tmp_path: Path, model: str) -> None:
    near, far = (
        cropped_task(reframed(tmp_path / name, before=before, after=after, shift=shift), model)
        for name, before, after, shift in (("near", 0, 4, 0), ("far", 14, 30, 6))
    )
    torch.manual_seed(0)
    network, cpu = near.build().eval(), torch.device("cpu")
    with torch.inference_mode():
        assert near.validate(network, cpu) == far.validate(network, cpu)
        one, two = (task.samples(network, cpu)[0].reshape(2, -1, 3, n) for task, n in ((near, 20), (far, 60)))
    x, y = far.window
    moved = slice(x.start + 6, x.stop + 6)
    made = two[:, moved, 2, y]
    assert made.shape == (2, 12, 12)
    assert np.array_equal(one[:, :, 2][:, *near.window], made)
    assert np.count_nonzero(two[:, :, 2]) == np.count_nonzero(made)


def test_a_larger_held_out_brain_widens_its_window(tmp_path: Path) -> None:
    task = cropped_task(reframed(tmp_path, before=4, after=4))
    narrow = task.window[0].stop - task.window[0].start
    task.held_out.images = np.array(task.held_out.images)
    task.held_out.images[3, 2:22, 12] = 9
    task.held_out.cases = ("BraTS2021_80003",) * 2 + ("BraTS2021_80004",) * 4
    seen: list[tuple[int, ...]] = []

    def noted(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        seen.append(tuple(inputs[0].shape[-2:]))

    network = task.build().eval()
    network.register_forward_pre_hook(noted)
    with torch.inference_mode():
        assert "val_loss" in task.validate(network, torch.device("cpu"))
        task.samples(network, torch.device("cpu"))
    wide = task._held_out_windows["BraTS2021_80004"]
    assert wide[0].start <= 2
    assert wide[0].stop >= 22
    assert {n for n, _ in seen} == {narrow, wide[0].stop - wide[0].start}


def test_accumulated_parts_make_the_same_step(data: Path, tmp_path: Path) -> None:
    for parts in (1, 2):
        settings = dataclasses.replace(SETTINGS, steps=3, accumulate=parts)
        train(task_of(data, "m2"), settings, tmp_path / str(parts), device="cpu")
    one, two = (tensors(tmp_path / name / "last.safetensors") for name in ("1", "2"))
    for key, value in one.items():
        if key.startswith("model."):
            torch.testing.assert_close(value, two[key], rtol=1e-3, atol=1e-4)
    with pytest.raises(UsageError, match="a batch of 4 cannot be shared by 1 processes x 3 parts"):
        train(task_of(data, "m2"), dataclasses.replace(SETTINGS, accumulate=3), tmp_path / "3", device="cpu")


def test_validation_is_the_same_every_time(data: Path) -> None:
    task = task_of(data)
    torch.manual_seed(1)
    model = task.build().eval()
    with torch.inference_mode():
        one, two = (task.validate(model, torch.device("cpu")) for _ in range(2))
    assert one == two
    assert one["score"] == -one["val_loss"]
    assert "val_loss_tumor" in one


def test_pictures_that_do_not_fit_the_network(data: Path) -> None:
    with pytest.raises(UsageError, match="do not fit the network. Prepare slices whose sides 4096 divides"):
        task_of(data, config=dataclasses.replace(TINY, fold=4096 * TINY.fold // TINY.multiple))


def damaged(folder: Path, how: str) -> str:
    """Damage a slice set; the message that tells it."""
    part = folder / "slices"
    match how:
        case "no split":
            (part / "val_images.npy").unlink()
            return r"val_images\.npy cannot be read .*Run seg-train prepare first"
        case "no pixels":
            (part / "train_masks.npy").write_bytes(b"")
            return r"train_masks\.npy cannot be read"
        case "floats":
            np.save(part / "train_images.npy", np.zeros((2, 4, 4)))
            return r"holds float64 \(2, 4, 4\), not uint8"
        case "short index":
            (part / "train_index.json").write_text('[{"case_id": "a", "slice": 1}]')
            return "and 1 names"
        case "odd index":
            (part / "train_index.json").write_text('{"a": 1}')
            return r"train_index\.json cannot be read"
        case "other hash":
            splits = {"train": {"images_sha256": "0" * 64}}
            (folder / "manifest.json").write_text(json.dumps({"format": 1, "cases": {}, "splits": splits}))
            return r"train_images\.npy does not match the manifest\. Run seg-train prepare again"
        case _:
            write_slices(folder, cases={"train": ("BraTS-GLI-00001-000",), "val": ("BraTS-GLI-00001-001",)})
            return "the patient of BraTS-GLI-00001-001 is in two splits"


DAMAGES = ("no split", "no pixels", "floats", "short index", "odd index", "other hash", "shared patient")


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_sets_are_one_line_errors(tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_slices(tmp_path)
    message = damaged(tmp_path, how)
    with pytest.raises(UsageError, match=message):
        task_of(tmp_path)
    options = ["train", "--model", "m2", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main(options) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_line_trains(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from training import presets

    small = dataclasses.replace(
        presets.PRESETS["compact"], network=TINY, batch=4, epochs=1, monitor_steps=2, keep_epochs=1
    )
    monkeypatch.setitem(presets.PRESETS, "compact", small)
    out = tmp_path / "run"
    options = ["--model", "m3", "--per-batch", "--data", str(data), "--out", str(out), "--device", "cpu"]
    assert main(["train", *options, "--amp", "off", "--accumulate", "2"]) == 0
    told = capsys.readouterr()
    records = [json.loads(line) for line in told.out.splitlines()]
    assert records[0]["kind"] == "estimate"
    assert records[0]["steps"] == 3
    assert "3 steps, about" in told.err
    assert records[-1]["reason"] == "done"
    run = json.loads((out / "run.json").read_text())
    assert run["settings"]["accumulate"] == 2
    assert run["task"]["settings"]["ablation"] == {"tumor": 0.3, "classes": 0.0, "per_batch": True}
    assert main(["export", str(out / "last.safetensors"), "--out", str(tmp_path / "m3")]) == 0
