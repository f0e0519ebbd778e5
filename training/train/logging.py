"""What a run tells: ``stats.jsonl`` always, JSON lines to a callback, a progress bar, Weights & Biases when wanted."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import UsageError

WANDB_MODES = ("auto", "off", "offline", "online")
PROJECT = "seg-editor"
_HOST = "api.wandb.ai"


class RunLog:
    """The records of one call of the training loop.

    Parameters
    ----------
    out : Path
        Run folder; ``stats.jsonl`` is appended to.
    config : dict
        Everything that decides the run, for Weights & Biases.
    wandb : str
        ``off``, ``offline``, ``online``, or ``auto``: online with a login, offline without, off when not installed.
    report : callable, optional
        Gets every record.
    progress : bool
        Show a bar with the remaining time on standard error.
    """

    def __init__(
        self,
        out: Path,
        config: dict[str, Any],
        *,
        wandb: str = "off",
        report: Callable[[dict[str, Any]], None] | None = None,
        progress: bool = False,
        total: int = 0,
        first: int = 0,
    ) -> None:
        self.out = out
        self.report = report
        self._file: TextIO = (out / "stats.jsonl").open("a", encoding="utf-8")
        self._bar: Any = _bar(total, first) if progress else None
        try:
            self._run: Any = open_wandb(wandb, out, config)
        except BaseException:
            self._file.close()
            raise

    def record(self, record: dict[str, Any]) -> None:
        """Write a record; its ``step`` and ``kind`` place it."""
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        if self.report:
            self.report(record)
        if self._run is not None:
            kind = record.get("kind", "run")
            figures = {f"{kind}/{k}": v for k, v in record.items() if isinstance(v, (int, float)) and k != "step"}
            self._run.log(figures, step=record["step"])

    def estimate(self, step: int, steps: int, seconds: float, speed: float, budget: float | None) -> None:
        """Say before a run how long it will take, from a measured step; `budget` is this call's limit."""
        record = {"kind": "estimate", "step": step, "steps": steps, "seconds_left": round(seconds, 1)}
        self.record({**record, "images_per_second": round(speed, 2), "seconds_per_step": round(seconds / steps, 4)})
        capped = f"; this call stops after {duration(budget)}" if budget is not None and budget < seconds else ""
        print(f"{steps} steps, about {duration(seconds)} at {speed:.3g} images/s{capped}", file=sys.stderr, flush=True)

    def advance(self, step: int, loss: float) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
            self._bar.update(step - self._bar.n)

    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> Path:
        """Save ``<name>/step-<step>.png``."""
        from PIL import Image

        path = self.out / name / f"step-{step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
        if self._run is not None:
            import wandb

            self._run.log({name: wandb.Image(str(path))}, step=step)
        return path

    def checkpoint(self, path: Path, step: int) -> None:
        """Hand a checkpoint to Weights & Biases as an artifact."""
        if self._run is not None and path.exists():
            import wandb

            artifact = wandb.Artifact(f"{self._run.id}-{path.stem}", type="model", metadata={"step": step})
            artifact.add_file(str(path))
            self._run.log_artifact(artifact)

    def close(self) -> None:
        """Close the file, the bar and the run."""
        self._file.close()
        if self._bar is not None:
            self._bar.close()
        if self._run is not None:
            self._run.finish()


def open_wandb(mode: str, out: Path, config: dict[str, Any]) -> Any:
    """A Weights & Biases run in `out`, or None.

    Raises
    ------
    UsageError
        The mode is unknown, or wandb is asked for and not installed.
    """
    if mode not in WANDB_MODES:
        raise UsageError(f"there is no wandb mode {mode}", remedy=f"Choose one of {', '.join(WANDB_MODES)}")
    if mode == "off" or (mode == "auto" and os.environ.get("WANDB_MODE") == "disabled"):
        return None
    try:
        import wandb
    except ImportError as error:
        if mode == "auto":
            return None
        raise UsageError("wandb is not installed", remedy="pip install wandb, or give --wandb off") from error
    if mode == "auto":
        mode = "online" if has_login() else "offline"
    name = out / "wandb-id.txt"
    if not name.exists():
        name.write_text(uuid.uuid4().hex[:12] + "\n")
    settings: dict[str, Any] = {"dir": str(out), "config": config, "mode": mode, "resume": "allow"}
    try:
        return wandb.init(
            project=PROJECT,
            name=out.name,
            id=name.read_text().strip(),
            settings=wandb.Settings(silent=True),
            **settings,
        )
    except wandb.Error as error:
        raise UsageError(
            f"Weights & Biases does not start ({' '.join(str(error).split())})",
            remedy="Log in, or give --wandb offline",
        ) from error


def has_login() -> bool:
    """Whether Weights & Biases would find a login on this machine."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    import netrc

    try:
        return netrc.netrc().authenticators(_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def duration(seconds: float) -> str:
    """``42 s``, ``12 min``, ``3 h 20 min`` or ``2 d 5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def _bar(total: int, first: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    patience = 0.5 if sys.stderr.isatty() else 30.0
    return tqdm(total=total, initial=first, unit="step", file=sys.stderr, mininterval=patience, dynamic_ncols=True)
