"""Which result is on display for which state of the mask: what is stale, what comes back, who takes whose place."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import TYPE_CHECKING

import numpy as np

from seg_editor.session.measured import Measured
from seg_editor.session.recall import Place, Recall
from seg_editor.session.results import Entry, Mask, restore_mask

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.session.workspace import Workspace


class Stage:
    """The results of a workspace beside its mask. Pure: no clock, no thread, no Qt.

    Results that the workspace holds already (kept from an earlier session) are found by their places, too, where
    these name the weights: a model of the same name may have others by now.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._recall = Recall()
        for entry in workspace.results.entries:
            if entry.place is not None and entry.place.weights:
                self._recall.put(entry.place, entry.key)

    @property
    def shown(self) -> Counterfactual | None:
        """The result on display."""
        return self._workspace.results.current

    @property
    def token(self) -> Hashable:
        """The present state of the mask; equal tokens, equal masks."""
        return self._recall.token(self._workspace.segmentation.revision)

    @property
    def removed(self) -> bool:
        """True when tumor was removed, so that there is something to generate."""
        return bool(self._workspace.segmentation.removed_slices.any())

    @property
    def removed_count(self) -> int:
        """Axial slices in which tumor was removed."""
        return int(np.count_nonzero(self._workspace.segmentation.removed_slices))

    @property
    def here(self) -> bool:
        """True when the result on display holds the axial slice on display."""
        return self.shown is not None and self._workspace.view.cursor[2] in self.shown.slices

    @property
    def stale(self) -> bool:
        """True when the mask is not the one that the result on display was made for."""
        return self.shown is not None and self.outdated(self.shown.request.key)

    def outdated(self, key: str) -> bool:
        """True when the mask is not the one that the result of a request was made for."""
        entry = self._workspace.results.entry(key)
        return entry is None or entry.mask is None or not self.fits(entry.mask.token)

    def fits(self, token: Hashable) -> bool:
        """True when a picture made for this state of the mask is a picture of the present one."""
        return self._recall.picture_token(token) == self._recall.picture_token(self.token)

    def measured(self, key: str = "") -> Measured | None:
        """Return figures and referee maps of a result, by default of the one on display."""
        if not key and self.shown is not None:
            key = self.shown.request.key
        entry = self._workspace.results.entry(key)
        return entry.metrics if entry is not None and isinstance(entry.metrics, Measured) else None

    def show(self, result: Counterfactual | None) -> None:
        """Put a result on display, or the source."""
        self._workspace.results.current = result

    def recall(
        self, place: Place, index: int, *, open_seed: bool = False, whole: bool = False, measured: bool = False
    ) -> bool:
        """Show a picture made before of an axial slice; False when there is none.

        Parameters
        ----------
        place : Place
            Its slices are not looked at.
        index : int
            Canonical axial slice.
        open_seed : bool
            Where the place's own seed has no picture, take the newest seed.
        whole : bool
            Only a picture of all slices.
        measured : bool
            Only a picture whose figures are all there.
        """
        results = self._workspace.results
        keys = [
            key
            for key in self._recall.find(place, index, open_seed=open_seed, whole=whole)
            if (entry := results.entry(key)) is not None
            and (index in entry.request.slices or whole)
            and (not measured or ((figures := self.measured(key)) is not None and figures.complete))
        ]
        if not keys:
            return False
        if self.shown is None or self.shown.request.key not in keys:
            self.show(results.find(keys[0]))
        return True

    def receive(self, made: Counterfactual, mask: Mask | None, place: Place, *, wanted: bool) -> None:
        """Keep what a run made, and put it on display where that is right.

        Parameters
        ----------
        made : Counterfactual
        mask : Mask or None
            The mask that the run was ordered for.
        place : Place
            What was ordered.
        wanted : bool
            False for a result that never goes on display.
        """
        results, key = self._workspace.results, made.request.key
        known = results.entry(key)
        hole = made.request.hole_hash, made.request.tumor_hash
        for entry in results.entries:
            if entry.mask is not None and (entry.request.hole_hash, entry.request.tumor_hash) == hole:
                self._recall.same_picture(place.token, entry.mask.token)
        if known is not None and known.mask is not None and mask is not None and mask.equals(known.mask):
            self._recall.same_mask(place.token, known.mask.token)
        self._recall.put(place, key)
        show = wanted and self.takes_the_stage(place.token, made.slices)
        if known is None or known.mask is None:
            results.add(made, mask, place=place, show=show)
        elif show:
            self.show(results.find(key))

    def takes_the_stage(self, token: Hashable, slices: Collection[int]) -> bool:
        """Whether a new result goes on display: never in place of a better one for the present mask and slice.

        Parameters
        ----------
        token : hashable
            The state of the mask that it was made for.
        slices : collection of int
            The axial slices that it holds.
        """
        shown, z = self.shown, self._workspace.view.cursor[2]
        if shown is None:
            return self.removed
        if not self.stale and not self.fits(token):
            return False
        return z in slices or z not in shown.slices

    def restore(self, entry: Entry) -> bool:
        """Bring a result back with its mask, as one step that undo takes back; False when it is kept no more.

        Raises
        ------
        UsageError
            See :func:`~seg_editor.session.results.restore_mask`.
        """
        workspace = self._workspace
        result = workspace.results.find(entry.key)
        if result is None:
            return False
        if entry.mask is not None:
            if entry.mask.token != self.token:
                restore_mask(workspace.segmentation, workspace.case, entry.mask, f"Mask of picture {entry.number}")
            self._recall.same_mask(workspace.segmentation.revision, entry.mask.token)
        self.show(result)
        return True
