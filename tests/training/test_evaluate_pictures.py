"""Figures of one case: every picture is made, in one gray window, with what the referee finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seg_editor.cases import Modality
from seg_editor.errors import UsageError
from seg_editor.generation.hole import Hole
from seg_editor.generation.referee import find_referee
from seg_editor.generation.unet import NoiseNet, UNetConfig
from seg_editor.metrics import display_window
from tests.models import write_model, write_referee
from tests.threads import one_thread  # noqa: F401
from tests.tiny import make_case
from training.cli import main
from training.evaluate.features import CropFeatures, RefereeFeatures, ScriptedFeatures, extractors, with_crops
from training.evaluate.methods import Mode
from training.evaluate.pictures import _Scene
from training.evaluate.subject import Subject

SHAPE = (40, 44, 20)
NET = UNetConfig(image_size=48, fold=2, widths=(8, 8), layers=1, attention_level=1, head_size=4, groups=4)
FIGURES = ("fig1_input", "fig2_hole_fills", "fig3_training_masks")
OF_MODELS = ("fig5_counterfactuals", "fig5_reconstructions", "fig5_fills")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "resources"
    make_case(root / "demo" / "BraTS2021_90001", shape=SHAPE)
    for name, net in (("m1", replace(NET, mask=False)), ("m3", NET)):
        torch.manual_seed(0)
        card = {"name": name, "kind": "diffusion", "network": "UNet2DModel", "presets": {"standard": {"steps": 3}}}
        write_model(root / "models" / name, NoiseNet(net), **card)
    write_model(root / "models" / "m5")
    write_referee(root / "models" / "m4")
    for name in ("seg_editor.generation.registry", "training.evaluate.figures"):
        monkeypatch.setattr(f"{name}.resource_path", lambda *parts: root.joinpath(*parts))
    return root


@pytest.fixture
def subject(installed: Path) -> Subject:
    referee = find_referee("cpu")
    return Subject.read(installed / "demo" / "BraTS2021_90001", referee=referee, limit=3)


def test_every_picture_is_made(installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures"
    assert main(["figures", "--models", "m1,m3,m5", "--steps", "2", "--out", str(out)]) == 0
    assert {p.stem for p in out.iterdir()} == {*FIGURES, *OF_MODELS}
    assert len(capsys.readouterr().out.splitlines()) == len(FIGURES) + len(OF_MODELS)
    for path in out.iterdir():
        picture = np.asarray(Image.open(path).convert("RGB"))
        assert np.ptp(picture) > 200, path
        for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
            assert (edge == 255).all(), f"{path.name} is cut off"


def test_without_models_the_results_are_left_out(installed: Path, tmp_path: Path) -> None:
    assert main(["figures", "--out", str(tmp_path / "figures")]) == 0
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == set(FIGURES)


def test_results_are_shown_in_the_window_of_the_source(installed: Path) -> None:
    referee = find_referee("cpu")
    assert referee is not None
    scene = _Scene.of(installed / "demo" / "BraTS2021_90001", referee)
    source = scene.gray(scene.source[0])
    window = display_window(scene.subject.case.volumes[Modality.FLAIR].raw)
    middle = np.full(SHAPE[:2], (window.low + window.high) / 2, np.float32)
    assert source.min() == 0
    assert source.max() == 1
    assert scene.gray(middle) == pytest.approx(0.5, abs=1e-5)
    assert scene.subject.tumor[:, :, scene.k].sum() == scene.subject.tumor.sum((0, 1)).max()
    same = scene.difference(scene.source).picture
    assert same is not None
    assert not same.any()
    assert scene.tile(scene.source, "", Mode.RECONSTRUCTION).below.startswith("GenDice ")


def test_the_patient_s_right_is_on_the_left(installed: Path) -> None:
    referee = find_referee("cpu")
    assert referee is not None
    scene = _Scene.of(installed / "demo" / "BraTS2021_90001", referee)
    plane = np.zeros(SHAPE[:2], bool)
    middle = [int(v) for v in np.argwhere(scene.subject.case.brain[:, :, scene.k]).mean(0)]
    plane[middle[0] + 4, middle[1] + 8] = True  # right and in front: the axes run to the right and to the front
    rows, columns = np.nonzero(scene.turned(plane))
    height, width = scene.turned(plane).shape
    assert rows[0] < height / 2
    assert columns[0] < width / 2


# -- features of a file


class Stand(torch.nn.Module):
    """Means of a grid of 2 x 2: a stand-in for a network that gives features."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 2)[:, :, :, 0]


