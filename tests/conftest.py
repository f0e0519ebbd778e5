"""Fixtures for every test: tiny cases made in code, and the real data where it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seg_editor.cases import Case, Layout, open_case
from tests.tiny import make_case


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("WANDB_MODE", "disabled")
    config.addinivalue_line("markers", "realdata: needs real cases (SEG_EDITOR_DATA or ../shared/data)")


@pytest.fixture
def case_folder(tmp_path: Path) -> Path:
    """A tiny case with four modalities and a segmentation, names up to 2022."""
    return make_case(tmp_path / "BraTS2021_90001")


@pytest.fixture
def tiny_case(case_folder: Path) -> Case:
    """The same, opened."""
    return open_case(case_folder)


@pytest.fixture
def case_of(tmp_path: Path) -> Callable[[Layout], Path]:
    """Make a tiny case in any layout."""
    return lambda layout: make_case(tmp_path / f"case_{layout}", layout=layout)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real cases; the test is skipped when it is absent."""
    given = os.environ.get("SEG_EDITOR_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data here: set SEG_EDITOR_DATA")
    return folder
