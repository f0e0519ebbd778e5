"""Everything that decides a result, in one frozen object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from seg_editor.cases import Modality
from seg_editor.errors import UsageError

#: Of the way from a request to its pixels; part of every recipe. Raise it when the same request gives other pixels
#: (context, fill, noise, sampler, finish) and the recipe does not say so itself, for results are kept over updates of
#: the program.
ENGINE_VERSION = 1
_AS_WRITTEN = "Use the JSON as it was written"


@dataclass(frozen=True)
class GenerationRequest:
    """What is generated, from what, by what, and how.

    Its `key` is the name of the result in caches and its provenance. Whatever influences the pixels is a field here.

    Parameters
    ----------
    case_hash : str
        ``Case.content_hash``.
    hole_hash : str
        ``Hole.content_hash`` of the hole that is generated.
    slices : tuple of int
        Axial slices, canonical order, ascending.
    modalities : tuple of Modality
        Modalities that are generated.
    model, model_hash : str
        Name of the model and SHA-256 of its weights.
    seed, steps : int
    preset : str
        Sampling preset: ``preview``, ``standard`` or ``fine``.
    margin : int
        Margin of the hole in mm.
    runtime : str
        ``torch-cpu`` or ``torch-cuda``.
    tumor_hash : str
        Identity of the tumor that stays in the picture and is kept from the model; empty when there is none.
    recipe : str
        How the sampler goes and what finishes its pictures, with :data:`ENGINE_VERSION`
        (``samplers.sampling_recipe``, ``paper_engine.write_recipe``).

    Raises
    ------
    UsageError
        If slices or modalities are missing, or a number is out of range.
    """

    case_hash: str
    hole_hash: str
    slices: tuple[int, ...]
    modalities: tuple[Modality, ...]
    model: str
    model_hash: str
    seed: int
    steps: int
    preset: str
    margin: int
    runtime: str
    tumor_hash: str = ""
    recipe: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "slices", tuple(sorted({int(k) for k in self.slices})))
        object.__setattr__(self, "modalities", tuple(self.modalities))
        if not self.slices:
            raise UsageError("there is no slice to generate", remedy="Remove some tumor or choose slices with a hole")
        if not self.modalities:
            raise UsageError("there is no modality to generate", remedy="Name at least one of t1, t1c, t2, flair")
        if self.steps < 1:
            raise UsageError(f"{self.steps} sampling steps cannot be run", remedy="Use at least one step")
        if self.seed < 0 or self.margin < 0:
            raise UsageError("seed and margin cannot be negative", remedy="Use 0 or more")

    @cached_property
    def key(self) -> str:
        """SHA-256 of the canonical JSON, as 64 hex digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        out = {f.name: getattr(self, f.name) for f in fields(self)}
        out["slices"] = list(self.slices)
        out["modalities"] = [str(m) for m in self.modalities]
        return out

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces, the same text for the same request."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GenerationRequest:
        """Rebuild a request from `to_dict`.

        Raises
        ------
        UsageError
            If a field is missing, unknown or of the wrong kind.
        """
        names = {f.name for f in fields(cls)}
        if set(data) != names:
            wrong = ", ".join(sorted(names ^ set(data)))
            raise UsageError(f"this is not a generation request: check {wrong}", remedy=_AS_WRITTEN)
        try:
            values = dict(data)
            values["slices"] = tuple(int(k) for k in data["slices"])
            values["modalities"] = tuple(Modality(m) for m in data["modalities"])
            for name in ("seed", "steps", "margin"):
                values[name] = int(data[name])
            for name in ("case_hash", "hole_hash", "model", "model_hash", "preset", "runtime", "tumor_hash", "recipe"):
                values[name] = str(data[name])
        except (TypeError, ValueError) as error:
            raise UsageError(f"this is not a generation request: {error}", remedy=_AS_WRITTEN) from None
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> GenerationRequest:
        """Rebuild a request from `to_json`; the key comes out the same."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UsageError(f"this is not JSON: {error}", remedy=_AS_WRITTEN) from None
        if not isinstance(data, dict):
            raise UsageError("this is not a generation request", remedy=_AS_WRITTEN)
        return cls.from_dict(data)
