"""What an action of the table is, and when it can be done. No Qt here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Facts:
    """What decides whether an action makes sense now."""

    has_case: bool = False
    loading: bool = False
    has_tumor: bool = False
    can_undo: bool = False
    can_redo: bool = False
    undo_name: str = ""
    redo_name: str = ""
    stroking: bool = False
    dirty: bool = False
    removed: bool = False
    hole_here: bool = False
    slices: str = "slice"
    running: bool = False
    tissue_running: bool = False
    has_tissue: bool = False
    tissue_saved: bool = False
    has_result: bool = False
    model_problem: str = ""
    modalities: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()
    scheme: frozenset[str] = frozenset()
    drafting: bool = False
    saving: bool = False
    on_tissue: bool = False
    tissue_dirty: bool = False
    segmenting: bool = False
    reshaping: bool = False
    referee_problem: str = ""
    next_case: str = ""
    previous_case: str = ""
    recovery: bool = False
    scope: str = ""
    spread_alone: bool = False


Why = Callable[[Facts], str]
TUMOR_ONLY = "This works on the tumor: stop editing the tissue map first"
COMPUTE_TISSUE = "Compute the tissue map first (View menu)"
SPREAD_ALONE = "The SD of the seeds has no second picture: choose One or Mean beside the history"


def needs_always(facts: Facts) -> str:
    """Nothing: it can always be done."""
    return ""


def needs_case(facts: Facts) -> str:
    """An open case."""
    return "" if facts.has_case else "Open a case first"


def needs_next_case(facts: Facts) -> str:
    """A case after the open one in its folder."""
    return needs_case(facts) or ("" if facts.next_case else "There is no case after this one in its folder")


def needs_previous_case(facts: Facts) -> str:
    """A case before the open one in its folder."""
    return needs_case(facts) or ("" if facts.previous_case else "There is no case before this one in its folder")


def needs_edit(facts: Facts) -> str:
    """A case and no stroke in progress."""
    return needs_case(facts) or ("Finish the stroke first" if facts.stroking else "")


def needs_save(facts: Facts) -> str:
    """A case that is not being saved."""
    return needs_edit(facts) or ("The labels are being saved" if facts.saving else "")


def needs_recovery(facts: Facts) -> str:
    """Edits that the last session with the case left unsaved."""
    return needs_edit(facts) or ("" if facts.recovery else "The last session with this case left nothing unsaved")


def needs_undo(facts: Facts) -> str:
    """A step to take back."""
    if facts.drafting:
        return ""
    return needs_edit(facts) or ("" if facts.can_undo or facts.reshaping else "Nothing to undo yet")


def needs_redo(facts: Facts) -> str:
    """A step that was taken back."""
    return needs_edit(facts) or ("" if facts.can_redo else "Nothing was undone")


def needs_tumor_layer(facts: Facts) -> str:
    """The tumor in hand, not the tissue map: its undo would not take the edit back."""
    return needs_edit(facts) or (TUMOR_ONLY if facts.on_tissue else "")


def needs_tumor_tool(facts: Facts) -> str:
    """A case, and the tumor in hand; a stroke in progress does not matter."""
    return needs_case(facts) or (TUMOR_ONLY if facts.on_tissue else "")


def needs_remove(facts: Facts) -> str:
    """Some tumor, and the tumor in hand."""
    if why := needs_tumor_layer(facts):
        return why
    return "" if facts.has_tumor else "The segmentation holds no tumor: paint one, or undo"


def needs_operation(facts: Facts) -> str:
    """Labels on the layer in hand. An operation that is being computed does not matter: the next one waits for it."""
    if why := needs_tumor_layer(facts):
        return why
    return "" if facts.has_tumor else "The segmentation holds no tumor: paint one, or undo"


def needs_label(key: str) -> Why:
    """Return the check for a subregion that has to be there."""

    def why(facts: Facts) -> str:
        if needs_operation(facts) or key in facts.labels:
            return needs_operation(facts)
        return "The segmentation holds none of it" if key in facts.scheme else "The labels of this case have none"

    return why


def needs_scheme(key: str) -> Why:
    """Return the check for a subregion that the case's labels can say."""

    def why(facts: Facts) -> str:
        return needs_edit(facts) or ("" if key in facts.scheme else "The labels of this case have none")

    return why


