"""Settings page: what the networks run on."""

from __future__ import annotations

import os
import sys

from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from seg_editor.ui.bind import bind
from seg_editor.ui.generation import Generation
from seg_editor.ui.panels.parts import Segments, named, wrapped

_CHOICES = (
    ("auto", "Automatic", "The GPU where there is one, else the CPU"),
    ("cpu", "CPU", "Slower, with all of the computer's memory"),
    ("cuda", "GPU", "An NVIDIA GPU with CUDA"),
)


def gpu_text() -> tuple[bool, str]:
    """Return whether a GPU can be used, and a sentence about it; torch is asked only once it is loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return True, "The GPU is looked for when the first model is loaded."
    if not torch.cuda.is_available():
        return False, "No CUDA device was found: models run on the CPU."
    properties = torch.cuda.get_device_properties(0)
    return True, f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB."


class DevicePage(QWidget):
    """Chooses the device and says which one is in use."""

    def __init__(self, generation: Generation) -> None:
        super().__init__()
        self._generation = generation
        self.device = Segments(_CHOICES)
        self.device.chosen.connect(lambda key: setattr(generation.settings, "device", str(key)))
        self.now = wrapped()
        self.found = wrapped()
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(8)
        column.addWidget(named(QLabel("Device"), "emptyTitle"))
        column.addSpacing(8)
        column.addWidget(named(QLabel("Models run on"), "valueName"))
        line = QHBoxLayout()
        line.addWidget(self.device)
        line.addStretch(1)
        column.addLayout(line)
        column.addWidget(self.now)
        column.addWidget(self.found)
        column.addWidget(
            wrapped("When the GPU runs out of memory the run ends, nothing is lost, and the CPU is offered.")
        )
        column.addStretch(1)
        bind(self, generation.settings.changed, lambda _name: self.refresh())
        generation.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the choice and what it came to."""
        usable, text = gpu_text()
        self.device.show_key(self._generation.settings.device)
        self.device.enable("cuda", "" if usable else "no CUDA device was found", "An NVIDIA GPU with CUDA")
        device, cores = self._generation.device, os.cpu_count() or 1
        spare = f" One of {cores} cores is left to the window." if device == "CPU" and cores > 1 else ""
        self.now.setText(f"In use: {device}.{spare}" if device else "No model is loaded yet.")
        self.found.setText(text)
