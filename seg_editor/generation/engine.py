"""The engine: from a case and a hole to a counterfactual, one slice and one network pass at a time. No Qt here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.margins import with_margin
from seg_editor.cases import MODALITIES, Case, Modality
from seg_editor.errors import DeviceMemoryError, ModelError, UsageError
from seg_editor.generation.conditioning import BRAIN_CHANNEL, UNKNOWN_CHANNEL
from seg_editor.generation.context import CaseContext, Window
from seg_editor.generation.counterfactual import Counterfactual, to_raw
from seg_editor.generation.hole import Hole
from seg_editor.generation.planning import (
    Cancel,
    GenerationCancelled,
    check_cancel,
    choose_modalities,
    choose_slices,
    choose_steps,
    request_for,
    slice_order,
    staying,
    tumor_hash,
)
from seg_editor.generation.registry import LoadedModel
from seg_editor.generation.request import GenerationRequest
from seg_editor.generation.samplers import noise_levels, sampling_recipe, slice_noise

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Cancel", "Engine", "GenerationCancelled", "Step"]


@dataclass(frozen=True)
class Step:
    """One network pass done.

    Attributes
    ----------
    k, total : int
        Passes done, and passes in all.
    slice_index : int
        Canonical axial slice.
    preview : dict of Modality to float32 (x, y), or None
        The slice as it stands, in the source's intensities.
    seconds : float
        Since the run began.
    result : Counterfactual or None
        On the last step.
    """

    k: int
    total: int
    slice_index: int
    preview: dict[Modality, NDArray[np.float32]] | None
    seconds: float
    result: Counterfactual | None = None


class Engine:
    """Runs one model; keeps the last context, so that the next slice of the same hole starts at once."""

    def __init__(self, model: LoadedModel) -> None:
        if model.card.kind != "inpaint":
            raise ModelError(f"{model.card.name} does not fill holes", remedy="Choose a model of kind inpaint, as m5")
        self.model = model
        self._detail = model.card.detail
        self._context: tuple[tuple[str, str], CaseContext] | None = None

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
    ) -> GenerationRequest:
        """Fix everything that decides the result.

        Parameters
        ----------
        case : Case
        hole : Hole
        slices : ``auto``, ``all`` or canonical axial indices
            ``auto`` and ``all`` are every slice that holds hole voxels; listed slices must hold some.
        seed : int
        steps : int, optional
            Network passes a slice; 1 is the posterior mean. Default: the preset's.
        preset : str
        modalities : sequence of Modality, optional
            Default: all that the case has.
        tumor : bool (x, y, z), optional
            Tumor that stays in the picture; the same array goes to :meth:`run`.

        Raises
        ------
        UsageError
            The hole is empty, a slice holds no hole, the preset or a modality is unknown.
        """
        wanted = choose_slices(hole, slices)
        steps = choose_steps(self.model.card, preset, steps)
        chosen = choose_modalities(case, modalities)
        return request_for(
            self.model,
            case,
            hole,
            slices=wanted,
            modalities=chosen,
            seed=seed,
            steps=steps,
            preset=preset,
            tumor=tumor,
            recipe=sampling_recipe(steps, self._detail),
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
        """Generate; yields after every network pass, the last step carries the result.

        Parameters
        ----------
        case, hole, request
            As planned.
        tumor : bool (x, y, z), optional
            Tumor that stays in the picture: it is widened and kept from the network as well.
        cancel : callable, optional
            Asked before every pass.
        first : int, optional
            Canonical axial slice to begin with; the others follow by distance. The order changes no pixel.

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
        planned = (request.case_hash, request.hole_hash, request.model_hash, request.recipe)
        recipe = sampling_recipe(request.steps, self._detail)
        if planned != (case.content_hash, hole.content_hash, self.model.card.weights_sha256, recipe):
            raise UsageError("the request belongs to another case, hole or model", remedy="Plan the run again")
        check_cancel(cancel)
        context = self._context_for(case, hole, request, tumor, cancel)
        check_cancel(cancel)
        part = hole.restricted(request.slices)
        patches = {m: np.zeros(case.grid.shape, case.volumes[m].raw.dtype)[part.box] for m in request.modalities}
        seconds: dict[int, float] = {}
        total, done = request.steps * len(request.slices), 0
        order = slice_order(request, first)
        for k in order:
            slice_began = time.perf_counter()
            passes = self._passes(context, request, k, case.grid.shape, cancel)
            mean: NDArray[np.float32] | None = None
            for number, (residual, window, seen) in enumerate(passes, start=1):
                done += 1
                fill = _compose(context, residual, window, k)
                mean = fill if mean is None else mean
                if number == request.steps > 1 and self._detail is not None:
                    fill = self._detail.match(fill, mean, seen)
                preview = _preview(case, context, request, part, fill, window, k)
                if done < total:
                    yield Step(done, total, k, preview, time.perf_counter() - began)
            self._store(case, context, request, part, patches, fill, window, k)
            seconds[k] = round(time.perf_counter() - slice_began, 4)
        inside = part.mask[part.box]
        result = Counterfactual(
            request=request,
            hole=part,
            patches={m: v[inside] for m, v in patches.items()},
            seconds=seconds,
            device=str(self.model.device),
            runtime=self.model.runtime,
        )
        yield Step(total, total, order[-1], preview, time.perf_counter() - began, result)

    def _context_for(
        self,
        case: Case,
        hole: Hole,
        request: GenerationRequest,
        tumor: NDArray[np.bool_] | None,
        cancel: Cancel | None,
    ) -> CaseContext:
        stays = staying(case, tumor)
        if tumor_hash(stays) != request.tumor_hash:
            raise UsageError("the tumor that stays is not the one of the request", remedy="Plan the run again")
        key = (case.content_hash, hole.content_hash + request.tumor_hash)
        if self._context is None or self._context[0] != key:
            unknown = hole.mask
            if stays is not None:
                unknown = unknown | with_margin(stays.mask, case.brain)
            self._context = (key, CaseContext.of(case, unknown, check=lambda: check_cancel(cancel)))
        return self._context[1]

    def _passes(
        self,
        context: CaseContext,
        request: GenerationRequest,
        k: int,
        shape: tuple[int, int, int],
        cancel: Cancel | None,
    ) -> Iterator[tuple[NDArray[np.float32], Window, NDArray[np.float32]]]:
        """Residuals (4, h, w) after every network pass of one slice, with their window and what the network saw."""
        import torch

        from seg_editor.generation.networks import posterior_mean

        inner = k - context.box[2].start
        window = context.window(inner)
        if window is None:
            raise UsageError(f"slice {k} holds no hole inside the brain")
        seen = context.channels(inner, window)
        channels = torch.from_numpy(seen[None]).to(self.model.device)
        hole = (channels[:, UNKNOWN_CHANNEL] * channels[:, BRAIN_CHANNEL])[:, None]
        check_cancel(cancel)
        mean = self._network(lambda network: posterior_mean(network, channels)) * hole
        yield mean[0].cpu().numpy(), window, seen
        levels = noise_levels(request.steps)
        if not levels:
            return
        noise = np.zeros((4, channels.shape[-2], channels.shape[-1]), np.float32)
        full = slice_noise(request.seed, k, (shape[0], shape[1]))[:, context.box[0], context.box[1]]
        piece = full[:, window[0], window[1]]
        noise[:, : piece.shape[1], : piece.shape[2]] = piece
        x = (mean + levels[0] * torch.from_numpy(noise[None]).to(mean.device)) * hole
        for level, following in zip(levels, (*levels[1:], 0.0), strict=True):
            check_cancel(cancel)
            sigma = torch.full((1,), level, device=x.device)
            denoised = self._network(lambda network: network(x, channels, sigma)) * hole  # noqa: B023
            x = denoised + (following / level) * (x - denoised)
            yield (denoised if following else x)[0].cpu().numpy(), window, seen

    def _network(self, run: Callable[[nn.Module], Tensor]) -> Tensor:
        """What the network makes of it, checked."""
        import torch

        try:
            with torch.inference_mode():
                out = run(self.model.network)
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError("the device ran out of memory", remedy="Generate on the CPU") from error
        if not bool(torch.isfinite(out).all()):
            raise ModelError("the network returned values that are not finite", remedy="Try another seed or model")
        return out

    def _store(
        self,
        case: Case,
        context: CaseContext,
        request: GenerationRequest,
        part: Hole,
        patches: dict[Modality, NDArray[np.generic]],
        fill: NDArray[np.float32],
        window: Window,
        k: int,
    ) -> None:
        low = part.box[2].start
        for m in request.modalities:
            image = context.to_intensity(m, fill[MODALITIES.index(m)])
            here = part.mask[:, :, k]
            plane = np.zeros(case.grid.shape[:2], np.float32)
            _paste(plane, image, context, window)
            block = patches[m][:, :, k - low]
            inside = here[part.box[0], part.box[1]]
            block[inside] = to_raw(case.volumes[m], plane[part.box[0], part.box[1]][inside])


