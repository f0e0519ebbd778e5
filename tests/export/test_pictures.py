from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seg_editor.cases import Case, Modality, open_case
from seg_editor.errors import ExportError
from seg_editor.export import (
    diverging,
    draw_panel,
    panel_modality,
    panel_slice,
    picture_text,
    radiological,
    save_png,
)
from seg_editor.export.panel import PICTURE_HEIGHT, Panel, integer_zoom
from seg_editor.export.picture import STRIP, gray, text_width
from seg_editor.generation.request import GenerationRequest
from seg_editor.metrics import display01, display_window, score
from tests.results import make_counterfactual
from tests.tiny import make_case


def test_radiological_puts_the_patients_right_at_image_left() -> None:
    plane = np.zeros((4, 3), np.uint8)
    plane[3, 2] = 1  # right, anterior
    plane[0, 0] = 2  # left, posterior
    image = radiological(plane)
    assert image.shape == (3, 4)
    assert image[0, 0] == 1
    assert image[-1, -1] == 2


def test_diverging_is_symmetric_about_a_dark_zero() -> None:
    low, zero, high = diverging(np.array([-9.0, 0.0, 9.0]), 4.0)
    assert zero.max() < 40
    assert low[2] > low[0]
    assert high[0] > high[2]
    assert np.array_equal(diverging(np.array([4.0]), 4.0)[0], high)
    assert diverging(np.zeros((2, 2)), 0.0).shape == (2, 2, 3)


def test_dashes_have_a_width() -> None:
    assert text_width("a – b", 20) > text_width("a  b", 20)


def picture(panel: Panel, number: int) -> np.ndarray:
    """The pixels of one of the four pictures."""
    return np.asarray(panel.image.crop(panel.boxes[number])).astype(int)


def voxels(panel: Panel, number: int) -> np.ndarray:
    """A picture's voxels, each of which must be a rectangle of equal pixels."""
    pixels, (across, down) = picture(panel, number), panel.zoom
    small = pixels[::down, ::across]
    assert np.array_equal(small.repeat(down, axis=0).repeat(across, axis=1), pixels)
    return small


