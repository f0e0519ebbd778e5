"""What exported files are called."""

from __future__ import annotations

from seg_editor.cases import Case, Layout, Modality, NiftiSource


def modality_key(layout: Layout, modality: Modality) -> str:
    """Return how a modality is spelled in file names: T1c is ``t1ce`` beside BraTS <= 2022 names, else ``t1c``."""
    return "t1ce" if modality is Modality.T1C and layout is Layout.BRATS else str(modality)


def synthetic_name(case: Case, modality: Modality) -> str:
    """Return ``<case_id>_<modality>_synthetic.nii.gz``."""
    return f"{case.case_id}_{modality_key(case.layout, modality)}_synthetic.nii.gz"


def edited_name(case_id: str) -> str:
    """Return ``<case_id>_seg_edited.nii.gz``."""
    return f"{case_id}_seg_edited.nii.gz"


def panel_name(case: Case) -> str:
    """Return ``<case_id>_panel_synthetic.png``."""
    return f"{case.case_id}_panel_synthetic.png"


def metrics_name(case: Case) -> str:
    """Return ``<case_id>_metrics.json``."""
    return f"{case.case_id}_metrics.json"


def provenance_name(case: Case) -> str:
    """Return ``<case_id>_provenance.json``."""
    return f"{case.case_id}_provenance.json"


def steps_text(steps: int) -> str:
    """Return a number of network passes in words."""
    return "1 step" if steps == 1 else f"{steps} steps"


def file_slice_index(source: NiftiSource, k: int) -> int:
    """Return the index, along the file's own axis, of canonical axial slice `k` (0 is the lowest slice).

    Files may store slices from the top down, or along another array axis; a reader of the file who
    takes this index along that axis finds the slice.
    """
    axis = source.axes.index(2)
    return source.stored_shape[axis] - 1 - k if source.flips[axis] else k
