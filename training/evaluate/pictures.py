"""Figures 1, 2, 3 and 5: one slice of one case, its masks, and what every model makes of it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import CSF, GM, TISSUE_NAMES, TUMOR
from seg_editor.cases import MODALITIES, Modality
from seg_editor.generation.diffusion import HoleFill, Start, fill_hole
from seg_editor.generation.referee import Referee
from seg_editor.generation.registry import load_model
from seg_editor.metrics import display01, display_window
from training.evaluate.drawing import BLUE, ORANGE, SKY, VERMILION, method_name, save_figure
from training.evaluate.job import compose
from training.evaluate.methods import Arm, BaselineMethod, Method, Mode, method_of
from training.evaluate.scoring import score_pictures
from training.evaluate.subject import Floats, Planes, Subject

#: Slices of the case among which the one with most tumor is chosen.
_LOOKED_AT = 9
_CLASS_COLORS = ("#000000", SKY, "#8C8C8C", "#EBEBEB", VERMILION)
_TRUE, _FOUND, _HOLE = ORANGE, BLUE, SKY
#: Inches: a tile's width, the gap between two, a line of text, an entry of the key.
_TILE, _GAP, _LINE, _KEY = 1.45, 0.06, 0.135, 1.75
_TEXT = 7.5
#: About a voxel a pixel and few grays: noise does not compress.
_SMALL, _FEW = 100, 128
#: Difference that is drawn white, as a share of the gray range.
_FULL_DIFFERENCE = 0.5
_DIFFERENCE = "|difference|: white is half of the gray range and more."
_OUTLINES = {_TRUE: "tumor (segmentation)", _FOUND: "tumor (referee)"}


def case_figures(folder: Path, out: Path, referee: Referee, *, models: Sequence[str], steps: int) -> Iterator[Path]:
    """Write the figures of a case and yield their paths; figure 5 needs models.

    Parameters
    ----------
    folder : Path
        Of a case with FLAIR and a segmentation.
    out : Path
        Existing folder.
    referee : Referee
        Gives tissue and judges the pictures.
    models : sequence of str
        Names or folders of models that make pictures.
    steps : int
        Grid of time steps for the paper's models.

    Raises
    ------
    CaseError, ModelError
        The case or a model cannot be used.
    """
    scene = _Scene.of(folder, referee)
    yield save_figure(_input(scene), out / "fig1_input.png")
    yield save_figure(_hole_fills(scene), out / "fig2_hole_fills.png")
    yield save_figure(_training_masks(scene), out / "fig3_training_masks.png")
    methods = [method_of(load_model(Path(m) if "/" in m else m, "cpu"), steps=steps) for m in models]
    drawn = [m for m in methods if any(arm.whole for arm in m.arms)]
    if drawn:
        yield save_figure(_counterfactuals(scene, drawn), out / "fig5_counterfactuals.png", dpi=_SMALL, colors=_FEW)
        yield save_figure(_reconstructions(scene, drawn), out / "fig5_reconstructions.png", dpi=_SMALL, colors=_FEW)
    filling = [m for m in methods if m not in drawn]
    if filling:
        yield save_figure(_fills(scene, filling), out / "fig5_fills.png")


@dataclass
class _Tile:
    """A picture with a text above, a text below and outlines by color."""

    picture: NDArray[Any] | None
    above: str = ""
    below: str = ""
    outlines: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


class _Scene:
    """One slice as it is displayed: cropped to the brain, anterior up, the patient's right on the left."""

    def __init__(self, subject: Subject, k: int, referee: Referee) -> None:
        self.subject, self.k = subject, k
        self._referee = referee
        self.tumor = subject.tumor[:, :, k]
        self.hole = subject.tumor_hole.mask[:, :, k]
        self.mask: Planes = np.where(self.tumor, TUMOR, subject.tissue[:, :, k]).astype(np.uint8)[None]
        brain = subject.case.brain[:, :, k]
        spans = [np.flatnonzero(brain.any(axis)) for axis in (1, 0)]
        self._box = tuple(slice(max(int(s[0]) - 4, 0), int(s[-1]) + 5) for s in spans)

    @classmethod
    def of(cls, folder: Path, referee: Referee) -> _Scene:
        whole = Subject.read(folder, referee=referee, limit=_LOOKED_AT)
        areas = whole.tumor.sum((0, 1))
        k = max(whole.slices, key=lambda z: int(areas[z]))
        return cls(Subject(whole.case, whole.tissue, whole.tissue_from, whole.holes, (k,), ()), k, referee)

    @property
    def source(self) -> Floats:
        """FLAIR (1, x, y)."""
        return self.subject.flair[None, :, :, self.k]

    def turned(self, plane: NDArray[Any]) -> NDArray[Any]:
        """A plane (x, y) as it is displayed."""
        return np.ascontiguousarray(np.rot90(plane[self._box])[:, ::-1])

    def gray(self, values: Floats, modality: Modality = Modality.FLAIR) -> NDArray[np.float32]:
        """A plane (x, y) in a modality's intensities, in the gray window of the source's whole volume."""
        volume = self.subject.case.volumes[modality]
        stored = (values - volume.inter) / volume.slope
        return np.asarray(self.turned(display01(stored, display_window(volume.raw))), np.float32)

    def classes(self, mask: Planes) -> NDArray[np.float64]:
        """A five-class plane (x, y) in color."""
        from matplotlib.colors import to_rgb

        colors = np.asarray([to_rgb(c) for c in _CLASS_COLORS], np.float64)
        return np.asarray(colors[self.turned(mask)])

    def found(self, made: Floats) -> Planes:
        """The referee's classes (x, y) for a slice (1, x, y)."""
        slices = (self.k,)
        found = self._referee.segment_slices(self.subject.case, slices, self.subject.raw_with(slices, made))
        return np.asarray(found[0])

    def tile(self, made: Floats, above: str, mode: Mode = Mode.COUNTERFACTUAL) -> _Tile:
        """A slice (1, x, y) with its figure and the referee's tumor."""
        row = score_pictures(self.subject, mode, made, self._referee).rows[0]
        name, title = {
            Mode.COUNTERFACTUAL: ("tumor_residual", "TumorResidual"),
            Mode.RECONSTRUCTION: ("gen_dice_paper", "GenDice"),
        }[mode]
        below = f"{title} {row[name][0] / row[name][1]:.2f}" if name in row else ""
        return _Tile(self.gray(made[0]), above, below, {_FOUND: self.turned(self.found(made) == TUMOR)})

    def difference(self, made: Floats) -> _Tile:
        """Where and how much a slice (1, x, y) differs from the source."""
        shown = np.abs(self.gray(made[0]) - self.gray(self.source[0])) / _FULL_DIFFERENCE
        return _Tile(np.clip(shown, 0, 1), "|difference|")

    def describe(self, more: str = "", *, gray: bool = True) -> str:
        """What every figure says of its slice."""
        first = f"{self.subject.case.case_id}, axial slice {self.k}, patient's right on the left."
        window = " One gray window a modality: 0.5 to 99.5 % of the source volume." * gray
        return f"{first}{window} {more}".strip()


