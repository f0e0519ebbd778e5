"""The figures of Table 2: how slices become each, what bounds it, and what its reader is told."""

from __future__ import annotations

from dataclasses import dataclass

from seg_editor.metrics.diffmap import DIFF_THRESHOLD
from training.evaluate.features import FEATURES
from training.evaluate.job import FULL_CHANGE
from training.evaluate.scoring import THRESHOLDS

DIFFMAP = f"diffmap_iou@{DIFF_THRESHOLD:.2f}"
GEN_DICE, GAIN, LEAD = "gen_dice_paper", "gen_dice_gain", "gen_dice_lead"
#: FID and KID, in the order of the table.
DISTANCES = tuple(f"{kind}_{extractor}" for extractor in FEATURES for kind in ("fid", "kid"))


@dataclass(frozen=True)
class Metric:
    """How slices become a figure.

    Attributes
    ----------
    name, title : str
    pooled : bool
        Over all slices of all patients, as the paper does; else the mean of one number a patient.
    better : str
        ``up``, ``down`` or ``one``.
    floor, ceiling : str
        Method whose row in the same mode bounds the figure, or a number.
    unit, text : str
        For the reader of the table.
    """

    name: str
    title: str
    pooled: bool
    better: str
    floor: str = ""
    ceiling: str = ""
    unit: str = ""
    text: str = ""


_TUMOR = "of the tumor's voxels"
METRICS = (
    Metric(
        "tumor_residual_paper",
        "TumorResidual (paper)",
        True,
        "down",
        "donor",
        "source",
        unit=_TUMOR,
        text="as the paper's code: 8-bit pictures, each slice scaled by its own minimum and maximum",
    ),
    Metric(
        "tumor_residual",
        "TumorResidual",
        False,
        "down",
        "donor",
        "source",
        unit=_TUMOR,
        text="what the referee calls tumor anywhere in the slice, plus twice the voids; may exceed 1",
    ),
    Metric(
        "residual_inside",
        "  inside",
        False,
        "down",
        "donor",
        "source",
        unit=_TUMOR,
        text="its first part: still called tumor where the tumor was",
    ),
    Metric(
        "residual_outside",
        "  outside",
        False,
        "down",
        "donor",
        "source",
        unit=_TUMOR,
        text="its second part: called tumor elsewhere in the slice",
    ),
    Metric(
        "residual_void",
        "  void",
        False,
        "down",
        "donor",
        "source",
        unit=_TUMOR,
        text="its third part, counted twice in the sum: darker than 0.05 where the tumor was",
    ),
    Metric(
        "false_tumor",
        "False tumor on tumor-free slices",
        False,
        "down",
        "source",
        unit="of the brain's voxels",
        text="what the referee calls tumor in slices that have none",
    ),
    Metric(
        "diffmap_iou_paper",
        "DiffMap IoU (paper)",
        True,
        "up",
        "0",
        "1",
        unit="0 to 1",
        text="as the paper's code: changed by more than 0.10 against the tumor, tumor-free slices counted",
    ),
    Metric(
        DIFFMAP,
        "DiffMap IoU, tumor slices",
        False,
        "up",
        "0",
        "1",
        unit="0 to 1",
        text="the same in the display range of the volume, slices with tumor only",
    ),
    Metric(
        "ssim_paper",
        "SSIM (paper)",
        True,
        "up",
        "",
        "source",
        unit="0 to 1",
        text="whole frame, histogram-matched; in counterfactuals the tumor is zeroed in both pictures",
    ),
    Metric(
        "ssim_brain", "SSIM in the brain", False, "up", "", "source", unit="0 to 1", text="display range, not matched"
    ),
    Metric(
        "mse_brain", "MSE in the brain", False, "down", "source", unit="display range squared", text="display range = 1"
    ),
    Metric(
        GEN_DICE,
        "GenDice (paper)",
        True,
        "up",
        "",
        "source",
        unit="0 to 1",
        text="referee against mask, five classes with the background, pooled over eight slices",
    ),
    Metric("gen_iou_paper", "GenIoU (paper)", True, "up", "", "source", unit="0 to 1", text="the same as IoU"),
    Metric("dice_csf", "Dice CSF", False, "up", "", "source", unit="0 to 1", text="referee against mask, by patient"),
    Metric("dice_gm", "Dice GM", False, "up", "", "source", unit="0 to 1", text="gray matter, likewise"),
    Metric("dice_wm", "Dice WM", False, "up", "", "source", unit="0 to 1", text="white matter, likewise"),
    Metric("dice_tumor", "Dice tumor", False, "up", "", "source", unit="0 to 1", text="likewise"),
    Metric(
        "texture",
        "Texture",
        False,
        "one",
        unit="ratio",
        text="variance of fine detail in the hole over that in healthy tissue of the same picture",
    ),
    Metric(
        "seam",
        "Seam",
        False,
        "one",
        unit="ratio",
        text="gradient across the hole's rim over that across the same rim moved into healthy tissue",
    ),
    Metric(
        "hole_mse", "MSE", False, "down", "0", unit="benchmark range squared", text="in the hole; benchmark range = 1"
    ),
    Metric("hole_psnr", "PSNR", False, "up", unit="dB", text="in the hole, range 1"),
    Metric("hole_ssim", "SSIM", False, "up", "", "1", unit="0 to 1", text="2D SSIM map, mean in the hole"),
    Metric("hole_texture", "Texture of healthy holes", False, "one", unit="ratio", text="as above"),
    Metric("hole_seam", "Seam of healthy holes", False, "one", unit="ratio", text="as above"),
)
#: Differences of two rows, paired by patient.
PAIRED = (
    Metric(
        GAIN,
        "GenDice that the source adds",
        True,
        "down",
        unit="0 to 1",
        text="from the noised source minus from noise, the same model and patients",
    ),
    Metric(
        LEAD,
        "GenDice over m1",
        True,
        "up",
        unit="0 to 1",
        text="minus that of m1, which sees no mask, with the same start and patients",
    ),
)
#: Of the cases, not of a result: in the row of the untouched source.
YARDSTICKS = (
    Metric(
        FULL_CHANGE,
        "DiffMap IoU if every voxel of the hole changes",
        False,
        "up",
        unit="0 to 1",
        text="what the margin of the hole leaves; a result that leaves the margin as it was may score higher",
    ),
)
#: The other thresholds: in the JSON and the figure, not in the table.
SWEEP = tuple(
    Metric(f"diffmap_iou@{t:.2f}", f"DiffMap IoU at {t:.2f}", False, "up") for t in THRESHOLDS if t != DIFF_THRESHOLD
)
LARGEST = Metric(
    "change_outside",
    "Largest change outside the hole",
    False,
    "down",
    "0",
    unit="FLAIR's own intensity",
    text="largest of all voxels, slices, patients and seeds",
)
#: Names of all that a row may hold.
FIGURES = frozenset((*(m.name for m in (*METRICS, *PAIRED, *YARDSTICKS, *SWEEP, LARGEST)), *DISTANCES))


def title(name: str) -> str:
    """Heading of a figure."""
    for metric in (*METRICS, *PAIRED, *YARDSTICKS, *SWEEP, LARGEST):
        if metric.name == name:
            return metric.title.strip()
    kind, extractor = name.split("_")
    return f"{kind.upper()} ({extractor})"
