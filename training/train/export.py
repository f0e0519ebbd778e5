"""A checkpoint becomes a model that the editor loads: fp16 weights and a card."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from seg_editor.errors import ExportError, ModelError, UsageError
from seg_editor.generation.detail import DetailModel
from seg_editor.generation.registry import CARD_FORMAT, WEIGHTS_FILE, load_model
from training.presets import ARMS
from training.train.checkpoint import averaged_weights

BRATS = "BraTS data (cite Menze 2015, Bakas 2017, Baid 2021)"

_KINDS: dict[str, dict[str, Any]] = {
    "m5": {
        "title": "M5 · context-guided",
        "kind": "inpaint",
        "network": "InpaintNet",
        "presets": {"preview": {"steps": 1}, "standard": {"steps": 6}, "fine": {"steps": 10}},
        "limits": [
            "Mass effect is not undone: displaced ventricles stay displaced.",
            "Large holes become plainer than real tissue: gyri and sulci are suggested, not drawn.",
            "Trained on adult glioma MRI, skull-stripped, on a grid of 1 mm; nothing else was tried.",
            "Synthetic images: not for clinical use.",
        ],
    },
    "m4": {
        "title": "M4 referee",
        "kind": "referee",
        "network": "RefereeUNet",
        "presets": {},
        "limits": ["Judges FLAIR only.", "Never used to make pictures.", "Not for clinical use."],
    },
}

_DIFFUSION: dict[str, Any] = {
    "kind": "diffusion",
    "network": "UNet2DModel",
    "presets": {"fast": {"steps": 20}, "standard": {"steps": 50}, "text": {"steps": 1000}},
    "limits": [
        "Makes whole slices: nothing outside the tumor is kept either.",
        "One slice at a time: neighboring slices do not fit each other.",
        "A rebuild of a published model, for comparison; see the paper's account in the documentation.",
        "Synthetic images: not for clinical use.",
    ],
}
_KINDS |= {name: {"title": arm.title, **_DIFFUSION} for name, arm in ARMS.items()}


def export_model(
    checkpoint: Path,
    out: Path,
    *,
    title: str | None = None,
    results: dict[str, Any] | None = None,
    detail: DetailModel | None = None,
    trained_on: str = BRATS,
) -> list[Path]:
    """Write ``weights.safetensors`` (fp16, averaged if they are) and ``card.json``; loads them once to be sure.

    `trained_on` names the data and what to cite; it stands in the card beside the license.

    Raises
    ------
    ModelError
        The checkpoint cannot be read.
    ExportError
        The folder cannot be written.
    UsageError
        `detail` is for M5.
    """
    state, tensors = _read(checkpoint)
    kind = _KINDS.get(state["task"].get("name"))
    if kind is None or not tensors:
        raise ModelError(
            f"not a checkpoint of {', '.join(_KINDS)}", path=checkpoint, remedy="Choose another checkpoint"
        )
    data = save(_halved(tensors, checkpoint))
    card = _card(state, kind, hashlib.sha256(data).hexdigest(), results or {}, trained_on)
    if title:
        card["title"] = title
    if detail is not None:
        if kind["kind"] != "inpaint":
            raise UsageError(f"a detail means nothing for {state['task']['name']}", remedy="Leave --detail out")
        card["detail"] = detail.to_json()
    written = _write(out, {WEIGHTS_FILE: data, "card.json": (json.dumps(card, indent=2) + "\n").encode()})
    load_model(out, device="cpu")
    return written


def _read(checkpoint: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """State and averaged weights of a checkpoint."""
    tensors = averaged_weights(checkpoint)
    try:
        with safe_open(checkpoint, framework="pt") as f:
            state = json.loads((f.metadata() or {})["state"])
        state["task"].get("name")
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"not a readable checkpoint ({error})", path=checkpoint, remedy="Choose another checkpoint"
        ) from error
    return state, tensors


def _halved(tensors: dict[str, Tensor], checkpoint: Path) -> dict[str, Tensor]:
    """The weights in half precision, all finite."""
    halved = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in tensors.items()}
    for name, values in halved.items():
        if not bool(torch.isfinite(values).all()):
            raise ModelError(
                f"the weights {name} are not finite in half precision",
                path=checkpoint,
                remedy="Choose another checkpoint",
            )
    return halved


def _card(
    state: dict[str, Any], kind: dict[str, Any], digest: str, results: dict[str, Any], trained_on: str
) -> dict[str, Any]:
    task = state["task"]
    return {
        "format": CARD_FORMAT,
        "name": task["name"],
        **{k: kind[k] for k in ("title", "kind", "network")},
        "config": task["config"],
        "weights_sha256": digest,
        "parameters": task["parameters"],
        "presets": kind["presets"],
        "training": {
            "steps": state["step"],
            "samples": state["samples"],
            "hours": round(state["seconds"] / 3600, 2),
            "settings": task["settings"],
            "torch": torch.__version__,
        },
        "results": results,
        "limits": kind["limits"],
        "license": f"GPL-3.0-or-later; trained on {trained_on}",
    }


def _write(out: Path, files: dict[str, bytes]) -> list[Path]:
    written, temporary = [], out
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            temporary = out / f".{name}.part"
            temporary.write_bytes(content)
            os.replace(temporary, out / name)
            written.append(out / name)
    except OSError as error:
        if temporary != out:
            temporary.unlink(missing_ok=True)
        raise ExportError(
            f"the model cannot be written ({error.strerror})", path=out, remedy="Choose a writable folder"
        ) from error
    return written