def _input(scene: _Scene) -> Any:
    volumes = scene.subject.case.volumes
    first = [
        _Tile(scene.gray(volumes[m].values()[:, :, scene.k], m), m.display, "", {_TRUE: scene.turned(scene.tumor)})
        for m in MODALITIES
        if m in volumes
    ]
    found = scene.found(scene.source)
    second = [
        _Tile(scene.classes(scene.mask[0]), "mask of the source"),
        _Tile(scene.classes(fill_hole(scene.mask, HoleFill.ZERO)[0]), "mask without the tumor"),
        _Tile(scene.classes(found), "what the referee finds"),
        _Tile(scene.gray(scene.source[0]), "hole (margin 3 mm)", "", {_HOLE: scene.turned(scene.hole)}),
    ]
    outlines = {_TRUE: "tumor (segmentation)", _HOLE: "hole to be filled"}
    return _grid([first, second], scene.describe(), outlines=outlines, classes=True)


def _hole_fills(scene: _Scene) -> Any:
    tissue = scene.subject.tissue[None, :, :, scene.k]
    texts = {
        HoleFill.ZERO: "0, the code of air",
        HoleFill.NEAREST: "nearest healthy tissue",
        HoleFill.PRIOR: "tissue of the map",
    }
    tiles = [_Tile(scene.classes(scene.mask[0]), "full mask")]
    tiles += [_Tile(scene.classes(fill_hole(scene.mask, f, prior=tissue)[0]), texts[f], f"hole {f}") for f in HoleFill]
    where = {"atropos": "Atropos", "referee": "the referee"}.get(scene.subject.tissue_from, scene.subject.tissue_from)
    return _grid([tiles], scene.describe(f"Tissue from {where}.", gray=False), classes=True)