class Maps(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 4)


def save(module: torch.nn.Module, path: Path) -> Path:
    torch.jit.trace(module, torch.zeros(1, 3, 299, 299)).save(str(path))
    return path


class Flat(Stand):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).flatten(1)


@pytest.mark.parametrize(("module", "features"), [(Flat(), 6), (Maps(), 3)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_features_of_a_file(tmp_path: Path, subject: Subject, module: torch.nn.Module, features: int) -> None:
    extractor = ScriptedFeatures(save(module, tmp_path / "net.pt"))
    planes = np.asarray(subject.planes(subject.flair, subject.slices), np.float32)
    found = extractor(subject, subject.slices, planes)
    assert found.shape == (3, features)
    assert (np.abs(found) <= 1).all()
    assert np.ptp(found, 0).max() > 0
    assert np.array_equal(found, extractor(subject, subject.slices, planes))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_that_gives_no_features_is_one_line(tmp_path: Path, subject: Subject) -> None:
    planes = np.asarray(subject.planes(subject.flair, subject.slices), np.float32)
    with pytest.raises(UsageError, match=r"net\.pt returns no features \(n, d\)"):
        ScriptedFeatures(save(Stand(), tmp_path / "net.pt"))(subject, subject.slices, planes)
    (tmp_path / "text.pt").write_text("no module")
    for name in ("text.pt", "missing.pt"):
        with pytest.raises(UsageError, match="is no TorchScript module"):
            ScriptedFeatures(tmp_path / name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_file_is_a_third_column_where_it_is_named(tmp_path: Path, installed: Path) -> None:
    referee = find_referee("cpu")
    assert referee is not None
    assert extractors(referee)[0].name == RefereeFeatures.name
    assert "inception" not in [e.name for e in extractors(referee)]
    path = save(Flat(), tmp_path / "net.pt")
    assert [e.name for e in extractors(referee, path)][-1] == "inception"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_crops_look_at_the_largest_hole_of_each_slice_and_a_rim(tmp_path: Path, subject: Subject) -> None:
    extractor = CropFeatures(ScriptedFeatures(save(Maps(), tmp_path / "net.pt")))
    holes = np.zeros(SHAPE, np.uint8)
    holes[10:16, 10:14] = 1
    holes[25:27, 30:32] = 2
    seen = replace(subject, holes=holes)
    planes = np.array(seen.planes(seen.flair, seen.slices), np.float32)
    before = extractor(seen, seen.slices, planes)
    assert before.shape == (3, 3)
    top = display_window(seen.case.volumes[Modality.FLAIR].raw).high
    for place, counts in (((2, 1), True), ((23, 22), True), ((24, 12), False), ((26, 31), False)):
        other = planes.copy()
        other[:, *place] = np.where(planes[:, *place] > top / 2, 0, top)
        assert (extractor(seen, seen.slices, other) != before).any(1).all() == counts, place


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_hole_at_the_edge_has_a_crop_inside_the_picture(tmp_path: Path, subject: Subject) -> None:
    holes = np.zeros(SHAPE, np.uint8)
    holes[:3, 41:] = 1
    seen = replace(subject, holes=holes)
    seen.__dict__["benchmark_hole"] = Hole.from_mask(holes > 0, np.ones(SHAPE, bool))
    planes = np.array(seen.planes(seen.flair, seen.slices), np.float32)
    found = CropFeatures(ScriptedFeatures(save(Maps(), tmp_path / "net.pt")))(seen, seen.slices, planes)
    assert found.shape == (3, 3)
    assert np.isfinite(found).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_networks_that_take_pictures_see_crops_too(tmp_path: Path, installed: Path) -> None:
    referee = find_referee("cpu")
    assert referee is not None
    whole = extractors(referee, save(Maps(), tmp_path / "net.pt"))
    names = [e.name for e in with_crops(whole)]
    assert names[: len(whole)] == [e.name for e in whole]
    assert "inception-crops" in names
    assert "m4-crops" not in names
