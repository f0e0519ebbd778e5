"""The engine of the paper's models (M1 to M3c): slice by slice, from a five-class mask, on the paper's grid."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.margins import with_margin
from seg_editor.anatomy.names import TUMOR
from seg_editor.anatomy.scale import IntensityScale
from seg_editor.cases import Case, Modality
from seg_editor.errors import DeviceMemoryError, ModelError, UsageError
from seg_editor.generation.counterfactual import Counterfactual, to_raw
from seg_editor.generation.diffusion import Sampling, Start, fill_hole, sampling_passes
from seg_editor.generation.engine import Step
from seg_editor.generation.hole import Hole
from seg_editor.generation.paper_grid import SIZE, Frame, SliceSettings, Window, place_window
from seg_editor.generation.planning import (
    Cancel,
    check_cancel,
    choose_modalities,
    choose_slices,
    choose_steps,
    request_for,
    slice_order,
    staying,
    tumor_hash,
)
from seg_editor.generation.request import ENGINE_VERSION, GenerationRequest
from seg_editor.generation.tissue_source import Tissue, TissueSource

if TYPE_CHECKING:
    from seg_editor.generation.registry import LoadedModel, ModelCard
    from seg_editor.generation.unet import NoiseNet

Planes = NDArray[np.uint8]


@dataclass(frozen=True)
class PaperInput:
    """What a card says about the pictures that its model was trained on.

    Attributes
    ----------
    modality : Modality
    settings : SliceSettings
    window : Window, optional
        The part of the square that training looked at; default: all.
    """

    modality: Modality
    settings: SliceSettings
    window: Window | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; a part of every recipe, for they decide the pictures as the weights do."""
        window = None if self.window is None else [[part.start, part.stop] for part in self.window]
        return {"modality": str(self.modality), "slices": self.settings.to_json(), "window": window}

    @classmethod
    def of(cls, card: ModelCard) -> PaperInput:
        """Read ``training.settings``; what is missing there is FLAIR, padded, on the robust scale, the whole square.

        Raises
        ------
        ModelError
            The slices were made in a way that this version does not know.
        """
        training = card.details.get("training")
        settings = training.get("settings") if isinstance(training, dict) else None
        found = settings.get("slices") if isinstance(settings, dict) else None
        data: dict[str, Any] = found if isinstance(found, dict) else {}
        try:
            modality = Modality(data.get("modality", Modality.FLAIR))
        except ValueError as error:
            raise ModelError(f"{card.name} was trained on {data['modality']}", path=card.folder) from error
        return cls(modality, SliceSettings.from_json(data), _read_window(card, settings))


def _read_window(card: ModelCard, settings: Any) -> Window | None:
    found = settings.get("window") if isinstance(settings, dict) else None
    if found is None:
        return None
    size = int(card.config.get("image_size", SIZE))
    try:
        (a, b), (c, d) = ((int(v[0]), int(v[1])) for v in found)
    except (TypeError, ValueError, IndexError):
        a = b = c = d = 0
    if not (0 <= a < b <= size and 0 <= c < d <= size):
        raise ModelError(f"{card.name} names no usable window", path=card.folder, remedy="Export the model again")
    return slice(a, b), slice(c, d)


