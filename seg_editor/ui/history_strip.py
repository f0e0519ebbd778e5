"""The history strip: every result of this case as a thumbnail with model, seed, figures and a star."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QHelpEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PyQt6.QtWidgets import QFrame, QScrollArea, QToolTip, QWidget

from seg_editor.cases import Modality
from seg_editor.export.names import steps_text
from seg_editor.session import Workspace
from seg_editor.session.measured import Measured
from seg_editor.session.results import Entry
from seg_editor.ui.bind import bind
from seg_editor.ui.captions import kept_text, model_name, slice_number
from seg_editor.ui.chrome import font
from seg_editor.ui.painting import painting
from seg_editor.ui.panels.parts import keep_arrows
from seg_editor.ui.planes import Plane, PlaneView
from seg_editor.ui.theme import Theme
from seg_editor.ui.windowing import to_gray

THUMB = 60
CARD = QSize(226, 72)
_GAP = 6
_FRAME = 14
_STAR = 18
_EARLIER = 0.6
_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
EMPTY = "Every picture that is made stays here: click to compare it, double click to bring back its mask."


class HistoryStrip(QScrollArea):
    """Cards of the results, newest on the right.

    Signals
    -------
    compared(object)
        The entry that the user clicked.
    restored(object)
        The entry that the user double-clicked.
    """

    compared = pyqtSignal(object)
    restored = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("historyStrip")
        self.cards = _Cards(self)
        self.setWidget(self.cards)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(CARD.height() + 2 * _GAP + 10)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.cards.compared.connect(self.compared)
        self.cards.restored.connect(self.restored)

    def set_theme(self, theme: Theme) -> None:
        """Take the colors of the theme."""
        self.cards.theme = theme
        self.cards.update()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show the results of another case."""
        self.cards.set_workspace(workspace)
        self.follow()

    def set_against(self, key: str) -> None:
        """Say which result the current one is compared with."""
        self.cards.against = key
        self.cards.update()

    def set_token(self, token: Callable[[], object]) -> None:
        """Say how to ask for the present state of the mask."""
        self.cards.token = token

    def set_measuring(self, measuring: Callable[[], str]) -> None:
        """Say how to ask for the key of the picture that is being measured."""
        self.cards.measuring = measuring

    def follow(self) -> None:
        """Show what there is now, and the newest card, or as near to it as the card on display stays in sight."""
        bar = self.horizontalScrollBar()
        if bar is not None and self.cards.grew:
            self.cards.adjustSize()
            self.cards.grew = False
            bar.setMaximum(max(0, self.cards.minimumWidth() - self.width()))
            bar.setValue(bar.maximum())
        shown = self.cards.shown
        if shown >= 0 and bar is not None:
            card = self.cards.card(shown)
            low, high = int(card.right()) + _GAP - self.width(), int(card.left()) - _GAP
            bar.setValue(max(low, min(bar.value(), high)))


