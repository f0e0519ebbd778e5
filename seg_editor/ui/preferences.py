"""What the program remembers between starts: recent cases, theme, keys, layout and display, window geometry."""

from __future__ import annotations

import re
from pathlib import Path

from PyQt6.QtCore import QByteArray, QObject, QSettings

from seg_editor.ui.bind import bind
from seg_editor.ui.state import Layout, UiState

_RECENT = 8
_FLAGS = ("radiological", "nose_left", "smooth", "crosshair")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_LOOKS = ("glass", "solid", "off")


class Preferences:
    """A typed front of :class:`QSettings`.

    Parameters
    ----------
    path : Path, optional
        An ini file; the platform's place by default.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            self._store = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "seg-editor", "seg-editor")
        else:
            self._store = QSettings(str(path), QSettings.Format.IniFormat)

    def _text(self, key: str, default: str) -> str:
        return str(self._store.value(key, default))

    @property
    def theme(self) -> str:
        """``system``, ``dark`` or ``light``."""
        return self._text("theme", "system")

    @theme.setter
    def theme(self, choice: str) -> None:
        self._store.setValue("theme", choice)

    @property
    def keys(self) -> str:
        """Preset of the keys."""
        return self._text("keys", "seg-editor")

    @keys.setter
    def keys(self, preset: str) -> None:
        self._store.setValue("keys", preset)

    def restore_display(self, ui: UiState) -> None:
        """Give `ui` the layout, the display and the label colors of the last session; what is unreadable is left."""
        layout, look = self._text("layout", ui.layout), self._text("brain_look", ui.brain_look)
        if layout in list(Layout):
            ui.layout = Layout(layout)
        if look in _LOOKS:
            ui.brain_look = look
        for name in _FLAGS:
            setattr(ui, name, self._text(name, str(getattr(ui, name))).lower() == "true")
        pairs = (text.partition(":") for text in self._text("label_colors", "").split(";"))
        ui.label_colors = {name: color for name, _, color in pairs if _COLOR.fullmatch(color)}

    def follow_display(self, owner: QObject, ui: UiState) -> None:
        """Remember layout, display and label colors whenever they change, as long as `owner` lives."""
        bind(owner, ui.changed, lambda name: self._store_display(ui, name))

    def _store_display(self, ui: UiState, name: str) -> None:
        if name in ("layout", "brain_look", *_FLAGS):
            self._store.setValue(name, str(getattr(ui, name)))
        elif name == "label_colors":
            self._store.setValue(name, ";".join(f"{label}:{color}" for label, color in ui.label_colors.items()))

    @property
    def live(self) -> bool:
        """A finished stroke starts a run by itself; so from the first start on."""
        return self._text("live", "True").lower() == "true"

    @live.setter
    def live(self, on: bool) -> None:
        self._store.setValue("live", str(on))

    @property
    def folded(self) -> frozenset[str]:
        """Keys of the sections of the dock that are folded."""
        return frozenset(self._text("folded", "").split())

    @folded.setter
    def folded(self, keys: frozenset[str]) -> None:
        self._store.setValue("folded", " ".join(sorted(keys)))

    @property
    def device(self) -> str:
        """``auto``, ``cpu`` or ``cuda``."""
        found = self._text("device", "auto")
        return found if found in ("auto", "cpu", "cuda") else "auto"

    @device.setter
    def device(self, device: str) -> None:
        self._store.setValue("device", device)

    @property
    def recent(self) -> list[Path]:
        """Recent cases that still exist, newest first."""
        stored = self._store.value("recent", [])
        names = [stored] if isinstance(stored, str) else list(stored or [])
        return [Path(name) for name in names if Path(name).exists()]

    def add_recent(self, path: Path) -> None:
        """Put a case first."""
        others = [known for known in self.recent if known != path]
        self._store.setValue("recent", [str(p) for p in [path, *others][:_RECENT]])

    @property
    def geometry(self) -> QByteArray:
        """Window geometry, empty at the first start."""
        stored = self._store.value("geometry", QByteArray())
        return stored if isinstance(stored, QByteArray) else QByteArray()

    @geometry.setter
    def geometry(self, geometry: QByteArray) -> None:
        self._store.setValue("geometry", geometry)
