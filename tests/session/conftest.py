from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seg_editor.session import Workspace

Opener = Callable[[], Workspace]


@pytest.fixture
def journals(tmp_path: Path) -> Path:
    return tmp_path / "journals"


@pytest.fixture
def open_workspace(case_folder: Path, journals: Path) -> Iterator[Opener]:
    """Open the tiny case; call it again after :func:`crash` to see what a new session finds."""
    opened: list[Workspace] = []

    def opener() -> Workspace:
        opened.append(Workspace.open(case_folder, journal_folder=journals))
        return opened[-1]

    yield opener
    for workspace in opened:
        workspace.close()


@pytest.fixture
def workspace(open_workspace: Opener) -> Workspace:
    return open_workspace()
