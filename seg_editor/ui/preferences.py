"""What the program remembers between starts: recent cases, theme, keys, window geometry."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QByteArray, QSettings

_RECENT = 8


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