def needs_segment(facts: Facts) -> str:
    """A case with FLAIR, a referee, and no automatic segmentation that is running."""
    if why := needs_tumor_layer(facts) or facts.referee_problem:
        return why
    if facts.segmenting:
        return "The automatic segmentation is running"
    return "" if "flair" in facts.modalities else "The automatic segmentation needs FLAIR, which this case lacks"


def needs_tissue_layer(facts: Facts) -> str:
    """A tissue map, and no stroke in progress."""
    return needs_edit(facts) or needs_tissue_shown(facts)


def needs_tissue_save(facts: Facts) -> str:
    """A tissue map that is not being saved."""
    return needs_save(facts) or ("" if facts.has_tissue else COMPUTE_TISSUE)


def needs_generate(facts: Facts) -> str:
    """A model, and a hole where it would run."""
    if needs_edit(facts) or facts.model_problem:
        return needs_edit(facts) or facts.model_problem
    if not facts.removed:
        return "Remove the tumor or erase a part of it first"
    if facts.slices == "slice" and not facts.hole_here:
        return "Nothing was removed in this slice: go to one that lost tumor, or choose another range of slices"
    return ""


def needs_tissue(facts: Facts) -> str:
    """A case whose tissue map is not being computed."""
    return needs_case(facts) or ("The tissue map is being computed" if facts.tissue_running else "")


def needs_tissue_shown(facts: Facts) -> str:
    """A tissue map, or one that was saved with the case."""
    return needs_case(facts) or ("" if facts.has_tissue or facts.tissue_saved else COMPUTE_TISSUE)


def needs_two_pictures(facts: Facts) -> str:
    """A result that stands beside the source."""
    return needs_result(facts) or (SPREAD_ALONE if facts.spread_alone else "")


def needs_result(facts: Facts) -> str:
    """A counterfactual."""
    return needs_case(facts) or ("" if facts.has_result else "Generate a counterfactual first")


def needs_modality(key: str) -> Why:
    """Return the check for a modality."""

    def why(facts: Facts) -> str:
        return needs_case(facts) or ("" if key in facts.modalities else f"This case has no {key.upper()}")

    return why


def keys(
    *default: str,
    itksnap: tuple[str, ...] | None = None,
    slicer: tuple[str, ...] | None = None,
    napari: tuple[str, ...] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return keys by preset; a preset that is not named has the default ones."""
    own = {"itksnap": itksnap, "slicer": slicer, "napari": napari}
    return {"seg-editor": default} | {preset: chosen for preset, chosen in own.items() if chosen is not None}


@dataclass(frozen=True)
class Action:
    """One thing that the user can do.

    Parameters
    ----------
    id : str
        Stable name.
    text : str
        Name in menus.
    keys : mapping of preset to tuple of str
        Qt key names; ``seg-editor`` is the default for presets that are not listed.
    tip : str
        One sentence for the tooltip.
    icon : str
        Name of an icon, or nothing.
    menu : str
        Menu it belongs to; empty for keys without a menu entry.
    why_disabled : callable
        Returns why it cannot be done now, or an empty string.
    checkable : bool
        Shows a state.
    kind : str
        ``press``; ``hold`` for keys that act while held; ``mouse`` for gestures over the picture, such as
        ``Ctrl+Left drag``; ``modal`` for keys that act while an outline is drawn, before any other meaning.
    tools : tuple of str
        For gestures: the tools with which they work; with none, all that have no gesture of their own there.
    """

    id: str
    text: str
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tip: str = ""
    icon: str = ""
    menu: str = ""
    why_disabled: Why = needs_always
    checkable: bool = False
    kind: str = "press"
    tools: tuple[str, ...] = ()

    def keys_for(self, preset: str) -> tuple[str, ...]:
        """Return the keys in a preset."""
        own = self.keys.get(preset)
        return self.keys.get("seg-editor", ()) if own is None else own
