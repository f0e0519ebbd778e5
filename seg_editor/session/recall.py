"""Which picture belongs to which state of the mask, so that one made before is found without a run."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple


class Place(NamedTuple):
    """What decides a picture, as far as it is known before the run: equal places, equal pictures.

    Parameters
    ----------
    token : hashable
        Names the state of the mask: equal tokens, equal masks.
    model, device, preset : str
    steps : int or None
        None takes the preset's number.
    seed : int or None
        None stands for the newest seed that was run.
    slices : "all" or tuple of int
    tissue : str
        Where the tissue is from and its identity, for models that look at it; empty for the others.
    weights : str
        Identity of the model behind the name: its weights and its settings.
    """

    token: Hashable
    model: str
    device: str
    preset: str
    steps: int | None
    seed: int | None
    slices: str | tuple[int, ...]
    tissue: str = ""
    weights: str = ""


class Recall:
    """Names the states of a mask and remembers the pictures made for them, by the key of their request.

    Two states may give the same picture and still be different masks: a relabeled tumor leaves the hole as it is. So
    a state has two names, one for its mask and one for its pictures.
    """

    def __init__(self) -> None:
        self._masks: dict[Hashable, Hashable] = {}
        self._pictures: dict[Hashable, Hashable] = {}
        self._keys: dict[Place, str] = {}

    def token(self, revision: Hashable) -> Hashable:
        """Name of the mask of a revision; equal tokens, equal masks."""
        return self._masks.get(revision, revision)

    def same_mask(self, token: Hashable, other: Hashable) -> None:
        """Say that two states hold the same labels in every voxel."""
        if token != other:
            self._masks[token] = other

    def same_picture(self, token: Hashable, other: Hashable) -> None:
        """Say that two states make the same request; their masks may differ."""
        name = self.picture_token(other)
        if token != name:
            self._pictures[token] = name

    def picture_token(self, token: Hashable) -> Hashable:
        """Name of the pictures of a state; equal names, equal pictures."""
        return self._pictures.get(token, token)

    def put(self, place: Place, key: str) -> None:
        """Remember the request that a place led to."""
        named = self._named(place)
        self._keys[named] = self._keys[named._replace(seed=None)] = key

    def find(self, place: Place, index: int, *, open_seed: bool = False, whole: bool = False) -> tuple[str, ...]:
        """Keys of the pictures of an axial slice: of all slices before one slice.

        Parameters
        ----------
        place : Place
            Its slices are not looked at.
        index : int
            Canonical axial slice.
        open_seed : bool
            Where the place's own seed has no picture, take the newest seed.
        whole : bool
            Only pictures of all slices.
        """
        seeds = (place.seed, None) if open_seed else (place.seed,)
        ranges: tuple[str | tuple[int, ...], ...] = ("all",) if whole else ("all", (index,))
        for seed in seeds:
            places = [self._named(place)._replace(seed=seed, slices=slices) for slices in ranges]
            found = tuple(self._keys[wanted] for wanted in places if wanted in self._keys)
            if found:
                return found
        return ()

    def _named(self, place: Place) -> Place:
        return place._replace(token=self.picture_token(place.token))
