"""Calling the program, small bundled models, and no display."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from seg_editor import cli
from seg_editor.generation import registry
from tests.models import write_model, write_referee
from tests.threads import one_thread  # noqa: F401
from tests.tiny import brats_affine, write_nifti

SHAPE = (24, 28, 20)


@dataclasses.dataclass
class Answer:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr."""
        assert self.code == 2
        assert self.out == ""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.replace("\r", "\n").splitlines() if line.strip() and "%|" not in line]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("seg-editor")
        return lines[0]

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the program."""

    def call(*words: object) -> Answer:
        try:
            code = cli.main([str(w) for w in words])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return call


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of small bundled models: m5 and m4."""
    monkeypatch.setattr(registry, "resource_path", lambda *parts: tmp_path.joinpath("installed", *parts))
    write_model(tmp_path / "installed" / "models" / "m5")
    write_referee(tmp_path / "installed" / "models" / "m4")
    return tmp_path / "installed" / "models"


@pytest.fixture(autouse=True)
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


def file_slice(case_folder: Path) -> int:
    """Index, along the file's slice axis, of a slice with tumor."""
    path = next(p for p in case_folder.iterdir() if "seg" in p.name)
    return int((np.asarray(nib.load(path).dataobj) > 0).sum((0, 1)).argmax())


def write_hole(path: Path, shape: tuple[int, int, int] = SHAPE, **fields: Any) -> Path:
    hole = np.zeros(shape, fields.pop("dtype", np.uint8))
    hole[6:11, 8:14, 9:12] = fields.pop("value", 1)
    return write_nifti(path, hole, fields.pop("affine", brats_affine(shape)), **fields)