def _compose(context: CaseContext, residual: NDArray[np.float32], window: Window, k: int) -> NDArray[np.float32]:
    """Harmonic fill plus residual, (4, h, w) cut to the slice, network units."""
    inner = k - context.box[2].start
    base = context.filled[:, window[0], window[1], inner]
    return np.asarray(base + residual[:, : base.shape[1], : base.shape[2]], np.float32)


def _preview(
    case: Case,
    context: CaseContext,
    request: GenerationRequest,
    part: Hole,
    fill: NDArray[np.float32],
    window: Window,
    k: int,
) -> dict[Modality, NDArray[np.float32]]:
    out = {}
    for m in request.modalities:
        volume = case.volumes[m]
        source = volume.raw[:, :, k].astype(np.float32) * np.float32(volume.slope) + np.float32(volume.inter)
        plane = source.copy()
        _paste(plane, context.to_intensity(m, fill[MODALITIES.index(m)]), context, window)
        out[m] = np.where(part.mask[:, :, k], plane, source)
    return out


def _paste(plane: NDArray[np.float32], image: NDArray[np.float32], context: CaseContext, window: Window) -> None:
    """Put a window of the crop into a whole slice, in place."""
    x0, y0 = context.box[0].start + window[0].start, context.box[1].start + window[1].start
    plane[x0 : x0 + image.shape[0], y0 : y0 + image.shape[1]] = image
