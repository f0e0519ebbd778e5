from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import Modality
from seg_editor.editing import Brush
from seg_editor.session import Plane, ViewState, Workspace, default_window


def test_only_real_changes_emit(workspace: Workspace) -> None:
    view = workspace.view
    heard: list[str] = []
    view.changed.connect(heard.append)
    view.plane = Plane.CORONAL
    view.plane = Plane.CORONAL
    view.opacity = 0.5
    view.brush = Brush("square", 3.0)
    view.brush = Brush("square", 3.0)
    assert heard == ["plane", "opacity", "brush"]


def test_one_field_can_be_watched(workspace: Workspace) -> None:
    heard: list[object] = []
    stop = workspace.view.on("active_label", heard.append)
    workspace.view.active_label = 4
    workspace.view.opacity = 0.1
    stop()
    workspace.view.active_label = 2
    assert heard == [4]


def test_values_are_kept_in_range(workspace: Workspace) -> None:
    view = workspace.view
    view.cursor = (-3, 5, 999)
    assert view.cursor == (0, 5, view.shape[2] - 1)
    view.opacity = 7
    assert view.opacity == 1.0


def test_a_missing_modality_is_ignored(workspace: Workspace) -> None:
    workspace.case.volumes.pop(Modality.T2)
    workspace.view.modality = Modality.T1
    workspace.view.modality = Modality.T2
    assert workspace.view.modality is Modality.T1


def test_first_look_is_at_the_tumor(workspace: Workspace) -> None:
    tumor = workspace.segmentation.tumor
    assert tumor[:, :, workspace.view.cursor[2]].any()


def test_view_starts_with_a_modality_that_is_there(workspace: Workspace) -> None:
    workspace.case.volumes.pop(Modality.FLAIR)
    assert ViewState(workspace.case).modality is Modality.T1


def test_default_window_is_the_percentiles_of_nonzero_voxels() -> None:
    rng = np.random.default_rng(0)
    raw = np.zeros((30, 30, 30), dtype=np.int16)
    raw[5:25] = rng.integers(1, 2000, (20, 30, 30))
    low, high = default_window(raw)
    assert (low, high) == tuple(np.percentile(raw[raw != 0], (0.5, 99.5)))
    assert default_window(np.zeros((2, 2, 2))) == (0.0, 1.0)
    assert default_window(np.full((2, 2, 2), 7)) == (7.0, 8.0)


def test_windows_can_be_changed_and_reset(workspace: Workspace) -> None:
    view = workspace.view
    default = view.window(Modality.T1)
    heard: list[str] = []
    view.changed.connect(heard.append)
    view.set_window(Modality.T1, (1.0, 2.0))
    assert view.window(Modality.T1) == (1.0, 2.0)
    assert view.window() == default_window(workspace.case.volumes[view.modality].raw)
    view.set_window(Modality.T1, None)
    assert view.window(Modality.T1) == default
    assert heard == ["windows", "windows"]


@pytest.mark.parametrize("plane", list(Plane))
def test_plane_is_the_axis_of_its_normal(plane: Plane) -> None:
    assert ("SAGITTAL", "CORONAL", "AXIAL")[plane] == plane.name