def _training_masks(scene: _Scene) -> Any:
    mask = scene.mask

    def without(*classes: int) -> NDArray[np.float64]:
        return scene.classes(np.where(np.isin(mask[0], classes), 0, mask[0]).astype(np.uint8))

    tiles = [
        _Tile(scene.classes(mask[0]), "M2", "always the full mask"),
        _Tile(without(TUMOR), "M3, as written", "p = 0.3: tumor → 0"),
        _Tile(without(GM), "M3k, classes only", "each class → 0 with\np = 0.5; here GM"),
        _Tile(without(CSF, TUMOR), "M3c, as coded", "both; here CSF and\nthe tumor → 0"),
    ]
    text = "The picture to be learned stays the same, with its tumor. M1 sees no mask."
    return _grid([tiles], scene.describe(text, gray=False), classes=True)


def _counterfactuals(scene: _Scene, methods: Sequence[Method]) -> Any:
    """A row a model: the tumor out of the mask, in two ways, from noise and from the source."""
    wanted = [(start, fill) for start in Start for fill in (HoleFill.ZERO, HoleFill.PRIOR)]
    rows = []
    for method in methods:
        tiles, last = [], scene.source
        for start, fill in wanted:
            arm = _arm(method, Mode.COUNTERFACTUAL, start, fill)
            if arm is None:
                tiles.append(_Tile(None))
                continue
            made = method.make(scene.subject, arm, 0)
            last = made if start is Start.NOISE else last
            tiles.append(scene.tile(made, _words(arm)))
        composed = compose(scene.subject, Mode.COUNTERFACTUAL, last)
        tiles += [scene.tile(composed, "composited"), scene.difference(composed)]
        rows.append((method_name(method.name), tiles))
    return _compared(
        scene,
        rows,
        "Composited: the hole of the picture from noise (mask tissue where the model has a mask) in the source.",
    )


def _reconstructions(scene: _Scene, methods: Sequence[Method]) -> Any:
    """A row a model: the full mask, from noise and from the source."""
    rows = []
    for method in methods:
        tiles = []
        for start in Start:
            arm = _arm(method, Mode.RECONSTRUCTION, start, None)
            if arm is not None:
                made = method.make(scene.subject, arm, 0)
                tiles += [scene.tile(made, _words(arm), Mode.RECONSTRUCTION), scene.difference(made)]
        rows.append((method_name(method.name), tiles))
    return _compared(scene, rows, "Full mask. GenDice as the paper has it, of this slice.", Mode.RECONSTRUCTION)


def _fills(scene: _Scene, methods: Sequence[Method]) -> Any:
    """Baselines and models that fill the hole only: results above, differences below."""
    source = scene.tile(scene.source, "source")
    source.outlines = {_TRUE: scene.turned(scene.tumor), **source.outlines}
    results, differences = [source], [_Tile(None)]
    for method in (*(BaselineMethod(n) for n in ("ring-mean", "harmonic", "mirrored")), *methods):
        for arm in method.arms:
            if arm.mode is Mode.COUNTERFACTUAL:
                made = method.make(scene.subject, arm, 0)
                passes = f", {arm.steps} pass{'es' * (arm.steps > 1)}" if arm.steps else ""
                results.append(scene.tile(made, method_name(method.name) + passes))
                differences.append(scene.difference(made))
    text = "Outside the hole every voxel is the source's. " + _DIFFERENCE
    return _grid([results, differences], scene.describe(text), outlines=_OUTLINES)


def _arm(method: Method, mode: Mode, start: Start, fill: HoleFill | None) -> Arm | None:
    """The arm of a model, None when it has none so: a model without a mask has no hole to fill."""
    for arm in method.arms:
        how = arm.sampling
        if how is not None and arm.mode is mode and how.start is start and (fill is None or how.hole is fill):
            return arm
    return None


def _words(arm: Arm) -> str:
    how = arm.sampling
    assert how is not None
    start = "from noise" if how.start is Start.NOISE else f"strength {how.strength:.2f}"
    if not arm.masked or arm.mode is Mode.RECONSTRUCTION:
        return f"{start}, {arm.steps} passes"
    return f"{start},\nmask {'0' if how.hole is HoleFill.ZERO else 'tissue'}"


