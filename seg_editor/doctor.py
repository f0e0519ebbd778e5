"""What this installation can do: versions, devices, models, display."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from seg_editor import __version__
from seg_editor.errors import ModelError
from seg_editor.resources import resource_path

_PACKAGES = (
    "torch",
    "diffusers",
    "antspyx",
    "nibabel",
    "numpy",
    "scipy",
    "scikit-image",
    "PyQt6",
    "pyqtgraph",
    "wandb",
)


def examine() -> dict[str, Any]:
    """Collect the facts as plain JSON types; nothing here raises."""
    return {
        "seg_editor": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": _device(),
        "display": bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or platform.system() != "Linux",
        "models": _models(),
        "demo_case": resource_path("demo").is_dir() and any(resource_path("demo").iterdir()),
        "can": _abilities(),
    }


def render(report: dict[str, Any]) -> str:
    """The report as lines of text."""
    lines = [
        f"seg-editor {report['seg_editor']}, Python {report['python']}, {report['system']}",
        f"{report['cores']} cores, {report['memory_gb']} GB memory, device {report['device']['name']}",
        "packages: " + ", ".join(f"{k} {v or 'missing'}" for k, v in report["packages"].items()),
    ]
    lines += [f"model {m['name']}: {m['title']}, {m['state']}" for m in report["models"]]
    lines += [f"{what}: {answer}" for what, answer in report["can"].items()]
    return "\n".join(lines)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _device() -> dict[str, Any]:
    try:
        import torch

        if torch.cuda.is_available():
            return {"kind": "cuda", "name": torch.cuda.get_device_name(0), "runtime": "torch-cuda"}
        return {"kind": "cpu", "name": platform.processor() or platform.machine(), "runtime": "torch-cpu"}
    except (ImportError, OSError) as error:
        return {"kind": "none", "name": f"torch does not load ({error})", "runtime": None}


def _models() -> list[dict[str, Any]]:
    import hashlib

    from seg_editor.generation.registry import list_models

    rows = []
    for card in list_models():
        try:
            fits = hashlib.sha256(Path(card.weights).read_bytes()).hexdigest() == card.weights_sha256
            state = "ready" if fits else "damaged: the weights do not match the card"
        except (OSError, ModelError) as error:
            state = f"unreadable ({error})"
        row = {"name": card.name, "title": card.title, "kind": card.kind, "parameters": card.parameters}
        rows.append({**row, "state": state})
    return rows


def _abilities() -> dict[str, str]:
    ready = {m["name"] for m in _models() if m["state"] == "ready"}
    return {
        "remove and inpaint": "yes" if "m5" in ready else "no: the model m5 is missing",
        "segment and TumorResidual": "yes" if "m4" in ready else "no: the model m4 is missing",
        "tissue map": "yes" if _version("antspyx") else "no: install antspyx",
        "window": "yes" if _version("PyQt6") else "no: install PyQt6",
    }
