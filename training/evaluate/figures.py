"""Figures of an evaluation: pictures of one case and learning curves; the numbers' own are next door.

Pictures are of the demo case unless another is named: those of a patient stay private.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Modality, find_cases
from seg_editor.generation.diffusion import HoleFill, Sampling, Start, fill_hole
from seg_editor.generation.referee import find_referee
from seg_editor.generation.registry import load_model
from seg_editor.metrics import display01, display_window
from seg_editor.resources import resource_path
from training.evaluate.job import compose
from training.evaluate.methods import Arm, Mode, method_of
from training.evaluate.number_figures import new_figure, number_figures, read_rows, save_figure
from training.evaluate.subject import Floats, Subject
from training.presets import ARMS

_COLORS = np.array([(0, 0, 0), (74, 144, 217), (140, 140, 140), (235, 235, 235), (220, 60, 60)], np.uint8)
#: Slices of the pictured case among which the one with most tumor is chosen.
_LOOKED_AT = 9


def write_figures(
    run: Path,
    out: Path,
    *,
    training: Path | None = None,
    case: Path | None = None,
    models: Sequence[str] = (),
    steps: int = 50,
) -> Iterator[Path]:
    """Write PNG files and yield their paths; a figure without data is left out.

    Learning curves are those of runs named after an arm of the paper's models, as ``m3c``.

    Parameters
    ----------
    run : Path
        What ``seg-train evaluate`` wrote.
    out : Path
    training : Path, optional
        Folder of run folders with ``stats.jsonl``.
    case : Path, optional
        Case folder for the pictures; the demo case if not given.
    models : sequence of str
        Models of the pictures.
    steps : int
        Grid of time steps for the paper's models.

    Raises
    ------
    UsageError
        `run` holds no evaluation.
    """
    read_rows(run)
    out.mkdir(parents=True, exist_ok=True)
    yield from _pictures(out, case, models, steps)
    if training is not None:
        yield from _learning(out, training)
    yield from number_figures(run, out)


# -- pictures of one case


def _pictures(out: Path, folder: Path | None, models: Sequence[str], steps: int) -> Iterator[Path]:
    referee = find_referee("cpu")
    if folder is None:
        folder = next(iter(p for p in find_cases(resource_path("demo")) if p.is_dir()), None)
    if referee is None or folder is None:
        return
    subject = Subject.read(folder, referee=referee, limit=_LOOKED_AT)
    areas = subject.tumor.sum((0, 1))
    k = max(subject.slices, key=lambda z: int(areas[z]))
    one = Subject(subject.case, subject.tissue, subject.tissue_from, subject.holes, (k,), ())
    tissue = subject.tissue[None, :, :, k]
    tumor = subject.tumor[None, :, :, k]
    mask = np.where(tumor, 4, tissue).astype(np.uint8)
    show = _Show(one, k)
    tiles = [("FLAIR", show.gray(one.flair[:, :, k])), ("five-class mask", show.classes(mask[0]))]
    tiles.append(("edited mask", show.classes(fill_hole(mask, HoleFill.ZERO)[0])))
    yield save_figure(_grid([tiles]), out / "fig1_input.png")
    fills = [(f"hole {f}", show.classes(fill_hole(mask, f, prior=tissue)[0])) for f in HoleFill]
    yield save_figure(_grid([fills]), out / "fig2_hole_fills.png")
    yield save_figure(_grid([_ablations(show, mask)]), out / "fig3_training_masks.png")
    if models:
        yield save_figure(_grid(list(_results(one, show, models, steps))), out / "fig5_results.png")


def _ablations(show: _Show, mask: NDArray[np.uint8]) -> list[tuple[str, Any]]:
    tumor_only = np.where(mask == 4, 0, mask)[0]
    without_gray = np.where(mask == 2, 0, mask)[0]
    both = np.where(np.isin(mask, (1, 4)), 0, mask)[0]
    return [
        ("M2: full", show.classes(mask[0])),
        ("M3: tumor, p 0.3", show.classes(tumor_only)),
        ("M3k: e.g. gray matter, p 0.5", show.classes(without_gray)),
        ("M3c: e.g. tumor and CSF", show.classes(both)),
    ]


def _results(subject: Subject, show: _Show, models: Sequence[str], steps: int) -> Iterator[list[tuple[str, Any]]]:
    source = subject.flair[:, :, show.k]
    for name in models:
        method = method_of(load_model(Path(name) if "/" in name else name, "cpu"), steps=steps)
        tiles: list[tuple[str, Any]] = [(f"{method.name}: source", show.gray(source))]
        for arm in method.arms:
            if arm.mode is Mode.HEALTHY_HOLE or not _shown(arm):
                continue
            made = method.make(subject, arm, 0)
            tiles.append((_words(arm), show.gray(made[0])))
            if arm.mode is Mode.COUNTERFACTUAL:
                composed = compose(subject, arm.mode, made)[0]
                if arm.whole:
                    tiles.append(("composited", show.gray(composed)))
                tiles.append(("|difference|", show.gray(np.abs(composed - source) + show.low)))
        yield tiles


def _shown(arm: Arm) -> bool:
    return arm.sampling is None or arm.sampling.hole is HoleFill.ZERO


def _words(arm: Arm) -> str:
    how: Sampling | None = arm.sampling
    if how is None:
        return f"{arm.mode}, {arm.steps} steps"
    start = "from noise" if how.start is Start.NOISE else f"strength {how.strength:.1f}"
    return f"{arm.mode}, {start}"


class _Show:
    """One slice as it is displayed: cropped to the brain, anterior up."""

    def __init__(self, subject: Subject, k: int) -> None:
        volume = subject.case.volumes[Modality.FLAIR]
        window = display_window(volume.raw)
        self.k = k
        self._volume, self._window = volume, window
        self.low = np.float32(window.low * volume.slope + volume.inter)
        brain = subject.case.brain[:, :, k]
        spans = [np.flatnonzero(brain.any(a)) for a in (1, 0)]
        self._box = tuple(slice(max(int(s[0]) - 4, 0), int(s[-1]) + 5) for s in spans)

    def gray(self, values: Floats) -> NDArray[np.float32]:
        stored = (values - self._volume.inter) / self._volume.slope
        return np.asarray(np.rot90(display01(stored, self._window)[self._box]), np.float32)

    def classes(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(np.rot90(_COLORS[mask][self._box]), np.uint8)


def _grid(rows: list[list[tuple[str, Any]]]) -> Any:
    columns = max(map(len, rows))
    figure, axes = new_figure(2.3 * columns, 2.8 * len(rows), len(rows), columns)
    for line, tiles in zip(axes, rows, strict=True):
        for axis in line:
            axis.axis("off")
        for axis, (text, picture) in zip(line, tiles, strict=False):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1 if picture.dtype != np.uint8 else 255)
            axis.set_title(text, fontsize=8)
    return figure


# -- learning curves


def _learning(out: Path, training: Path) -> Iterator[Path]:
    curves: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(training.glob("*/stats.jsonl")):
        if path.parent.name not in ARMS:
            continue
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        curves[path.parent.name] = [line for line in lines if "step" in line]
    for name, keys, text in (
        ("fig6_learning", ("noise_error", "loss", "val_loss"), "squared error of the noise"),
        ("fig8_val_ssim", ("val_ssim",), "SSIM of the samples on validation slices"),
    ):
        figure, axes = new_figure(7, 4)
        drawn = False
        for label, lines in curves.items():
            for key in keys:
                points = [(line["step"], line[key]) for line in lines if key in line]
                if points and not (key == "loss" and any("noise_error" in line for line in lines)):
                    axes[0, 0].plot(*zip(*points, strict=True), label=f"{label} {key}", lw=1.2)
                    drawn = True
        if drawn:
            axes[0, 0].set(xlabel="step", ylabel=text)
            if name == "fig6_learning":
                axes[0, 0].set_yscale("log")
            axes[0, 0].legend(fontsize=7)
            yield save_figure(figure, out / f"{name}.png")