class _Cards(QWidget):
    """Paints the cards and finds the one under the mouse."""

    compared = pyqtSignal(object)
    restored = pyqtSignal(object)

    def __init__(self, strip: HistoryStrip) -> None:
        super().__init__()
        self._strip = strip
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._thumbs: dict[str, QImage] = {}
        self._missing: list[str] = []
        self._draw = QTimer(self)
        self._draw.setInterval(0)
        self._draw.timeout.connect(self._draw_one)
        self._hovered = -1
        self.entries: tuple[Entry, ...] = ()
        self.against = ""
        self.theme: Theme | None = None
        self.token: Callable[[], object] = lambda: None
        self.measuring: Callable[[], str] = lambda: ""
        self.grew = False
        self.setObjectName("historyCards")
        self.setMouseTracking(True)
        keep_arrows(self)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("History of the counterfactuals")

    def set_workspace(self, workspace: Workspace | None) -> None:
        for unbind in self._unbind:
            unbind()
        self._workspace, self._thumbs, self.against = workspace, {}, ""
        self._missing = []
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.results.changed, self._on_results),
                bind(self, workspace.results.noted, self.update),
            ]
        self._on_results()

    def _on_results(self) -> None:
        workspace = self._workspace
        before = {entry.key for entry in self.entries}
        self.entries = () if workspace is None else workspace.results.entries
        keys = {entry.key for entry in self.entries}
        self.grew = bool(keys - before)
        self._thumbs = {key: thumb for key, thumb in self._thumbs.items() if key in keys}
        self._missing = []
        self.setMinimumWidth(_GAP + len(self.entries) * (CARD.width() + _GAP))
        self._strip.follow()
        self.update()

    def _draw_one(self) -> None:
        """Draw one of the thumbnails that are in sight, and let the window live before the next."""
        workspace = self._workspace
        entry = None if workspace is None or not self._missing else workspace.results.entry(self._missing.pop())
        if entry is None or workspace is None:
            self._draw.stop()
            return
        self._thumbs[entry.key] = thumbnail(workspace, entry)
        self.update()

    @property
    def shown(self) -> int:
        """Number of the card of the result on display; -1 for none."""
        current = None if self._workspace is None else self._workspace.results.current
        key = "" if current is None else current.request.key
        return next((number for number, entry in enumerate(self.entries) if entry.key == key), -1)

    def card(self, number: int) -> QRectF:
        """Where a card is."""
        return QRectF(_GAP + number * (CARD.width() + _GAP), _GAP, CARD.width(), CARD.height())

    def star(self, number: int) -> QRectF:
        """Where its star is."""
        card = self.card(number)
        return QRectF(card.right() - _STAR - 4, card.top() + 4, _STAR, _STAR)

    def _at(self, point: QPointF) -> int:
        return next((n for n in range(len(self.entries)) if self.card(n).contains(point)), -1)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the cards that are in sight."""
        if self.theme is None or event is None:
            return
        with painting(QPainter(self)) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            if not self.entries:
                painter.setFont(font(12))
                painter.setPen(self.theme.color("muted"))
                painter.drawText(QRectF(self.rect()).adjusted(16, 0, -16, 0), int(Qt.AlignmentFlag.AlignVCenter), EMPTY)
            for number, entry in enumerate(self.entries):
                if self.card(number).intersects(QRectF(event.rect())):
                    self._paint(painter, number, entry, self.theme)

    def _paint(self, painter: QPainter, number: int, entry: Entry, theme: Theme) -> None:
        card, current = self.card(number), None if self._workspace is None else self._workspace.results.current
        shown = current is not None and current.request.key == entry.key
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("hover" if number == self._hovered else "raised"))
        painter.drawRoundedRect(card, 6, 6)
        if shown or entry.key == self.against:
            pen = QPen(theme.color("accent"), 1.5, Qt.PenStyle.SolidLine if shown else Qt.PenStyle.DashLine)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(card.adjusted(0.75, 0.75, -0.75, -0.75), 6, 6)
        earlier = entry.mask is None or entry.mask.token != self.token()
        picture = QRectF(card.left() + 6, card.top() + 6, THUMB, THUMB)
        clip = QPainterPath()
        clip.addRoundedRect(picture, 4, 4)
        painter.save()
        painter.setClipPath(clip)
        if entry.key in self._thumbs:
            painter.fillPath(clip, theme.color("viewer_line"))
            painter.setOpacity(_EARLIER if earlier else 1.0)
            painter.drawImage(picture, self._thumbs[entry.key])
        elif entry.key not in self._missing:
            self._missing.append(entry.key)
            self._draw.start()
        painter.restore()
        text = QRectF(picture.right() + 8, card.top() + 6, card.right() - picture.right() - 14, 16)
        for row, line in enumerate(self.lines(entry)):
            painter.setFont(font(12 if row == 0 else 11, bold=row == 0))
            painter.setPen(theme.color("text" if row == 0 else "muted"))
            painter.drawText(text.translated(0, 16 * row), int(Qt.AlignmentFlag.AlignVCenter), line)
        painter.setFont(font(11))
        painter.setPen(theme.color("muted"))
        painter.drawText(text.translated(0, 48), int(_RIGHT), f"#{entry.number}")
        if entry.starred or number == self._hovered:
            _paint_star(painter, self.star(number).center(), entry.starred, theme.color("warning"))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Star, or compare."""
        number = -1 if event is None else self._at(event.position())
        if number < 0 or event is None or self._workspace is None:
            return
        entry = self.entries[number]
        if self.star(number).contains(event.position()):
            self._workspace.results.star(entry.key, not entry.starred)
        else:
            self.compared.emit(entry)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Bring result and mask back."""
        number = -1 if event is None else self._at(event.position())
        if number >= 0 and event is not None and not self.star(number).contains(event.position()):
            self.restored.emit(self.entries[number])

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Light up the card under the mouse."""
        number = -1 if event is None else self._at(event.position())
        if number != self._hovered:
            self._hovered = number
            self.update()

    def leaveEvent(self, event: QEvent | None) -> None:
        """Light up nothing."""
        self._hovered = -1
        self.update()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Left and right choose, Space compares, Enter restores, an asterisk stars."""
        if event is None or not self.entries:
            return
        key, at = event.key(), min(max(self._hovered, 0), len(self.entries) - 1)
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            step = 1 if key == Qt.Key.Key_Right else -1
            self._hovered = min(max(self._hovered + step, 0), len(self.entries) - 1)
            card = self.card(self._hovered).center().toPoint()
            self._strip.ensureVisible(card.x(), card.y(), CARD.width(), 0)
            self.update()
        elif key == Qt.Key.Key_Space:
            self.compared.emit(self.entries[at])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.restored.emit(self.entries[at])
        elif key == Qt.Key.Key_Asterisk and self._workspace is not None:
            self._workspace.results.star(self.entries[at].key, not self.entries[at].starred)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent | None) -> bool:
        """Say more about the card under the mouse."""
        if isinstance(event, QHelpEvent):
            number = self._at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self._tip(number) if number >= 0 else "", self)
            return True
        return super().event(event)

    def lines(self, entry: Entry) -> tuple[str, ...]:
        """What stands on the card of an entry."""
        request = entry.request
        where = f"seed {request.seed} · {self._where(entry)}"
        measured = figures(entry, where, measuring=entry.key == self.measuring())
        return f"{model_name(request.model)} · {steps_text(request.steps)}", *measured

    def _where(self, entry: Entry) -> str:
        slices = entry.request.slices
        if len(slices) > 1 or self._workspace is None:
            return f"{len(slices)} slices"
        return f"slice {slice_number(self._workspace.case, Plane.AXIAL, slices[0])}"

    def _tip(self, number: int) -> str:
        entry, request = self.entries[number], self.entries[number].request
        slices = self._where(entry)
        steps = steps_text(request.steps)
        mask = "" if entry.mask is not None and entry.mask.token == self.token() else "\nFrom an earlier mask"
        return (
            f"Picture {entry.number}: {model_name(request.model)}, seed {request.seed}, {steps}, {slices}{mask}\n"
            "Click: compare with the picture on display. Double click: bring back picture and mask."
        )


def figures(entry: Entry, where: str, *, measuring: bool = False) -> tuple[str, ...]:
    """Return the lines under the name of a card; `where` says which slices it holds."""
    if not isinstance(entry.metrics, Measured):
        return where, "measuring…" if measuring else "not measured"
    overall = entry.metrics.metrics.overall
    residual, overlap = overall.get("tumor_residual"), overall.get("diffmap_iou")
    shown = Modality(entry.metrics.metrics.modality).display
    kept = overall.get("kept") or {}
    beside = f" · {kept_text(kept)}" if kept else ""
    lines = (("residual", residual, beside), (f"{shown} IoU", overlap, ""))
    return (where, *(f"{name} {value:.3f}{more}" for name, value, more in lines if value is not None))


def thumbnail(workspace: Workspace, entry: Entry, size: int = 2 * THUMB) -> QImage:
    """Draw the slice that an entry was made for, cut square about its hole, in the gray window of the view."""
    case = workspace.case
    result = workspace.results.find(entry.key)
    if result is None:
        return QImage()
    made = result.modalities
    modality = workspace.view.modality if workspace.view.modality in made else made[0]
    z = min(result.slices, key=lambda k: abs(k - workspace.view.cursor[2]))
    view = PlaneView(Plane.AXIAL, case.grid.shape, case.grid.spacing)
    picture = view.flat(result.slice_raw(case, Modality(modality), z))
    rows, columns = view.crop(result.hole.box)
    side = max(rows.stop - rows.start, columns.stop - columns.start) + 2 * _FRAME
    side = min(side, *picture.shape)
    row, column = (
        min(max((span.start + span.stop - side) // 2, 0), limit - side)
        for span, limit in zip((rows, columns), picture.shape, strict=True)
    )
    part = picture[row : row + side, column : column + side]
    gray = np.ascontiguousarray(to_gray(part, workspace.view.window(modality)))
    image = QImage(gray.tobytes(), side, side, side, QImage.Format.Format_Grayscale8).copy()
    return image.scaled(size, size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)


def _paint_star(painter: QPainter, center: QPointF, filled: bool, color: QColor) -> None:
    angles = np.deg2rad(np.arange(10) * 36 - 90)
    radii = np.where(np.arange(10) % 2 == 0, 7.0, 3.0)
    path = QPainterPath()
    for number, (angle, radius) in enumerate(zip(angles, radii, strict=True)):
        point = QPointF(center.x() + radius * np.cos(angle), center.y() + radius * np.sin(angle))
        path.lineTo(point) if number else path.moveTo(point)
    path.closeSubpath()
    painter.setPen(QPen(color, 1.25))
    painter.setBrush(color if filled else Qt.BrushStyle.NoBrush)
    painter.drawPath(path)
