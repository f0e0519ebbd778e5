"""M5 as it is shipped: the volume network makes the mean of the whole hole, the slice network its texture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from seg_editor.generation.networks import InpaintConfig, InpaintNet
from seg_editor.generation.volume_net import VolumeConfig, VolumeNet


@dataclass(frozen=True)
class M5Config:
    """Shapes of both networks."""

    slices: InpaintConfig
    volume: VolumeConfig

    def to_json(self) -> dict[str, Any]:
        return {"slices": self.slices.to_json(), "volume": self.volume.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> M5Config:
        return cls(InpaintConfig.from_json(data["slices"]), VolumeConfig.from_json(data["volume"]))


class M5Net(nn.Module):
    """Holds ``volume`` (:class:`VolumeNet`) and ``slices`` (:class:`InpaintNet`)."""

    def __init__(self, config: M5Config) -> None:
        super().__init__()
        self.config = config
        self.volume = VolumeNet(config.volume)
        self.slices = InpaintNet(config.slices)

    def forward(self, noisy: Tensor, context: Tensor, sigma: Tensor) -> Tensor:
        """The slice network's :meth:`InpaintNet.forward`."""
        out: Tensor = self.slices(noisy, context, sigma)
        return out
