"""M4 at work: five classes from FLAIR. It judges pictures and is never used to make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import TUMOR
from seg_editor.anatomy.scale import IntensityScale
from seg_editor.cases import Case, Modality, bounding_box
from seg_editor.errors import CaseError, ModelError
from seg_editor.generation.conditioning import AIR
from seg_editor.generation.registry import LoadedModel, choose_device, list_models, load_model

_MULTIPLE = 32
_BATCH = 4
PREFERRED = "m4"


def referee_name() -> str:
    """The installed referee, M4 before any other; empty when there is none. The one place that chooses it."""
    names = [card.name for card in list_models() if card.kind == "referee"]
    return PREFERRED if PREFERRED in names else next(iter(names), "")


def find_referee(device: str = "auto") -> Referee | None:
    """The referee that `referee_name` chooses, loaded once for all who ask; None when there is none.

    One device at a time: asking for another lets go of the weights on the first.
    """
    card = next((card for card in list_models() if card.name == referee_name()), None)
    if card is None:
        return None
    with _loading:
        return _loaded(card.name, card.weights_sha256, str(choose_device(device)))


_loading = Lock()


@lru_cache(maxsize=1)
def _loaded(name: str, _weights: str, device: str) -> Referee:
    return Referee(load_model(name, device))


class Referee:
    """Segments slices of a case, or of a counterfactual made from it, always on the source's intensity scale."""

    def __init__(self, model: LoadedModel) -> None:
        if model.card.kind != "referee":
            raise ModelError(f"{model.card.name} does not segment", remedy="Choose a model of kind referee, as m4")
        self.model = model
        self._scale_of: tuple[str, IntensityScale] | None = None

    def segment_slices(self, case: Case, indices: Sequence[int], raw: NDArray[Any] | None = None) -> NDArray[np.uint8]:
        """Five-class maps of axial slices.

        Parameters
        ----------
        case : Case
        indices : sequence of int
            Canonical axial indices.
        raw : array (x, y, z), optional
            A FLAIR volume in the case's stored values to look at instead of the case's own.

        Returns
        -------
        uint8 (n, x, y)
            0 background, 1 CSF, 2 GM, 3 WM, 4 tumor.

        Raises
        ------
        CaseError
            The case has no FLAIR.
        """
        out = np.zeros((len(indices), *case.grid.shape[:2]), np.uint8)
        for at, box, logits, _ in self._look(case, indices, raw):
            inside = np.stack([case.brain[(*box, k)] for k in indices[at : at + len(logits)]])
            out[(slice(at, at + len(logits)), *box)] = logits.argmax(1).astype(np.uint8) * inside
        return out

    def tumor_probability(
        self, case: Case, indices: Sequence[int], raw: NDArray[Any] | None = None
    ) -> NDArray[np.float32]:
        """What the network gives the class tumor after the softmax, (n, x, y); 0 outside the brain's box."""
        out = np.zeros((len(indices), *case.grid.shape[:2]), np.float32)
        for at, box, logits, _ in self._look(case, indices, raw):
            powers = np.exp(logits - logits.max(1, keepdims=True))
            out[(slice(at, at + len(logits)), *box)] = powers[:, TUMOR] / powers.sum(1)
        return out

    def features(self, case: Case, indices: Sequence[int], raw: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """Mean of the network's bottleneck over each slice, (n, d)."""
        found = [bottom for *_, bottom in self._look(case, indices, raw)]
        width = self.model.network.config.base * 2**self.model.network.config.depth  # type: ignore[operator,union-attr]
        return np.concatenate(found) if found else np.zeros((0, int(width)), np.float32)

    def _look(
        self, case: Case, indices: Sequence[int], raw: NDArray[Any] | None
    ) -> Iterator[tuple[int, tuple[slice, slice], NDArray[np.float32], NDArray[np.float32]]]:
        """Some slices at a time: where they begin, the brain's box, logits (b, 5, w, h) and mean features (b, d)."""
        import torch

        volume = case.volumes.get(Modality.FLAIR)
        if volume is None:
            raise CaseError("the referee needs FLAIR", path=case.folder, remedy="Add the FLAIR volume to the case")
        scale = self._scale(case)
        source = volume.raw if raw is None else raw
        box = bounding_box(case.brain)
        if box is None:
            return
        x, y, _ = box
        w, h = x.stop - x.start, y.stop - y.start
        network: Any = self.model.network
        for at in range(0, len(indices), _BATCH):
            part = list(indices[at : at + _BATCH])
            stored = np.stack([source[x, y, k] for k in part])
            values = stored.astype(np.float32) * np.float32(volume.slope) + np.float32(volume.inter)
            brain = np.stack([case.brain[x, y, k] for k in part])
            image = np.where(brain, np.clip(scale.normalize(values), -7, 7), AIR)
            padded = np.pad(image, [(0, 0), (0, -w % _MULTIPLE), (0, -h % _MULTIPLE)], constant_values=AIR)
            with torch.inference_mode():
                logits, bottom = network.features(torch.from_numpy(padded[:, None]).to(self.model.device))
                yield at, (x, y), logits[:, :, :w, :h].float().cpu().numpy(), bottom.float().mean((2, 3)).cpu().numpy()

    def segment(
        self,
        case: Case,
        *,
        progress: Callable[[float, str], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> NDArray[np.uint8]:
        """Five-class map of the whole volume, (x, y, z); slices without brain stay 0.

        When `cancel` returns true the rest stays 0.
        """
        out = np.zeros(case.grid.shape, np.uint8)
        filled = [int(k) for k in np.flatnonzero(case.brain.any((0, 1)))]
        for at in range(0, len(filled), _BATCH):
            if cancel is not None and cancel():
                break
            part = filled[at : at + _BATCH]
            out[:, :, part] = np.moveaxis(self.segment_slices(case, part), 0, -1)
            if progress is not None:
                progress((at + len(part)) / len(filled), "Segmenting")
        return out

    def _scale(self, case: Case) -> IntensityScale:
        """Median and interquartile range over the whole brain of the source (tumor included: it may be unknown)."""
        known = self._scale_of
        if known is None or known[0] != case.content_hash:
            known = (case.content_hash, IntensityScale.of(case.volumes[Modality.FLAIR].values(), case.brain))
            self._scale_of = known
        return known[1]
