"""The settings: one calm window, pages on the left, everything takes effect at once."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.floating import Floating
from seg_editor.ui.label_color_page import LabelColorPage
from seg_editor.ui.panels.parts import Segments, named, wrapped
from seg_editor.ui.state import UiState

Page = QWidget | Callable[[], QWidget]
_SIZE = (760, 640)


class SettingsDialog(Floating):
    """Pages of settings; other parts of the window add their own with :meth:`add_page`.

    Parameters
    ----------
    ui : UiState
    theme : callable
        Returns the theme's choice: ``system``, ``dark`` or ``light``.
    choose_theme : callable
        Takes the choice.
    parent : QWidget
    """

    def __init__(
        self,
        ui: UiState,
        theme: Callable[[], str],
        choose_theme: Callable[[str], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self.resize(*_SIZE)
        self._ui = ui
        self._theme, self._choose_theme = theme, choose_theme
        self._workspace: Workspace | None = None
        self._makers: list[Page] = []
        self.pages = QStackedWidget()
        self.titles = named(QListWidget(), "settingsTitles")
        self.titles.setFixedWidth(168)
        self.titles.setAccessibleName("Pages of settings")
        self.titles.currentRowChanged.connect(self._show_page)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addWidget(self.titles)
        line.addWidget(self.pages, 1)
        self.labels: LabelColorPage | None = None
        self.add_page("Display", self._make_display)
        self.add_page("Label colors", self._make_labels)
        self.titles.setCurrentRow(0)

    def add_page(self, title: str, page: Page) -> None:
        """Add a page.

        Parameters
        ----------
        title : str
            Its name in the list on the left.
        page : QWidget or callable
            The page, or what makes it when it is shown first.
        """
        self._makers.append(page)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.pages.addWidget(area)
        self.titles.addItem(title)

    def show_page(self, title: str) -> None:
        """Open the window on a page."""
        for row in range(self.titles.count()):
            item = self.titles.item(row)
            if item is not None and item.text() == title:
                self.titles.setCurrentRow(row)
        self.open_window()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Preview label colors on another case."""
        self._workspace = workspace
        if self.labels is not None:
            self.labels.set_workspace(workspace)

    def _show_page(self, row: int) -> None:
        area = self.pages.widget(row)
        if isinstance(area, QScrollArea) and area.widget() is None:
            page = self._makers[row]
            made = page if isinstance(page, QWidget) else page()
            area.setWidget(named(made, "dockBody"))
        self.pages.setCurrentIndex(row)

    def _make_labels(self) -> QWidget:
        self.labels = LabelColorPage(self._ui)
        self.labels.set_workspace(self._workspace)
        return self.labels

    def _make_display(self) -> QWidget:
        return DisplayPage(self._ui, self._theme, self._choose_theme)


class DisplayPage(QWidget):
    """Theme, sides, interpolation."""

    def __init__(self, ui: UiState, theme: Callable[[], str], choose_theme: Callable[[str], object]) -> None:
        super().__init__()
        self._ui = ui
        self._theme = theme
        self.theme = Segments(
            (
                ("system", "Follow the system", "Dark or light as the system is"),
                ("dark", "Dark", "Dark theme"),
                ("light", "Light", "Light theme"),
            )
        )
        self.theme.chosen.connect(lambda key: choose_theme(str(key)))
        self.sides = Segments(
            (
                (True, "Radiological", "The patient's right is on the left of the screen"),
                (False, "Neurological", "The patient's right is on the right of the screen"),
            )
        )
        self.sides.chosen.connect(lambda key: setattr(ui, "radiological", key))
        self.sagittal = Segments(
            (
                (True, "Nose to the left", "Sagittal pictures look to the left"),
                (False, "Nose to the right", "Sagittal pictures look to the right"),
            )
        )
        self.sagittal.chosen.connect(lambda key: setattr(ui, "nose_left", key))
        self.smooth = QCheckBox("Smooth pictures")
        self.smooth.setToolTip("Interpolate between voxels; off shows every voxel as a square")
        self.smooth.toggled.connect(lambda on: setattr(ui, "smooth", on))
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(8)
        column.addWidget(named(QLabel("Display"), "emptyTitle"))
        for title, widget, note in (
            ("Theme", self.theme, ""),
            (
                "Axial and coronal pictures",
                self.sides,
                "The letters at the edges always say which side is which. Files are never changed by this.",
            ),
            ("Sagittal pictures", self.sagittal, ""),
        ):
            column.addSpacing(8)
            column.addWidget(named(QLabel(title), "valueName"))
            line = QHBoxLayout()
            line.addWidget(widget)
            line.addStretch(1)
            column.addLayout(line)
            if note:
                column.addWidget(wrapped(note))
        column.addSpacing(16)
        column.addWidget(self.smooth)
        column.addStretch(1)
        bind(self, ui.changed, lambda _name: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show the settings in force."""
        self.theme.show_key(self._theme())
        self.sides.show_key(self._ui.radiological)
        self.sagittal.show_key(self._ui.nose_left)
        self.smooth.setChecked(self._ui.smooth)