class DiffusionEngine:
    """Runs one of the paper's models, as :class:`seg_editor.generation.engine.Engine` runs M5.

    The network makes a whole slice; of it the hole's voxels are kept, so a hole that is the whole volume
    (:func:`whole_volume`) gives the paper's own pictures. The mask that it sees is tissue, the tumor that stays, and
    in the hole's core what ``sampling.hole`` says.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``diffusion``.
    tissue : Tissue, optional
        Where the mask's tissue comes from; by default the cached tissue map, else the referee.
    """

    def __init__(self, model: LoadedModel, *, tissue: Tissue | None = None) -> None:
        from seg_editor.generation.unet import NoiseNet

        if model.card.kind != "diffusion" or not isinstance(model.network, NoiseNet):
            raise ModelError(f"{model.card.name} is no diffusion model", remedy="Choose m1, m2, m3, m3k or m3c")
        self.model = model
        self.network: NoiseNet = model.network
        self.input = PaperInput.of(model.card)
        self._tissue = tissue or TissueSource(device=str(model.device))
        self._masks: tuple[str, Planes | None] = ("", None)
        self._scale: tuple[tuple[str, ...], IntensityScale, np.float32] | None = None
        self._frame: tuple[str, Frame] | None = None

    def frame(self, case: Case) -> Frame:
        """What the network sees of the case's slices: the window of its training, moved to where the brain is.

        Raises
        ------
        UsageError
            The brain is larger than what the model makes.
        """
        if self._frame is None or self._frame[0] != case.content_hash:
            config, settings = self.network.config, self.input.settings
            window = place_window(
                self.input.window, case.brain, settings, size=config.image_size, multiple=config.multiple
            )
            self._frame = (case.content_hash, Frame(settings, config.image_size, window))
        return self._frame[1]

    def plan(
        self,
        case: Case,
        hole: Hole,
        *,
        slices: str | Sequence[int] = "auto",
        seed: int = 0,
        steps: int | None = None,
        preset: str = "standard",
        modalities: Sequence[Modality] | None = None,
        tumor: NDArray[np.bool_] | None = None,
        sampling: Sampling | None = None,
    ) -> GenerationRequest:
        """Fix everything that decides the result; as ``Engine.plan``.

        Parameters
        ----------
        case, hole, slices, tumor
            As there.
        seed : int
            Slice ``k`` gets the noise of ``seed + k``.
        steps : int, optional
            Length of the grid of time steps; default: the preset's. A strength start executes its tail only.
        modalities : sequence of Modality, optional
            These models make one modality, most often FLAIR; it must be among them.
        sampling : Sampling, optional
            Start, solver, strength and hole fill; its steps and seed are not looked at. Default: the paper's text.

        Raises
        ------
        UsageError
            As ``Engine.plan``, or the model does not make the modality.
        ModelError
            There is no tissue to make the mask of.
        """
        wanted = choose_slices(hole, slices)
        steps = choose_steps(self.model.card, preset, steps)
        made = self.input.modality
        if made not in choose_modalities(case, modalities):
            raise UsageError(
                f"{self.model.card.name} makes {made.display} only", remedy=f"Generate {made.display}, or choose m5"
            )
        if seed < 0:
            raise UsageError("seed and margin cannot be negative", remedy="Use 0 or more")
        how = replace(sampling or Sampling(), steps=steps, seed=seed)
        masks = self._make_masks(case, hole, wanted, tumor, how)
        return request_for(
            self.model,
            case,
            hole,
            slices=wanted,
            modalities=(made,),
            seed=seed,
            steps=steps,
            preset=preset,
            tumor=tumor,
            recipe=write_recipe(how, masks, self.input),
        )

    def run(
        self,
        case: Case,
        hole: Hole,
        request: GenerationRequest,
        *,
        tumor: NDArray[np.bool_] | None = None,
        cancel: Cancel | None = None,
        first: int | None = None,
    ) -> Iterator[Step]:
        """Generate; yields after every network pass, the last step carries the result. As ``Engine.run``.

        Raises
        ------
        GenerationCancelled
            `cancel` returned true.
        ModelError
            The network returned values that are not finite, or ran out of memory.
        UsageError
            The request was planned for something else.
        """
        began = time.perf_counter()
        planned = (request.case_hash, request.hole_hash, request.model_hash)
        if planned != (case.content_hash, hole.content_hash, self.model.card.weights_sha256):
            raise UsageError("the request belongs to another case, hole or model", remedy="Plan the run again")
        check_cancel(cancel)
        sampling, masks = self._recall(case, hole, request, tumor)
        scale, darkest = self._scale_of(case, hole, tumor, request.tumor_hash)
        frame = self.frame(case)
        part = hole.restricted(request.slices)
        made = self.input.modality
        volume = case.volumes[made]
        patch = np.zeros(case.grid.shape, volume.raw.dtype)[part.box]
        seconds: dict[int, float] = {}
        total, done = sampling.executed * len(request.slices), 0
        order = slice_order(request, first)
        low = part.box[2].start
        for k in order:
            slice_began = time.perf_counter()
            source = volume.values((slice(None), slice(None), slice(k, k + 1)))[:, :, 0]
            mask = None if masks is None else masks[request.slices.index(k)]
            coded, way = frame.encode(source, case.brain[:, :, k], scale)
            pictures = self._passes(coded, None if mask is None else frame.mask(mask), sampling, k)
            shape = (int(source.shape[0]), int(source.shape[1]))
            inside = part.mask[:, :, k]
            for _ in range(sampling.executed):
                check_cancel(cancel)
                picture = np.maximum(frame.decode(next(pictures), shape, way), darkest)
                done += 1
                preview = {made: np.where(inside, picture, source)}
                if done < total:
                    yield Step(done, total, k, preview, time.perf_counter() - began)
            here = inside[part.box[0], part.box[1]]
            patch[:, :, k - low][here] = to_raw(volume, picture[inside])
            seconds[k] = round(time.perf_counter() - slice_began, 4)
        result = Counterfactual(
            request=request,
            hole=part,
            patches={made: patch[part.mask[part.box]]},
            seconds=seconds,
            device=str(self.model.device),
            runtime=self.model.runtime,
        )
        yield Step(total, total, order[-1], preview, time.perf_counter() - began, result)

    def _passes(
        self, coded: NDArray[np.float32], mask: Planes | None, sampling: Sampling, k: int
    ) -> Iterator[NDArray[np.float32]]:
        """Pictures of slice `k` in the frame's window, [0, 1], after every network pass."""
        import torch

        begin = coded[None] if sampling.start is Start.STRENGTH else None
        masks = np.zeros((1, *coded.shape), np.uint8) if mask is None else mask[None]
        steps = sampling_passes(self.network, sampling, masks, source=begin, numbers=(k,))
        try:
            for pictures in steps:
                if not np.isfinite(pictures).all():
                    raise ModelError(
                        "the network returned values that are not finite", remedy="Try another seed or model"
                    )
                yield pictures[0]
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError("the device ran out of memory", remedy="Generate on the CPU") from error

    def _make_masks(
        self,
        case: Case,
        hole: Hole,
        slices: tuple[int, ...],
        tumor: NDArray[np.bool_] | None,
        sampling: Sampling,
    ) -> Planes | None:
        """Masks (n, x, y) of `slices` as the network shall see them; None for an unconditional one."""
        if not self.network.config.mask:
            return None
        tissue = self._tissue(case, slices)
        stays = staying(case, tumor)
        masks = class_masks(
            tissue, hole.core[:, :, slices], None if stays is None else stays.mask[:, :, slices], sampling
        )
        self._masks = (hash_masks(masks), masks)
        return masks

    def _recall(
        self, case: Case, hole: Hole, request: GenerationRequest, tumor: NDArray[np.bool_] | None
    ) -> tuple[Sampling, Planes | None]:
        """Sampling and masks of a request, which must be what it was planned with."""
        again = UsageError("tumor, tissue or model is not that of the request", remedy="Plan the run again")
        if tumor_hash(staying(case, tumor)) != request.tumor_hash:
            raise again
        sampling, wanted = read_recipe(request)
        masks = None
        if self.network.config.mask:
            if self._masks[0] != wanted:
                self._make_masks(case, hole, request.slices, tumor, sampling)
            masks = self._masks[1]
        if write_recipe(sampling, masks, self.input) != request.recipe:
            raise again
        return sampling, masks

    def _scale_of(
        self, case: Case, hole: Hole, tumor: NDArray[np.bool_] | None, stays: str
    ) -> tuple[IntensityScale, np.float32]:
        """Scale of the healthy brain and the volume's lowest value, measured once a hole."""
        key = (case.content_hash, hole.content_hash, stays)
        if self._scale is None or self._scale[0] != key:
            ill = hole.core if tumor is None else hole.core | tumor
            healthy = case.brain & ~with_margin(ill, case.brain)
            values = case.volumes[self.input.modality].values()
            self._scale = (key, IntensityScale.of(values, healthy), np.float32(values.min()))
        return self._scale[1:]