def test_panel(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    panel = draw_panel(tiny_case, result, metrics=score(tiny_case, result))
    source, mask, made, difference = (picture(panel, n) for n in range(4))
    assert np.ptp(source, axis=2).max() == 0
    changed = np.abs(source - made).max(axis=2) > 30
    rows, places = np.nonzero(changed)
    assert rows.size
    # The tiny tumor lies at the patient's right or left, in front or behind, as in the array.
    core = np.argwhere(result.hole.core[:, :, panel_slice(result)]).mean(axis=0)
    right = core[0] > tiny_case.shape[0] / 2
    front = core[1] > tiny_case.shape[1] / 2
    assert (places.mean() < source.shape[1] / 2) == right
    assert (rows.mean() < source.shape[0] / 2) == front
    assert np.ptp(mask[changed], axis=1).mean() > 10
    assert difference[changed][:, 2].mean() > difference[changed][:, 0].mean()  # darker than before: blue
    strip = np.asarray(panel.image)[-8, :, :]
    assert (strip == np.array(STRIP)).all()


def test_the_panel_says_of_what_the_difference_is(tiny_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr("seg_editor.export.panel.write_text", lambda _draw, _xy, text, *_a, **_k: written.append(text))
    made = make_counterfactual(tiny_case)
    draw_panel(tiny_case, made)
    assert f"Difference: {made.request.model.capitalize()} · seed {made.request.seed} – source" in written


def test_panel_defaults(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    assert panel_modality(result) is Modality.FLAIR
    assert panel_slice(result) == int(np.argmax(result.hole.core.sum(axis=(0, 1))))
    only = make_counterfactual(tiny_case, fills={Modality.T1: 1.0})
    assert panel_modality(only) is Modality.T1


def test_a_voxel_of_the_panel_is_a_rectangle_of_equal_pixels(tmp_path: Path) -> None:
    for number, spacing in enumerate(((1.0, 1.0, 1.0), (2.0, 1.0, 3.0), (0.9375, 1.2, 5.0))):
        case = open_case(make_case(tmp_path / f"case{number}", spacing=spacing, codes=(1, 1)))
        result = make_counterfactual(case)
        panel, k = draw_panel(case, result), panel_slice(result)
        window = display_window(case.volumes[Modality.FLAIR].raw)
        planes = case.volumes[Modality.FLAIR].raw[:, :, k], result.slice_raw(case, Modality.FLAIR, k)
        for place, plane in zip((0, 2), planes, strict=True):
            small = voxels(panel, place)
            wanted = gray(display01(radiological(plane), window)).astype(int)
            rows, columns = small.shape[:2]
            found = np.lib.stride_tricks.sliding_window_view(wanted, (rows, columns))
            assert (found == small[:, :, 0]).all(axis=(2, 3)).any()
        assert panel.zoom[0] / panel.zoom[1] == pytest.approx(spacing[0] / spacing[1], rel=0.03)


def test_nothing_is_written_into_the_pictures_of_the_panel(tiny_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    result = make_counterfactual(tiny_case)
    written = draw_panel(tiny_case, result, metrics=score(tiny_case, result))
    monkeypatch.setattr("seg_editor.export.panel.write_text", lambda *_a, **_k: None)
    bare = draw_panel(tiny_case, result, metrics=score(tiny_case, result))
    assert bare.boxes == written.boxes
    for number in range(4):
        assert np.array_equal(picture(bare, number), picture(written, number))


def test_long_words_find_room(tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "case", case_id="A-very-long-name-of-a-case-" * 3, shape=(24, 60, 20)))
    panel = draw_panel(case, make_counterfactual(case))
    head = np.asarray(panel.image)[20:50].max(axis=(0, 2)) > 100
    gaps = np.diff(np.flatnonzero(head))
    assert (gaps > 30).sum() == 2


@given(st.integers(10, 200), st.integers(10, 200), st.floats(0.25, 4.0))
def test_an_integer_zoom_keeps_the_shape(rows: int, columns: int, ratio: float) -> None:
    across, down = integer_zoom((rows, columns), (ratio, 1.0))
    assert across / down == pytest.approx(ratio, rel=0.09)
    assert max(rows * down, columns * across) <= 3 * PICTURE_HEIGHT
    assert len({*integer_zoom((rows, columns), (ratio, ratio))}) == 1


@pytest.mark.parametrize(("ratio", "zoom"), [(0.25, (1, 1)), (1.0, (1, 1)), (3.0, (3, 1))])
def test_a_slice_too_large_for_any_zoom_gets_the_smallest(ratio: float, zoom: tuple[int, int]) -> None:
    assert integer_zoom((3 * PICTURE_HEIGHT + 1, 100), (ratio, 1.0)) == zoom


def test_panel_of_no_change(tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "case", codes=(0, 0)))
    result = make_counterfactual(case)
    source = {m: case.volumes[m].raw[result.hole.mask] for m in case.modalities}
    same = type(result)(result.request, result.hole, source, {}, "cpu", "torch-cpu")
    panel = draw_panel(case, same)
    assert np.array_equal(picture(panel, 0), picture(panel, 2))


def test_png_is_lossless(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    path = save_png(tmp_path / "source.png", pixels, zoom=3, synthetic=False)
    with Image.open(path) as image:
        assert image.mode == "L"
        assert image.size == (90, 60)
        assert np.array_equal(np.asarray(image)[1::3, 1::3], pixels)
        assert "Comment" not in image.text  # type: ignore[attr-defined]


@pytest.mark.parametrize("zoom", [1, 4])
def test_synthetic_png_has_its_strip_outside_the_picture(tmp_path: Path, zoom: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    path = save_png(tmp_path / "x_synthetic.png", pixels, zoom=zoom, synthetic=True)
    with Image.open(path) as image:
        shown = np.asarray(image)
        assert np.array_equal(shown[: 60 * zoom : zoom, ::zoom], pixels)
        assert image.height > 60 * zoom
        assert (shown[-1] == np.array(STRIP)).all()
        assert image.text["Comment"] == "SYNTHETIC - not for clinical use"  # type: ignore[attr-defined]


def test_png_text(tiny_case: Case, tmp_path: Path) -> None:
    result = make_counterfactual(tiny_case)
    text = picture_text(tiny_case, view="counterfactual", modality=Modality.FLAIR, index=9, counterfactual=result)
    path = save_png(tmp_path / "a_synthetic.png", np.zeros((4, 4), np.uint8), text=text, synthetic=True)
    with Image.open(path) as image:
        found = image.text  # type: ignore[attr-defined]
    assert GenerationRequest.from_json(found["seg-editor:request"]) == result.request
    assert found["seg-editor:canonical_index"] == "9"
    assert found["Software"].startswith("seg-editor ")
    assert json.loads(found["seg-editor:request"])["seed"] == 7


def test_png_names(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4), np.uint8)
    with pytest.raises(ExportError, match="synthetic"):
        save_png(tmp_path / "a.png", pixels, synthetic=True)
    with pytest.raises(ExportError, match=r"\.png"):
        save_png(tmp_path / "a_synthetic.jpg", pixels, synthetic=True)
    with pytest.raises(ValueError, match="zoom"):
        save_png(tmp_path / "a.png", pixels, zoom=0, synthetic=False)
    assert not list(tmp_path.iterdir())
