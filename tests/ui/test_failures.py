"""A run that fails says why, in words for the user, and leaves nothing that waits for ever."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt

from seg_editor.ui.error_bar import ErrorBar, worded
from seg_editor.ui.generation import Status
from tests.test_errors import ALLOCATOR
from tests.ui.comparing import Wait
from tests.ui.conftest import Hands
from tests.ui.fake import FakeBackend

NO_MEMORY = "Not enough memory. Close other programs, then try again."


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (MemoryError(), NO_MEMORY),
        (RuntimeError(ALLOCATOR), NO_MEMORY),
        (AssertionError(), "Something went wrong: AssertionError"),
        (RuntimeError("the network broke"), "Something went wrong: the network broke"),
    ],
    ids=["memory", "allocator", "silent", "told"],
)
def test_bar_and_panel_give_the_reason_of_a_failure(
    made: Hands, backend: FakeBackend, wait: Wait, fault: Exception, text: str
) -> None:
    window, backend.failure = made.window, fault
    window.generation.settings.seed = 5
    made.key(Qt.Key.Key_Return)
    wait(lambda: window.generation.status is Status.FAILED and not window.generation.running)
    assert window.errors.text.text() == text
    assert window.generation_panel.time.text() == f"{text.rstrip('.')}. Live is off; nothing was lost."
    assert type(fault).__name__ in window.errors.details.toPlainText()


def test_a_bare_error_has_a_reason_wherever_it_is_shown(qapp: object) -> None:
    bar = ErrorBar()
    bar.show_error(MemoryError())
    assert bar.text.text() == worded(MemoryError()) == NO_MEMORY
    bar.show_error(ValueError())
    assert bar.text.text() == "Something went wrong: ValueError"


def test_a_result_that_the_referee_failed_on_is_not_measured(
    made: Hands, backend: FakeBackend, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, panel = made.window, made.window.metrics_panel
    lines: list[str] = []
    window.generation.changed.connect(lambda: lines.append(panel.glance.scope.text()))

    def broken(*_order: object) -> None:
        raise RuntimeError("the referee broke")

    monkeypatch.setattr(backend, "score", broken)
    window.generation.settings.seed = 5
    window.generation.generate()
    wait(lambda: window.generation.status is Status.FAILED and not window.generation.running)
    assert made.workspace.results.current is not None
    assert made.workspace.results.current.request.seed == 5
    assert any("measuring…" in line for line in lines)
    assert panel.glance.scope.text().endswith("not measured")
    assert panel.note.text() == "This result has not been measured."
    cards, entry = window.history.cards, made.workspace.results.entries[-1]
    assert cards.lines(entry)[-1] == "not measured"
    assert "measuring…" not in cards.lines(entry)
