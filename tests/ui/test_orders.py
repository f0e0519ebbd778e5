"""Orders and places: the same question has the same place, and an edited tissue map is part of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seg_editor.anatomy import cache, tissue
from seg_editor.cases import Case
from seg_editor.editing import Patch
from seg_editor.session import Workspace
from seg_editor.session.live import Kind
from seg_editor.ui.backend import EngineBackend, ModelInfo
from seg_editor.ui.orders import kind_of, order_of, place_of
from seg_editor.ui.state import GenerationSettings

MODELS = (ModelInfo("m5", "M5", {"standard": 4}), ModelInfo("m2", "M2", {"standard": 4}, uses_tissue=True))


class OneVoxel:
    """An edit of a single voxel."""

    name = "One voxel"

    def __call__(self, labels: np.ndarray) -> Patch:
        x, y, z = (int(n) for n in np.argwhere(labels == 3)[0])
        return Patch((slice(x, x + 1), slice(y, y + 1), slice(z, z + 1)), np.ones((1, 1, 1), bool), 2)


def test_an_edited_tissue_map_makes_another_place_and_reaches_the_engine(tiny_case: Case) -> None:
    workspace, settings = Workspace(tiny_case), GenerationSettings()
    workspace.set_tissue(np.where(tiny_case.brain, 3, 0).astype(np.uint8))
    assert workspace.tissue is not None
    settings.slices = "all"
    places = {}
    for model in ("m5", "m2"):
        settings.model = model
        places[model] = place_of(workspace, settings, MODELS, 0)
        assert order_of(workspace, settings, MODELS, 0).place == places[model]
    workspace.tissue.segmentation.apply(OneVoxel())
    assert place_of(workspace, settings, MODELS, 0) != places["m2"]
    order = order_of(workspace, settings, MODELS, 0)
    assert np.array_equal(order.tissue, workspace.tissue.segmentation.labels)
    settings.model = "m5"
    assert place_of(workspace, settings, MODELS, 0) == places["m5"]
    assert order_of(workspace, settings, MODELS, 0).tissue is None


def test_a_tissue_map_found_meanwhile_makes_another_place(
    tiny_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the referee's tissue led to is not the picture of the map that was computed since, and so in reverse."""
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path)
    workspace, settings = Workspace(tiny_case), GenerationSettings()
    settings.slices = "all"
    settings.model = "m2"
    before = place_of(workspace, settings, MODELS, 0)
    labels = np.where(tiny_case.brain, 3, 0).astype(np.uint8)
    entry = tissue._entry(tiny_case, None)
    cache.store(entry, {"tissue": labels, "agreement": np.array("{}")})
    after = place_of(workspace, settings, MODELS, 0)
    assert after != before
    order = order_of(workspace, settings, MODELS, 0)
    assert order.place == after
    assert order.tissue is None
    settings.model = "m5"
    assert place_of(workspace, settings, MODELS, 0).tissue == ""


def test_the_kind_of_a_run(tiny_case: Case) -> None:
    settings = GenerationSettings()
    settings.model = "m5"
    order = order_of(Workspace(tiny_case), settings, MODELS, 0)
    assert kind_of(order, 6) == Kind("m5", "auto", 6, 1)


def test_the_engine_asks_for_the_tissue_of_the_order(tiny_case: Case) -> None:
    from seg_editor.anatomy.tissue import TissueMap

    backend = EngineBackend("cpu")
    edited = TissueMap(np.where(tiny_case.brain, 2, 0).astype(np.uint8), "edited")
    backend._tissue = edited
    assert backend._tissue_of(tiny_case) is edited


def test_other_weights_under_the_same_name_make_another_place(tiny_case: Case) -> None:
    workspace, settings = Workspace(tiny_case), GenerationSettings()
    settings.model, settings.slices = "m5", "all"
    updated = tuple(replace(info, weights="new") for info in MODELS)
    place = place_of(workspace, settings, updated, 0)
    assert place != place_of(workspace, settings, MODELS, 0)
    assert order_of(workspace, settings, updated, 0).place == place