def whole_volume(core: NDArray[np.bool_]) -> Hole:
    """The hole that keeps every generated voxel, as the paper does; `core` (x, y, z) is the tumor that goes."""
    return Hole(np.ones_like(core), core, 0)


def class_masks(tissue: Planes, core: NDArray[np.bool_], stays: NDArray[np.bool_] | None, sampling: Sampling) -> Planes:
    """Five-class masks (n, x, y) of tissue planes (n, x, y), tumor that goes and tumor that stays, both (x, y, n)."""
    five = tissue.copy()
    if stays is not None:
        five[np.moveaxis(stays, 2, 0)] = TUMOR
    return fill_hole(five, sampling.hole, hole=np.moveaxis(core, 2, 0), prior=tissue)


def hash_masks(masks: Planes | None) -> str:
    """Identity of masks; empty for none."""
    if masks is None:
        return ""
    return hashlib.sha256(repr(masks.shape).encode() + np.ascontiguousarray(masks).tobytes()).hexdigest()


def write_recipe(sampling: Sampling, masks: Planes | None, slices: PaperInput) -> str:
    """Sampling, the masks' identity, the model's slices and the engine's version as canonical JSON."""
    data = sampling.to_json() | {"masks": hash_masks(masks), "input": slices.to_json(), "engine": ENGINE_VERSION}
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def read_recipe(request: GenerationRequest) -> tuple[Sampling, str]:
    """Sampling of a request, and the identity of its masks.

    Raises
    ------
    UsageError
        The request is of another kind of model.
    """
    try:
        data = json.loads(request.recipe)
        masks = str(data["masks"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError("the request belongs to another kind of model", remedy="Plan the run again") from error
    sampling = Sampling.from_json(data)
    if (sampling.steps, sampling.seed) != (request.steps, request.seed):
        raise UsageError("the request contradicts itself", remedy="Plan the run again")
    return sampling, masks
