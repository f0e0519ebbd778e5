"""Bundled models: a folder each, with ``weights.safetensors`` and ``card.json``. safetensors only, no pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seg_editor.errors import ModelError
from seg_editor.generation.detail import DetailModel
from seg_editor.resources import resource_path

if TYPE_CHECKING:
    import torch
    from torch import nn

CARD_FORMAT = 1
WEIGHTS_FILE = "weights.safetensors"
_REINSTALL = "Install seg-editor again or export the model anew with seg-train export"
_FIELDS: dict[str, type] = {
    "name": str,
    "title": str,
    "kind": str,
    "network": str,
    "config": dict,
    "weights_sha256": str,
    "parameters": int,
    "presets": dict,
}


@dataclass(frozen=True)
class ModelCard:
    """What a model is; the JSON beside its weights.

    Attributes
    ----------
    name, title : str
    kind : str
        ``inpaint`` (fills holes), ``referee`` (segments) or ``diffusion`` (the paper's models).
    network : str
        Class in ``seg_editor.generation.networks``, or ``UNet2DModel`` of diffusers.
    config : dict
        Its shape.
    weights_sha256 : str
    parameters : int
    presets : dict
        Sampling presets: name to ``{"steps": n}``.
    details : dict
        Everything else that the card says: training, results, limits, license.
    """

    name: str
    title: str
    kind: str
    network: str
    config: dict[str, Any]
    weights_sha256: str
    parameters: int
    presets: dict[str, dict[str, int]]
    details: dict[str, Any]
    folder: Path

    @property
    def weights(self) -> Path:
        """Path of the weight file."""
        return self.folder / WEIGHTS_FILE

    @property
    def detail(self) -> DetailModel | None:
        """How rough the tissue in a hole should be; ``None``: as sampled."""
        return DetailModel.of(self.details["detail"]) if "detail" in self.details else None

    def to_dict(self) -> dict[str, Any]:
        """What ``card.json`` holds."""
        return {"format": CARD_FORMAT, **{k: getattr(self, k) for k in _FIELDS}, **self.details}

    @classmethod
    def read(cls, folder: Path) -> ModelCard:
        """Read ``card.json``.

        Raises
        ------
        ModelError
            The card is missing or malformed.
        """
        path = folder / "card.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ModelError("there is no model here", path=path, remedy=_REINSTALL) from error
        except (OSError, ValueError) as error:
            raise ModelError(f"the model card cannot be read ({error})", path=path, remedy=_REINSTALL) from error
        if not isinstance(data, dict):
            raise ModelError("the model card is no JSON object", path=path, remedy=_REINSTALL)
        try:
            if data["format"] != CARD_FORMAT:
                raise ModelError(f"card format {data['format']} is not {CARD_FORMAT}", path=path, remedy=_REINSTALL)
            fields = {k: data[k] for k in _FIELDS}
        except (KeyError, TypeError) as error:
            raise ModelError(f"the model card lacks {error}", path=path, remedy=_REINSTALL) from error
        wrong = [k for k, kind in _FIELDS.items() if not isinstance(fields[k], kind)]
        if not wrong and not all(
            isinstance(p, dict) and isinstance(p.get("steps"), int) for p in data["presets"].values()
        ):
            wrong = ["presets"]
        if "detail_shares" in data:
            wrong.append("detail_shares (of an earlier version)")
        if "detail" in data:
            try:
                DetailModel.of(data["detail"])
            except (TypeError, ValueError):
                wrong.append("detail")
        if wrong:
            raise ModelError(f"the model card has a malformed {wrong[0]}", path=path, remedy=_REINSTALL)
        details = {k: v for k, v in data.items() if k not in (*_FIELDS, "format")}
        return cls(**fields, details=details, folder=folder)


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to run."""

    card: ModelCard
    network: nn.Module
    device: torch.device

    @property
    def runtime(self) -> str:
        """``torch-cpu`` or ``torch-cuda``."""
        return f"torch-{self.device.type}"


def list_models(root: Path | None = None) -> tuple[ModelCard, ...]:
    """Cards of all bundled models, by name; unreadable ones are left out."""
    cards = []
    folder = root or resource_path("models")
    for path in sorted(folder.glob("*/card.json")):
        try:
            cards.append(ModelCard.read(path.parent))
        except ModelError:
            continue
    return tuple(cards)


def choose_device(device: str = "auto") -> torch.device:
    """``auto`` takes CUDA when there is one.

    Raises
    ------
    ModelError
        CUDA is asked for and absent.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError("there is no CUDA device", remedy="Choose --device cpu")
    return torch.device(device)


def find_card(name: str | Path) -> ModelCard:
    """The card of a bundled model by name, or of a model folder by path; a string is first taken for a name.

    Raises
    ------
    ModelError
        The model is unknown, or its card cannot be used.
    """
    folder = name if isinstance(name, Path) else resource_path("models", name)
    if not (folder / "card.json").exists() and Path(name, "card.json").exists():
        folder = Path(name)
    if not (folder / "card.json").exists():
        names = ", ".join(c.name for c in list_models()) or "none"
        raise ModelError(f"there is no model {name}", remedy=f"Installed models: {names}")
    return ModelCard.read(folder)


def load_model(name: str | Path, device: str = "auto") -> LoadedModel:
    """Load a bundled model by name, or a model folder by path.

    Parameters
    ----------
    name : str or Path
        A string is looked up among the bundled models first.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    ModelError
        The model is unknown, the weights are damaged, or they do not fit the card.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    card = find_card(name)
    try:
        data = card.weights.read_bytes()
    except OSError as error:
        raise ModelError("the weights cannot be read", path=card.weights, remedy=_REINSTALL) from error
    if hashlib.sha256(data).hexdigest() != card.weights_sha256:
        raise ModelError("the weights are not the ones that the card describes", path=card.weights, remedy=_REINSTALL)
    try:
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in load(data).items()}
        with torch.device("meta"):  # shapes only: the values come from the file
            network = _build(card)
        network.load_state_dict(tensors, assign=True)
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"the weights do not fit the card ({type(error).__name__})", path=card.weights, remedy=_REINSTALL
        ) from error
    target = choose_device(device)
    network = network.to(target)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return LoadedModel(card, network.eval(), target)


def _build(card: ModelCard) -> nn.Module:
    from seg_editor.generation.networks import InpaintConfig, InpaintNet, RefereeConfig, RefereeUNet

    if card.network == "InpaintNet":
        return InpaintNet(InpaintConfig.from_json(card.config))
    if card.network == "RefereeUNet":
        return RefereeUNet(RefereeConfig.from_json(card.config))
    if card.network == "UNet2DModel":
        from seg_editor.generation.unet import NoiseNet, UNetConfig

        return NoiseNet(UNetConfig.from_json(card.config))
    raise ModelError(
        f"the network {card.network} is unknown", path=card.folder / "card.json", remedy="Install a newer seg-editor"
    )