def _compared(scene: _Scene, rows: list[tuple[str, list[_Tile]]], text: str, mode: Mode = Mode.COUNTERFACTUAL) -> Any:
    """The source and its masks on top, then the results."""
    source = scene.tile(scene.source, "source", mode)
    source.outlines = {_TRUE: scene.turned(scene.tumor), **source.outlines}
    top = [source, _Tile(scene.classes(scene.mask[0]), "full mask")]
    if mode is Mode.COUNTERFACTUAL:
        tissue = scene.subject.tissue[None, :, :, scene.k]
        top += [
            _Tile(scene.classes(fill_hole(scene.mask, f, prior=tissue)[0]), f"mask {w}")
            for f, w in ((HoleFill.ZERO, "0"), (HoleFill.PRIOR, "tissue"))
        ]
    return _grid(
        [top, *(tiles for _, tiles in rows)],
        scene.describe(f"{text} {_DIFFERENCE}"),
        names=["", *(name for name, _ in rows)],
        outlines=_OUTLINES,
        classes=True,
    )


def _grid(
    rows: list[list[_Tile]],
    text: str,
    *,
    names: Sequence[str] = (),
    outlines: dict[str, str] | None = None,
    classes: bool = False,
) -> Any:
    """Tiles in rows, a key and a paragraph below; all measures are inches."""
    from matplotlib.figure import Figure

    columns = max(map(len, rows))
    left = 0.24 if any(names) else _GAP
    width = left + columns * (_TILE + _GAP)
    shape = next(t.picture.shape for line in rows for t in line if t.picture is not None)
    tall = _TILE * shape[0] / shape[1]
    keys = _keys(outlines or {}, classes)
    per_line = min(max(int(width / _KEY), 1), len(keys)) if keys else 1
    paragraph = textwrap.wrap(text, int(width * 16.5))
    below = _LINE * (math.ceil(len(keys) / per_line) + len(paragraph)) + 3 * _GAP
    heads = [(_lines(r, "above"), _lines(r, "below")) for r in rows]
    height = _GAP + below + sum(tall + _LINE * (a + b) + _GAP for a, b in heads)
    figure = Figure(figsize=(width, height))
    top = height - _GAP
    for i, (tiles, (above, under)) in enumerate(zip(rows, heads, strict=True)):
        top -= _LINE * above + tall
        if i < len(names) and names[i]:
            middle = (top + tall / 2) / height
            figure.text(0.12 / width, middle, names[i], rotation=90, ha="center", va="center", weight="bold", size=9)
        for j, tile in enumerate(tiles):
            place = ((left + j * (_TILE + _GAP)) / width, top / height, _TILE / width, tall / height)
            _draw(figure.add_axes(place), tile)
        top -= _LINE * under + _GAP
    if keys:
        low = (_LINE * len(paragraph) + 2 * _GAP) / height
        how = {"ncols": per_line, "fontsize": _TEXT, "frameon": False, "borderpad": 0, "borderaxespad": 0}
        figure.legend(handles=keys, loc="lower center", bbox_to_anchor=(0.5, low), **how)
    figure.text(0.5, _GAP / height, "\n".join(paragraph), ha="center", va="bottom", size=_TEXT, color="#404040")
    return figure


def _lines(tiles: list[_Tile], which: str) -> int:
    return max(len(getattr(tile, which).splitlines()) for tile in tiles)


def _draw(axis: Any, tile: _Tile) -> None:
    axis.set(xticks=[], yticks=[])
    axis.set_frame_on(False)
    if tile.picture is None:
        return
    axis.imshow(tile.picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(tile.above, fontsize=_TEXT, pad=2)
    axis.set_xlabel(tile.below, fontsize=_TEXT, labelpad=2)
    for color, inside in tile.outlines.items():
        if inside.any():
            axis.contour(inside, [0.5], colors=[color], linewidths=1)


def _keys(outlines: dict[str, str], classes: bool) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: list[Any] = [Line2D([], [], color=c, label=label) for c, label in outlines.items()]
    if classes:
        named = enumerate(_CLASS_COLORS)
        keys += [Patch(facecolor=c, edgecolor="#404040", lw=0.5, label=TISSUE_NAMES[i]) for i, c in named]
    return keys
