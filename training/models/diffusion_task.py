"""M1, M2, M3, M3k and M3c as a :class:`training.train.loop.Task`: noise prediction, masks ablated as the arm says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seg_editor.anatomy.names import TUMOR
from seg_editor.errors import UsageError
from seg_editor.generation.diffusion import HoleFill, Sampling, Solver, Start, fill_hole, sample
from seg_editor.generation.networks import count_parameters
from seg_editor.generation.paper_grid import Window
from seg_editor.generation.unet import TRAIN_STEPS, NoiseNet, UNetConfig, add_noise, signal_shares
from seg_editor.metrics.structural import match_histogram, ssim
from training.models.ablation import Ablation, remove
from training.models.batches import cut, has_room, parted
from training.models.noise import draw_noise
from training.models.slice_set import SliceSet, check_disjoint

_VALIDATION_SEED = 20_251_122


@dataclass(frozen=True)
class MonitorSettings:
    """What validation looks at: `slices` for the noise error, `grid` pictures sampled (0: none)."""

    slices: int = 256
    batch: int = 8
    grid: int = 4
    solver: str = "ddim"
    steps: int = 50
    seed: int = 42


class DiffusionTask:
    """Trains one of the paper's diffusion models on a prepared slice set.

    With `crop`, training leaves out the rows and columns that are air in every training slice (less than half of the
    picture is left). Validation and samples see a held-out slice through the same window, moved to its case, as the
    editor does: on whole squares, which it never saw, a network lights the air.
    """

    def __init__(
        self,
        name: str,
        data: Path,
        config: UNetConfig,
        ablation: Ablation,
        *,
        monitor: MonitorSettings | None = None,
        crop: bool = False,
        compile_network: bool = False,
    ) -> None:
        self.name = name
        self.config = config
        self.ablation = ablation
        self.monitor = monitor or MonitorSettings()
        self.compile_network = compile_network
        self.slices = SliceSet.open(data, "train", verify=True)
        self.held_out = SliceSet.open(data, "val", verify=True)
        check_disjoint(self.slices, self.held_out)
        size = (slice(0, n) for n in self.slices.images.shape[1:])
        self.window: Window = self.slices.window(config.multiple) if crop else (next(size), next(size))
        sides = [part.stop - part.start for part in self.window]
        if any(side % config.multiple for side in sides):
            raise UsageError(
                f"{data / 'slices'}: pictures of {sides[0]}x{sides[1]} do not fit the network",
                remedy=f"Prepare slices whose sides {config.multiple} divides",
            )
        self.shares = signal_shares()
        self._fast: nn.Module | None = None
        self._resident: tuple[Tensor, Tensor] | None = None
        self._order: tuple[tuple[int, int], NDArray[np.intp]] | None = None

    def build(self) -> nn.Module:
        return NoiseNet(self.config)

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        """The whole batch of a step, finished; see :meth:`batch_rows`."""
        return self.finish(self.batch_rows(size, seed, step, range(size)))

    def batch_rows(self, size: int, seed: int, step: int, rows: range) -> dict[str, Tensor]:
        """Rows of the batch of a step: a function of (size, seed, step) alone, whoever asks for which rows.

        Returns
        -------
        dict
            ``image`` and ``mask`` uint8 (b, x, y), cut to the window; ``removed`` bool (b, 4), the classes that the
            mask loses; ``time`` int64 (b,); ``key`` int64 (b,), of the noise.
        """
        drawn = self._drawn(size, seed, step, list(rows))
        images, masks = self.slices.take(drawn.pop("place").tolist(), self.window)
        return {"image": images, "mask": masks, **drawn}

    def _drawn(self, size: int, seed: int, step: int, rows: list[int]) -> dict[str, Tensor]:
        """What chance says about some rows of a batch."""
        generator = torch.Generator().manual_seed(_mix(seed, step))
        times = torch.randint(0, TRAIN_STEPS, (size,), generator=generator)
        removed = self.ablation.draw(size, generator)
        place = torch.from_numpy(self._places(size, seed, step)[rows])
        keys = torch.tensor([_mix(seed, step, row, 1) for row in rows])
        return {"place": place, "removed": removed[rows], "time": times[rows], "key": keys}

    @property
    def nbytes(self) -> int:
        """Of the data that a GPU gets."""
        x, y = (part.stop - part.start for part in self.window)
        return int(2 * len(self.slices) * x * y)

    def settle(self, device: torch.device) -> bool:
        """Copy the training slices to a GPU with room for them, where batches are then made."""
        if has_room(device, self.nbytes):
            self._resident = self.slices.table(self.window, device)
        return self._resident is not None

    def several(
        self, size: int, seed: int, steps: Sequence[int], rows: Sequence[range]
    ) -> list[list[dict[str, Tensor]]]:
        """Parts of the batches of several steps, cut from the slices on the device; see :meth:`batch_rows`."""
        images, masks = self._resident or self.slices.table(self.window, torch.device("cpu"))
        at = [row for part in rows for row in part]
        drawn = [self._drawn(size, seed, step, at) for step in steps]
        return parted(cut({"image": images, "mask": masks}, drawn), [len(part) for part in rows], len(steps))

    def finish(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Ablate the masks and draw the noise (b, 1, x, y), on the batch's device."""
        image = batch["image"]
        mask = remove(batch["mask"], batch["removed"])
        noise = draw_noise(image.shape[1:], batch["key"])
        return {"image": image, "mask": mask, "time": batch["time"], "noise": noise}

    def _places(self, size: int, seed: int, step: int) -> NDArray[np.intp]:
        """Slices of a step: every slice once an epoch in a new order, the partial last batch dropped."""
        count = len(self.slices)
        if count < size:
            return np.random.default_rng([seed, step]).integers(count, size=size)
        epoch, place = divmod(step, count // size)
        if self._order is None or self._order[0] != (seed, epoch):
            self._order = ((seed, epoch), np.random.default_rng([seed, epoch]).permutation(count))
        return self._order[1][place * size : (place + 1) * size]

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Mean squared error of the predicted noise, or of the velocity where the network predicts that."""
        if self.compile_network:
            if self._fast is None:
                self._fast = cast(nn.Module, torch.compile(model))
            model = self._fast
        each = noise_errors(model, batch, self.shares.to(batch["image"].device))
        if self.config.velocity:
            loss = (each / self.shares.to(each.device)[batch["time"]]).mean()
            return loss, {"loss": float(loss.detach()), "noise_error": float(each.detach().mean())}
        loss = each.mean()
        return loss, {"loss": float(loss.detach())}

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Noise error on held-out slices with full masks and fixed noise, and apart for those with tumor."""
        size = min(self.monitor.slices, len(self.held_out))
        places = np.linspace(0, len(self.held_out) - 1, size).astype(int).tolist()
        generator = torch.Generator().manual_seed(_VALIDATION_SEED)
        times = torch.randint(0, TRAIN_STEPS, (size,), generator=generator)
        shares, errors, tumor = self.shares.to(device), [], []
        for rows, images, masks in self._seen(places):
            keys = torch.tensor([_mix(_VALIDATION_SEED, 0, row, 1) for row in rows])
            noise = draw_noise(images.shape[1:], keys)
            batch = {"image": images, "mask": masks, "time": times[rows], "noise": noise}
            batch = {k: v.to(device) for k, v in batch.items()}
            with torch.autocast(device.type, torch.bfloat16):
                errors.append(noise_errors(model, batch, shares).float().cpu())
            tumor.append((masks == TUMOR).flatten(1).any(1))
        each, ill = torch.cat(errors), torch.cat(tumor)
        figures = {"score": -float(each.mean()), "val_loss": float(each.mean())}
        if ill.any():
            figures["val_loss_tumor"] = float(each[ill].mean())
        return figures

    @cached_property
    def _held_out_windows(self) -> dict[str, Window]:
        return self.held_out.case_windows(self.window, self.config.multiple)

    def _window_of(self, place: int) -> Window:
        """What the network sees of a held-out slice."""
        return self._held_out_windows[self.held_out.cases[place]]

    def _seen(self, places: Sequence[int]) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Held-out slices as the network sees them: rows of `places`, images and masks, as many as a batch holds."""
        sizes = [[part.stop - part.start for part in self._window_of(place)] for place in places]
        for _, group in groupby(range(len(places)), sizes.__getitem__):
            alike = list(group)
            for at in range(0, len(alike), self.monitor.batch):
                rows = alike[at : at + self.monitor.batch]
                parts = [self.held_out.take([places[row]], self._window_of(places[row])) for row in rows]
                yield rows, torch.cat([image for image, _ in parts]), torch.cat([mask for _, mask in parts])

    def samples(self, model: nn.Module, device: torch.device) -> tuple[NDArray[np.uint8], dict[str, float]]:
        """A grid of real slice, mask and sample (a row each; whole squares, air around the window), and a figure.

        Returns
        -------
        uint8 (h, w), dict
            ``val_ssim``, the paper's monitor: samples from noise with the tumor out of the mask, histogram-matched to
            the real slices, both zeroed in the tumor; mean over the grid.
        """
        m = self.monitor
        ill = self.held_out.tumor_slices()
        pool = ill if len(ill) else np.arange(len(self.held_out))
        places = [int(pool[i]) for i in np.unique(np.linspace(0, len(pool) - 1, m.grid).astype(int))]
        sampling = Sampling(Start.NOISE, Solver(m.solver), m.steps, seed=m.seed)
        images, masks = (np.asarray(a) for a in self.held_out.take(places))
        real = images.astype(np.float32) / 255
        made = np.zeros_like(real)
        for rows, _, seen in self._seen(places):
            free = fill_hole(np.asarray(seen), HoleFill.ZERO)
            with torch.autocast(device.type, torch.bfloat16):
                found = sample(cast(NoiseNet, model), sampling, free, numbers=[places[row] for row in rows])
            if found is None:
                raise RuntimeError("sampling was cancelled")
            for row, picture in zip(rows, found, strict=True):
                made[row][self._window_of(places[row])] = picture
        keep = masks != TUMOR
        values = [
            ssim(match_histogram(g * k, r * k), r * k) if self.config.mask else ssim(match_histogram(g, r), r)
            for g, r, k in zip(made, real, keep, strict=True)
        ]
        rows = [np.concatenate([r, k / 4, g], 1) for r, k, g in zip(real, masks, made, strict=True)]
        return (np.concatenate(rows) * 255).astype(np.uint8), {"val_ssim": float(np.mean(values))}

    def describe(self) -> dict[str, Any]:
        with torch.device("meta"):
            parameters = count_parameters(NoiseNet(self.config))
        return {
            "name": self.name,
            "config": self.config.to_json(),
            "settings": {
                "ablation": self.ablation.to_json(),
                "monitor": asdict(self.monitor),
                "train_steps": TRAIN_STEPS,
                "betas": "linear 0.0001 to 0.02",
                "prediction": self.config.prediction,
                "slices": self.slices.settings,
                "window": [[part.start, part.stop] for part in self.window],
            },
            "parameters": parameters,
            "slices": len(self.slices),
            "cases": len(set(self.slices.cases)),
        }


def noise_errors(model: nn.Module, batch: dict[str, Tensor], shares: Tensor) -> Tensor:
    """Squared error of the predicted noise, averaged over each picture: (b,).

    Parameters
    ----------
    model : nn.Module
        A :class:`NoiseNet`, compiled or not.
    batch : dict
        As :meth:`DiffusionTask.finish` makes it, on the model's device.
    shares : (1000,)
        Alpha bar, on the same device.
    """
    pictures = batch["image"][:, None].float() / 127.5 - 1
    noisy = add_noise(pictures, batch["noise"], batch["time"], shares)
    predicted = model(noisy, batch["mask"], batch["time"])
    return F.mse_loss(predicted.float(), batch["noise"], reduction="none").mean((1, 2, 3))


def _mix(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
