from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seg_editor.errors import ModelError
from seg_editor.generation import registry
from seg_editor.generation.detail import DetailModel
from seg_editor.generation.networks import InpaintConfig, InpaintNet, count_parameters
from seg_editor.generation.registry import WEIGHTS_FILE, ModelCard, choose_device, list_models, load_model
from seg_editor.resources import resource_path
from tests.models import SMALL_DETAIL, SMALL_INPAINT, randomize, write_model, write_referee


def change_card(folder: Path, **fields: object) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def replace_weights(folder: Path, data: bytes) -> None:
    """Other bytes, with the card's hash made to fit."""
    (folder / WEIGHTS_FILE).write_bytes(data)
    change_card(folder, weights_sha256=hashlib.sha256(data).hexdigest())


def refused(folder: Path, file: str) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder, device="cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(folder / file))
    assert caught.value.remedy
    assert len(message) < 500 + len(str(folder))
    return message


def test_weights_arrive_as_they_were_written(model_folder: Path) -> None:
    model = load_model(model_folder, device="cpu")
    wanted = randomize(InpaintNet(SMALL_INPAINT)).state_dict()
    found = model.network.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[k], found[k]) for k in wanted)
    assert all(not p.is_meta for p in (*model.network.parameters(), *model.network.buffers()))
    assert not model.network.training
    assert model.runtime == "torch-cpu"
    assert model.card.parameters == count_parameters(model.network)
    assert model.card.details == {"limits": ["Random weights."], "detail": SMALL_DETAIL}
    assert model.card.detail == DetailModel.of(SMALL_DETAIL)


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    network = randomize(InpaintNet(SMALL_INPAINT)).half()
    model = load_model(write_model(tmp_path / "m", network), device="cpu")
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}


def test_a_referee_keeps_its_statistics(tmp_path: Path) -> None:
    model = load_model(write_referee(tmp_path / "m4"), device="cpu")
    assert model.card.kind == "referee"
    assert all(not b.is_meta for b in model.network.buffers())


def test_by_name_by_path_and_by_text(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "resource_path", lambda *parts: model_folder.parents[1].joinpath(*parts))
    assert load_model("m5", "cpu").card == load_model(model_folder, "cpu").card == load_model(str(model_folder)).card


def test_an_unknown_name_lists_what_there_is(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "resource_path", lambda *parts: model_folder.parents[1].joinpath(*parts))
    with pytest.raises(ModelError, match=r"there is no model m9\. Installed models: m5\.$"):
        load_model("m9")


def test_an_empty_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "resource_path", lambda *parts: tmp_path.joinpath(*parts))
    assert list_models() == ()
    with pytest.raises(ModelError, match="Installed models: none"):
        load_model("m5")


def test_the_list_leaves_unreadable_cards_out(model_folder: Path) -> None:
    write_referee(model_folder.parent / "m4")
    broken = model_folder.parent / "a"
    broken.mkdir()
    (broken / "card.json").write_text("{")
    assert [c.name for c in list_models(model_folder.parent)] == ["m4", "m5"]


def test_a_card_that_is_no_object(model_folder: Path) -> None:
    (model_folder / "card.json").write_text("[]")
    assert "no JSON object" in refused(model_folder, "card.json")


def test_a_changed_byte_is_seen(model_folder: Path) -> None:
    path = model_folder / WEIGHTS_FILE
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert "not the ones that the card describes" in refused(model_folder, WEIGHTS_FILE)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"<html>404</html>",
        lambda data: (2**62).to_bytes(8, "little") + data[8:],
        lambda data: pickle.dumps({"stem.weight": [1.0]}),
    ],
    ids=["empty", "cut", "html", "huge header", "pickle"],
)
def test_damaged_files(model_folder: Path, damage: Callable[[bytes], bytes]) -> None:
    replace_weights(model_folder, damage((model_folder / WEIGHTS_FILE).read_bytes()))
    assert "do not fit the card" in refused(model_folder, WEIGHTS_FILE)


def test_a_torch_checkpoint_is_never_unpickled(model_folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (marker,)

    torch.save({"stem.weight": Trap()}, tmp_path / "trap.pt")
    replace_weights(model_folder, (tmp_path / "trap.pt").read_bytes())
    refused(model_folder, WEIGHTS_FILE)
    assert not marker.exists()


def test_missing_weights(model_folder: Path) -> None:
    (model_folder / WEIGHTS_FILE).unlink()
    assert "cannot be read" in refused(model_folder, WEIGHTS_FILE)


@pytest.mark.parametrize(
    "config",
    [
        {"widths": [8, 16, 24]},
        {"widths": []},
        {"widths": [-8, 16, 16]},
        {"widths": None},
        {"context_channels": 12},
        {"blocks": 2},
        {"colors": 3},
        {"widths": [2**20, 2**20, 2**20]},
    ],
)
def test_weights_of_another_shape(model_folder: Path, config: dict[str, object]) -> None:
    change_card(model_folder, config={**SMALL_INPAINT.to_json(), **config})
    refused(model_folder, WEIGHTS_FILE)


def test_weights_of_another_network(model_folder: Path) -> None:
    network = InpaintNet(InpaintConfig(widths=(8, 16), blocks=1, embedding=16))
    other = write_model(model_folder.parent / "other", network)
    replace_weights(model_folder, (other / WEIGHTS_FILE).read_bytes())
    refused(model_folder, WEIGHTS_FILE)


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "null", "{}", '{"format": 1}', "\udcff"])
def test_unreadable_cards(model_folder: Path, text: str) -> None:
    (model_folder / "card.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(model_folder, "card.json")


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 99},
        {"network": "AutoencoderKL"},
        {"network": 5},
        {"config": "none"},
        {"presets": ["standard"]},
        {"presets": {"standard": 4}},
        {"presets": {"standard": {"steps": "4"}}},
        {"weights_sha256": None},
        {"parameters": "many"},
        {"detail": "abc"},
        {"detail": [[0.1] * 5] * 3},
        {"detail": None},
        {"detail_shares": [0.6, 0.5, 0.7, 0.6]},
    ],
)
def test_malformed_cards(model_folder: Path, fields: dict[str, object]) -> None:
    change_card(model_folder, **fields)
    refused(model_folder, "card.json")


def test_a_card_goes_back_to_what_it_was(model_folder: Path) -> None:
    assert ModelCard.read(model_folder).to_dict() == json.loads((model_folder / "card.json").read_text())


def test_a_folder_without_card(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card\.json: there is no model here"):
        ModelCard.read(tmp_path)


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no CUDA device"):
            choose_device("cuda")


@pytest.mark.parametrize("name", ["m4", "m5"])
def test_bundled_models_load(name: str) -> None:
    if not resource_path("models", name).is_dir():
        pytest.skip(f"the model {name} is not bundled yet")
    model = load_model(name, device="cpu")
    assert model.card.name == name
    assert model.card.parameters == count_parameters(model.network)
    limit = 25 if name == "m5" else 10
    assert model.card.weights.stat().st_size <= limit * 2**20
    assert all(bool(torch.isfinite(p).all()) for p in model.network.parameters())
