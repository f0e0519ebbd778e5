"""Small models with random weights, in folders that the registry loads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from seg_editor.generation.networks import (
    InpaintConfig,
    InpaintNet,
    RefereeConfig,
    RefereeUNet,
    count_parameters,
)
from seg_editor.generation.registry import CARD_FORMAT, WEIGHTS_FILE

SMALL_INPAINT = InpaintConfig(widths=(8, 16, 16), blocks=1, embedding=16)
SMALL_REFEREE = RefereeConfig(base=4, depth=2, fold=2)


def randomize(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every weight a random value: fresh networks return zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in network.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim > 1:
                p.copy_(1.5 * noise / p[0].numel() ** 0.5)
            else:
                p.copy_(0.1 * noise + float(name.endswith("weight")))
    return network


#: A model's card: detail near the hole's surroundings, told a little by the rest.
SMALL_DETAIL = [[0.1, 0.2, 0.0, 0.1, 0.1]] * 4


def write_model(folder: Path, network: nn.Module | None = None, /, **card: Any) -> Path:
    """Write weights and card; `card` replaces fields of it."""
    network = network if network is not None else randomize(InpaintNet(SMALL_INPAINT))
    inpaint = isinstance(network, InpaintNet)
    data = save({k: v.contiguous() for k, v in network.state_dict().items()})
    fields: dict[str, Any] = {
        "format": CARD_FORMAT,
        "name": "m5" if inpaint else "m4",
        "title": "A small model for tests",
        "kind": "inpaint" if inpaint else "referee",
        "network": type(network).__name__,
        "config": network.config.to_json(),  # type: ignore[operator,union-attr]
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "parameters": count_parameters(network),
        "presets": {"preview": {"steps": 1}, "standard": {"steps": 3}} if inpaint else {},
        "limits": ["Random weights."],
        **({"detail": SMALL_DETAIL} if inpaint else {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(data)
    (folder / "card.json").write_text(json.dumps({**fields, **card}))
    return folder


def write_referee(folder: Path) -> Path:
    """A small referee with random weights."""
    return write_model(folder, randomize(RefereeUNet(SMALL_REFEREE)))
