"""The cases before and after the open one in its folder; the next one is read ahead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from seg_editor.cases import Case, find_cases, open_case
from seg_editor.cases.naming import parse_name
from seg_editor.errors import CaseError
from seg_editor.ui.workers import Cancelled, Progress, Task, Tasks

_IDLE_MS = 1500
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class _Ahead:
    path: Path
    stamp: Stamp
    case: Case


class Neighbors(QObject):
    """Knows the neighbors of the open case; a folder is listed and the next case read in the background.

    Signals
    -------
    changed()
        The neighbors are known, or are others.
    """

    changed = pyqtSignal()

    def __init__(self, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._task: Task | None = None
        self._paths: list[Path] = []
        self._at: int | None = None
        self._ahead: _Ahead | None = None
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.setInterval(_IDLE_MS)
        self._idle.timeout.connect(self._read_ahead)

    @property
    def next(self) -> Path | None:
        """The case after the open one, or None."""
        return self._beside(1)

    @property
    def previous(self) -> Path | None:
        """The case before the open one, or None."""
        return self._beside(-1)

    @property
    def reading_ahead(self) -> bool:
        """True while the folder is listed or the next case read."""
        return self._task is not None or self._idle.isActive()

    def follow(self, case: Case | None) -> None:
        """Look around another case; what was read ahead stays usable until the next one is known."""
        self._stop()
        if case is None:
            self._paths, self._at, self._ahead = [], None, None
            self.changed.emit()
            return
        folder, name = case.folder, case.case_id
        root = folder.parent if folder.is_dir() else folder.parent.parent

        def work(_progress: Progress, _cancelled: Cancelled) -> tuple[list[Path], int | None]:
            try:
                paths = find_cases(root)
            except CaseError:
                return [], None
            return paths, next((i for i, path in enumerate(paths) if _belongs(path, folder, name)), None)

        self._task = task = self._tasks.start(work, "look for neighbors")
        task.done.connect(self._found)
        task.failed.connect(lambda _error: self._stop())

    def take(self, path: Path) -> Case | None:
        """What was read ahead from `path`, when its files are still the same; only once."""
        ahead, self._ahead = self._ahead, None
        return ahead.case if ahead is not None and ahead.path == path and ahead.stamp == stamp_of(path) else None

    def _beside(self, step: int) -> Path | None:
        if self._at is None or not 0 <= self._at + step < len(self._paths):
            return None
        return self._paths[self._at + step]

    def _found(self, found: tuple[list[Path], int | None]) -> None:
        self._task = None
        self._paths, self._at = found
        self.changed.emit()
        self._idle.start()

    def _read_ahead(self) -> None:
        path = self.next
        if path is None or (self._ahead is not None and self._ahead.path == path):
            return

        def work(_progress: Progress, _cancelled: Cancelled) -> _Ahead:
            stamp, case = stamp_of(path), open_case(path, threads=1)  # the cores are for who works
            _ = case.content_hash  # kept with the case: opening it is then quick
            return _Ahead(path, stamp, case)

        self._task = task = self._tasks.start(work, "read the next case")
        task.done.connect(self._keep)
        task.failed.connect(lambda _error: self._stop())  # said when the user opens it

    def _keep(self, ahead: _Ahead) -> None:
        self._task, self._ahead = None, ahead

    def _stop(self) -> None:
        self._idle.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None


def _belongs(path: Path, folder: Path, case_id: str) -> bool:
    """Whether a path found is the case's folder, or one of its files in a folder of several cases."""
    if path.parent != folder:
        return path == folder
    parsed = parse_name(path)
    return parsed is not None and parsed.case_id == case_id


def stamp_of(path: Path) -> Stamp:
    """Names, times and sizes of the files of a case's folder: equal stamps, equal files."""
    folder = path if path.is_dir() else path.parent
    try:
        facts = [(f.name, f.stat()) for f in sorted(folder.iterdir()) if f.is_file()]
    except OSError:
        return ()
    return tuple((name, s.st_mtime_ns, s.st_size) for name, s in facts)
