from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from seg_editor.cases import Case
from seg_editor.errors import ExportError
from seg_editor.export import verify, write_counterfactual
from tests.results import make_counterfactual


@pytest.fixture
def exported(tiny_case: Case, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    result = make_counterfactual(tiny_case)
    card = {"name": "m5", "version": 1}
    write_counterfactual(tiny_case, result, edited_labels=None, metrics=None, out=out, panel=True, card=card)
    return out


def test_sidecar(tiny_case: Case, exported: Path) -> None:
    data = json.loads((exported / f"{tiny_case.case_id}_provenance.json").read_text())
    result = make_counterfactual(tiny_case)
    assert data["request"] == result.request.to_dict()
    assert data["request_key"] == result.request.key
    assert set(data["sources"]) == {"t1", "t1c", "t2", "flair", "seg"}
    for entry in data["sources"].values():
        assert hashlib.sha256((tiny_case.folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
    for name, entry in data["results"].items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == entry["sha256"]
    assert len(data["model"]["card_sha256"]) == 64
    assert {"seg-editor", "python", "numpy"} <= set(data["programs"])
    assert str(tiny_case.folder) not in json.dumps(data)


def test_all_files_are_intact(exported: Path) -> None:
    for path in exported.iterdir():
        if not path.name.endswith("_provenance.json"):
            assert verify(path).state == "intact"


def test_repacked_and_altered(tiny_case: Case, exported: Path) -> None:
    path = exported / f"{tiny_case.case_id}_flair_synthetic.nii.gz"
    payload = bytearray(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(payload, 9))
    found = verify(path)
    assert found.state == "repacked"
    assert found.intact
    assert found.sidecar["request"]["seed"] == 7
    payload[-2000] ^= 1
    path.write_bytes(gzip.compress(payload, 9))
    assert verify(path).state == "altered"
    assert not verify(path).intact
    path.write_bytes(b"no image")
    assert verify(path).state == "altered"


def test_the_provenance_is_sealed(tiny_case: Case, exported: Path) -> None:
    path, beside = (exported / f"{tiny_case.case_id}_{tail}" for tail in ("panel_synthetic.png", "provenance.json"))
    written = json.loads(beside.read_text())

    def state(**changed: object) -> str:
        beside.write_text(json.dumps({key: value for key, value in (written | changed).items() if value != "gone"}))
        found = verify(path)
        assert found.intact == (found.state == "intact")
        return found.state

    assert state() == "intact"
    assert state(case_id="another") == "altered"
    assert state(request=written["request"] | {"seed": 8}) == "altered"
    assert state(seal_sha256="gone") == "altered"
    assert state(format="seg-editor provenance 1") == "altered"
    assert state(format="seg-editor provenance 1", seal_sha256="gone") == "unsealed"


def test_missing_pieces(tiny_case: Case, exported: Path) -> None:
    with pytest.raises(ExportError, match="no such file"):
        verify(exported / "nothing.nii.gz")
    (exported / "other.png").write_bytes(b"x")
    with pytest.raises(ExportError, match="no provenance file"):
        verify(exported / "other.png")
    (exported / f"{tiny_case.case_id}_provenance.json").write_text("{")
    with pytest.raises(ExportError, match="no provenance file"):
        verify(exported / f"{tiny_case.case_id}_metrics.json")


def test_a_picture_of_the_view_says_itself_where_it_came_from(tmp_path: Path) -> None:
    path, info = tmp_path / "view_synthetic.png", PngInfo()
    told = {"case_id": "BraTS2021_90001", "synthetic": True, "requests": []}
    info.add_text("seg-editor", json.dumps(told))
    Image.new("RGB", (4, 4)).save(path, pnginfo=info)
    found = verify(path)
    assert (found.state, found.sidecar) == ("unsealed", told)
