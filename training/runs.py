"""From the command line's arguments to a task and the settings of its run."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seg_editor.errors import UsageError

if TYPE_CHECKING:
    from training.models.diffusion_task import DiffusionTask

MODELS = ("m1", "m2", "m3", "m3k", "m3c", "m5")
PRESET_NAMES = ("compact", "paper")


def add_arm_arguments(p: argparse.ArgumentParser) -> None:
    """Options of the paper's models, for ``train`` and ``describe``."""
    p.add_argument("--as-coded", action="store_true", help="m1: the protocol of its own code (10 epochs, batch 24)")
    p.add_argument(
        "--per-batch", action="store_true", help="m3, m3c: draw the tumor's removal once a batch, not once a sample"
    )
    p.add_argument(
        "--mask-scale", type=float, default=1.0, help="factor on the mask channel class_id/255 (default %(default)s)"
    )
    p.add_argument("--epochs", type=int, help="m1-m3c: passes over the training slices")


def check_arm_arguments(args: argparse.Namespace) -> None:
    """Options of the paper's models are errors for others, and so are values that make no sense.

    Raises
    ------
    UsageError
    """
    from training.presets import OURS

    if args.model in OURS:
        given = [n for n in ("as_coded", "per_batch", "epochs") if getattr(args, n)]
        given += ["mask_scale"] if args.mask_scale != 1 else []
        if given:
            option = "--" + given[0].replace("_", "-")
            raise UsageError(f"{option} means nothing for {args.model}", remedy="Leave it out")
        if args.preset != "compact":
            raise UsageError(f"there is no preset {args.preset} for {args.model}", remedy="Choose compact")
    if args.epochs is not None and args.epochs < 1:
        raise UsageError(f"--epochs {args.epochs}", remedy="Give 1 or more")
    if not args.mask_scale > 0:
        raise UsageError(f"--mask-scale {args.mask_scale}", remedy="Give a positive number; 1 is the paper's")


def diffusion_run(args: argparse.Namespace) -> tuple[DiffusionTask, dict[str, Any]]:
    """Task and loop settings of m1, m2, m3, m3k or m3c.

    Raises
    ------
    UsageError
        The data is missing or damaged, or options do not fit.
    """
    from training.models.diffusion_task import DiffusionTask, MonitorSettings
    from training.presets import arm_of, preset_of

    check_arm_arguments(args)
    arm = arm_of(args.model, per_batch=args.per_batch)
    preset = preset_of(args.preset, args.model, as_coded=args.as_coded)
    task = DiffusionTask(
        args.model,
        args.data,
        preset.network_of(arm, args.mask_scale),
        arm.ablation,
        monitor=MonitorSettings(solver=preset.monitor_solver, steps=preset.monitor_steps),
        crop=preset.crop,
        compile_network=args.compile,
    )
    return task, asdict(preset.loop_settings(len(task.slices), batch=args.batch, epochs=args.epochs))
