"""The layers hold: import-linter on the real tree, and on copies with a planted violation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "diffusers", "ants", "openvino", "accelerate", "wandb")

pytest.importorskip("importlinter")


def lint(tree: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of pyproject.toml in a folder."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=sys.argv[1]))"
    return subprocess.run(
        [sys.executable, "-c", code, str(cache)], cwd=tree, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and of pyproject.toml."""
    copy = tmp_path_factory.mktemp("tree")
    for package in ("seg_editor", "training"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "_resources"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """import-linter's cache, shared by the tests: only changed files are read again."""
    return tmp_path_factory.mktemp("cache")


def test_the_contracts_hold(tree: Path, cache: Path) -> None:
    result = lint(tree, cache)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("seg_editor/cases/grid.py", "from PyQt6 import QtCore", "Qt only in ui"),
        ("seg_editor/metrics/outside.py", "import seg_editor.ui", "layers"),
        ("seg_editor/generation/hole.py", "from seg_editor.session import workspace", "layers"),
        ("seg_editor/generation/registry.py", "import training.presets", "nobody imports training"),
        ("training/prepare/holes.py", "import seg_editor.cli", "training stays below the doors"),
    ],
)
def test_a_planted_violation_is_caught(tree: Path, cache: Path, module: str, line: str, contract: str) -> None:
    path = tree / module
    before = path.read_text()
    try:
        path.write_text(f"{before}\n\ndef planted() -> None:\n    {line}\n")
        result = lint(tree, cache)
    finally:
        path.write_text(before)
    assert result.returncode != 0
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), result.stdout + result.stderr


def modules_after(statement: str) -> set[str]:
    """Top-level modules that are loaded after a statement in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    environment = {"QT_QPA_PLATFORM": "offscreen", "PATH": "", "HOME": "/nonexistent"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "seg_editor.cli",
        "seg_editor.api",
        "seg_editor.ui.app",
        "seg_editor.doctor",
        "seg_editor.session.workspace",
        "training.cli",
    ],
)
def test_heavy_libraries_wait_until_they_are_used(module: str) -> None:
    loaded = modules_after(f"import {module}")
    assert not loaded & set(HEAVY)
    if not module.startswith("seg_editor.ui"):
        assert "PyQt6" not in loaded


def test_the_parser_needs_nothing_heavy() -> None:
    parse = "build_parser().parse_args(['remove', 'a', '--out', 'b'])"
    loaded = modules_after(f"from seg_editor.cli import build_parser\n{parse}")
    assert not loaded & {*HEAVY, "PyQt6", "scipy", "skimage", "nibabel"}
