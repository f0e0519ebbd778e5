"""Start of the window: application, theme, exception hook, main window."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from PyQt6 import sip
from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import QApplication

from seg_editor.ui.backend import Backend, EngineBackend
from seg_editor.ui.collecting import Collecting
from seg_editor.ui.live_wiring import follow_live
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.theme import ThemeManager, prepare_application

log = logging.getLogger(__name__)


class ExceptionHook(QObject):
    """Logs an exception that nobody caught and shows it; without a hook PyQt ends the program."""

    caught = pyqtSignal(object)

    def install(self) -> None:
        """Become ``sys.excepthook``."""
        sys.excepthook = self._handle

    def _handle(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        log.error("unexpected error", exc_info=(kind, error, trace))
        self.caught.emit(error)


def make_application(arguments: Sequence[str] = ()) -> QApplication:
    """Return the application object, made and styled once."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    application = QApplication(["seg-editor", *arguments])
    application.setApplicationName("seg-editor")
    application.setApplicationDisplayName("seg-editor")
    application.setDesktopFileName("seg-editor")
    prepare_application(application)
    return application


def make_window(
    application: QApplication,
    *,
    backend: Backend | None = None,
    preferences: Preferences | None = None,
    theme: str = "",
    remember_live: bool = False,
) -> MainWindow:
    """Return a main window that is not shown yet; live mode is off unless it is remembered from the last session."""
    preferences = preferences or Preferences()
    themes = ThemeManager(application, theme or preferences.theme)
    themes.apply()
    window = MainWindow(backend or EngineBackend(), themes, preferences)
    themes.setParent(window)
    if remember_live:
        follow_live(window, preferences)
    if not preferences.geometry.isEmpty():
        window.restoreGeometry(preferences.geometry)
    return window


def dispose(window: MainWindow) -> None:
    """Destroy a closed window with all that it holds.

    PyQt's own cleanup at the end of the program deletes objects while it walks along their list, which may crash.
    """
    sip.delete(window)


def run(case_path: Path | None = None, *, demo: bool = False, theme: str = "") -> int:
    """Open the editor and return the exit code when it is closed.

    Parameters
    ----------
    case_path : Path, optional
        A case folder or one of its files.
    demo : bool
        Open the demo case when no path is given.
    theme : str
        ``dark``, ``light`` or ``system`` for this start only; the remembered one by default.
    """
    application = make_application()
    hook = ExceptionHook()
    window = make_window(application, theme=theme, remember_live=True)
    Collecting(window)
    hook.caught.connect(window.errors.show_error)
    hook.install()
    window.show()
    if case_path is not None:
        QTimer.singleShot(0, lambda: window.cases.open(case_path))
    elif demo:
        QTimer.singleShot(0, window.cases.open_demo)
    try:
        return application.exec()
    finally:
        sys.excepthook = sys.__excepthook__
        dispose(window)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse ``[CASE] [--demo] [--theme NAME]`` and open the editor."""
    parser = argparse.ArgumentParser(prog="seg-editor", description="Open the editor.")
    parser.add_argument("case", nargs="?", type=Path, help="a case folder, or any one of its files")
    parser.add_argument("--demo", action="store_true", help="open the demo case")
    parser.add_argument("--theme", choices=("system", "dark", "light"), default="", help="for this start only")
    options = parser.parse_args(argv)
    return run(options.case, demo=options.demo, theme=options.theme)
