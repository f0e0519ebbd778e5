"""Sampling from the paper's models (M1-M3): from noise or the noised source, DDPM or DDIM, always labelled which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import TISSUES, TUMOR
from seg_editor.errors import ModelError, UsageError

if TYPE_CHECKING:
    import torch

    from seg_editor.generation.registry import LoadedModel
    from seg_editor.generation.unet import NoiseNet


class Start(StrEnum):
    """Where sampling starts: pure noise (the paper's text) or the noised source (its code)."""

    NOISE = "from_noise"
    STRENGTH = "strength"


class Solver(StrEnum):
    """How a step goes back."""

    DDPM = "ddpm"
    DDIM = "ddim"


class HoleFill(StrEnum):
    """What the mask says where the tumor was: 0 (the code of air), nearest healthy tissue, or the prior's tissue."""

    ZERO = "zero"
    NEAREST = "nearest"
    PRIOR = "prior"


@dataclass(frozen=True)
class Sampling:
    """Everything that decides a sample besides model, mask and source.

    Attributes
    ----------
    start : Start
    solver : Solver
    steps : int
        Length of the grid of time steps (leading spacing); a strength start runs its tail only.
    strength : float
        Of a strength start: 0 to 1, how much of the grid is run.
    hole : HoleFill
    seed : int
        The picture of slice ``k`` gets the noise of ``seed + k``.
    """

    start: Start = Start.NOISE
    solver: Solver = Solver.DDPM
    steps: int = 50
    strength: float = 0.7
    hole: HoleFill = HoleFill.ZERO
    seed: int = 42

    def __post_init__(self) -> None:
        for name, kind in (("start", Start), ("solver", Solver), ("hole", HoleFill)):
            try:
                object.__setattr__(self, name, kind(getattr(self, name)))
            except ValueError as error:
                raise UsageError(str(error), remedy=f"Choose one of {', '.join(kind)}") from None
        if not 1 <= self.steps <= 1000:
            raise UsageError(f"{self.steps} sampling steps", remedy="Choose 1 to 1000")
        if not 0 < self.strength <= 1:
            raise UsageError(f"a strength of {self.strength}", remedy="Choose a value above 0 and up to 1")

    @property
    def first(self) -> int:
        """Index in the grid where sampling starts."""
        return 0 if self.start is Start.NOISE else start_index(self.strength, self.steps)

    @property
    def executed(self) -> int:
        """Network passes."""
        return self.steps - self.first

    @property
    def label(self) -> str:
        """Short text for tables and pictures."""
        how = "from noise" if self.start is Start.NOISE else f"strength {self.strength:.2f} from the source"
        return (
            f"{how}, {self.solver.upper()}, {self.executed} of {self.steps} steps, hole {self.hole}, seed {self.seed}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, the label included."""
        return {
            "start": str(self.start),
            "solver": str(self.solver),
            "steps": self.steps,
            "strength": self.strength if self.start is Start.STRENGTH else None,
            "hole": str(self.hole),
            "seed": self.seed,
            "label": self.label,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sampling:
        """The reverse of :meth:`to_json`; the label is not looked at.

        Raises
        ------
        UsageError
            Something is missing, unknown or out of range.
        """
        try:
            strength = cls.strength if data["strength"] is None else float(data["strength"])
            return cls(
                Start(data["start"]),
                Solver(data["solver"]),
                int(data["steps"]),
                strength,
                HoleFill(data["hole"]),
                int(data["seed"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"these are no sampling settings ({error})", remedy="Use them as written") from None


#: The paper's own uses, by what its evaluation calls them.
PAPER_SAMPLING: dict[str, Sampling] = {
    "text": Sampling(Start.NOISE, Solver.DDPM, 1000),
    "healthy": Sampling(Start.STRENGTH, Solver.DDPM, 50, 0.70),
    "reconstruction": Sampling(Start.STRENGTH, Solver.DDPM, 50, 0.20),
    "ssim-healthy": Sampling(Start.STRENGTH, Solver.DDPM, 50, 0.30),
    "fid": Sampling(Start.NOISE, Solver.DDPM, 20),
    "fid-m1": Sampling(Start.NOISE, Solver.DDIM, 20),
    "m1": Sampling(Start.NOISE, Solver.DDIM, 50),
    "monitor": Sampling(Start.NOISE, Solver.DDIM, 50),
}


def start_index(strength: float, steps: int) -> int:
    """Index of the first step of a strength start: ``int((1 - strength) * (steps - 1))``."""
    return int((1 - strength) * (steps - 1))


def make_scheduler(solver: Solver, steps: int) -> Any:
    """A diffusers scheduler with the paper's schedule, set to `steps` (leading spacing, predicted picture clipped)."""
    import diffusers

    from seg_editor.generation.unet import BETAS, TRAIN_STEPS

    common = {
        "num_train_timesteps": TRAIN_STEPS,
        "beta_start": BETAS[0],
        "beta_end": BETAS[1],
        "beta_schedule": "linear",
        "prediction_type": "epsilon",
        "clip_sample": True,
        "timestep_spacing": "leading",
    }
    kinds: Any = diffusers
    if solver is Solver.DDIM:
        scheduler = kinds.DDIMScheduler(**common)
    else:
        scheduler = kinds.DDPMScheduler(**common, variance_type="fixed_small")
    scheduler.set_timesteps(steps)
    return scheduler


def fill_hole(
    masks: NDArray[np.integer[Any]],
    choice: HoleFill,
    *,
    hole: NDArray[np.bool_] | None = None,
    prior: NDArray[np.integer[Any]] | None = None,
) -> NDArray[np.uint8]:
    """Take the tumor out of five-class masks.

    Parameters
    ----------
    masks : integer (n, x, y)
        Class ids 0-4.
    choice : HoleFill
    hole : bool (n, x, y), optional
        What to take out; by default all tumor.
    prior : integer (n, x, y), optional
        Likeliest tissue, 0-3; needed for the choice ``prior``.

    Returns
    -------
    uint8 (n, x, y)
        The masks with the hole filled; a slice without healthy tissue gets 0.

    Raises
    ------
    UsageError
        ``prior`` without a prior of the same shape.
    """
    gone = masks == TUMOR if hole is None else hole
    out = np.where(gone, 0, masks).astype(np.uint8)
    if choice is HoleFill.PRIOR:
        if prior is None or prior.shape != masks.shape:
            raise UsageError("the hole fill 'prior' needs a tissue prior of the masks' shape", remedy="Choose nearest")
        out[gone] = np.where(np.isin(prior, TISSUES), prior, 0)[gone]
    elif choice is HoleFill.NEAREST:
        from scipy import ndimage as ndi

        for k in range(len(out)):
            healthy = np.isin(out[k], TISSUES)
            if gone[k].any() and healthy.any():
                at = ndi.distance_transform_edt(~healthy, return_distances=False, return_indices=True)
                out[k][gone[k]] = out[k][tuple(at)][gone[k]]
    return out


def sample(
    network: NoiseNet,
    sampling: Sampling,
    masks: NDArray[np.integer[Any]] | None,
    *,
    source: NDArray[np.floating[Any]] | None = None,
    numbers: Sequence[int] | None = None,
    count: int | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> NDArray[np.float32] | None:
    """Make pictures.

    Parameters
    ----------
    network : NoiseNet
        In evaluation mode, on the device to use.
    sampling : Sampling
    masks : integer (n, x, y) or None
        Masks as the network shall see them (see :func:`fill_hole`); None for an unconditional network.
    source : float (n, x, y) in [0, 1], optional
        Needed for a strength start.
    numbers : sequence of int, optional
        Numbers of the slices, which choose their noise; 0, 1, ... by default.
    count : int, optional
        Pictures to make when there are neither masks nor sources.
    progress, cancel : callable, optional
        Told after, and asked before, every network pass.

    Returns
    -------
    float32 (n, x, y) in [0, 1], or None when cancelled

    Raises
    ------
    UsageError
        Masks, source or count are missing, or shapes do not fit.
    """
    found = None
    steps = _passes(network, sampling, masks, source, numbers, count)
    for i in range(sampling.executed):
        if cancel is not None and cancel():
            return None
        found = next(steps)
        if progress is not None:
            progress((i + 1) / sampling.executed, sampling.label)
    return None if found is None else _to_pictures(found)


def sampling_passes(
    network: NoiseNet,
    sampling: Sampling,
    masks: NDArray[np.integer[Any]] | None,
    *,
    source: NDArray[np.floating[Any]] | None = None,
    numbers: Sequence[int] | None = None,
    count: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """As :func:`sample`, but yields after every network pass.

    Yields
    ------
    float32 (n, x, y) in [0, 1]
        What the network takes the pictures for; after the last of ``sampling.executed`` passes, the samples.
    """
    for x in _passes(network, sampling, masks, source, numbers, count):
        yield _to_pictures(x)


def _passes(
    network: NoiseNet,
    sampling: Sampling,
    masks: NDArray[np.integer[Any]] | None,
    source: NDArray[np.floating[Any]] | None,
    numbers: Sequence[int] | None,
    count: int | None,
) -> Iterator[torch.Tensor]:
    """Pictures (n, 1, x, y) in [-1, 1] after every pass."""
    import torch

    device = next(network.parameters()).device
    shape = _shape(network, sampling, masks, source, count)
    labels = None if masks is None or not network.config.mask else torch.from_numpy(masks.astype(np.int64)).to(device)
    chosen = range(shape[0]) if numbers is None else numbers
    if len(chosen) != shape[0]:
        raise UsageError(f"{len(chosen)} slice numbers for {shape[0]} pictures", remedy="Give one each")
    generators = [torch.Generator().manual_seed(sampling.seed + int(k)) for k in chosen]
    scheduler = make_scheduler(sampling.solver, sampling.steps)
    times = scheduler.timesteps[sampling.first :]
    begin = source if sampling.start is Start.STRENGTH else None
    x = _first_picture(scheduler, times[0], shape, begin, generators).to(device)
    for i, t in enumerate(times, start=1):
        with torch.inference_mode():
            noise = network(x, labels, t.to(device).expand(shape[0]))
            step = scheduler.step(noise, t, x, generator=generators)
        x = step.prev_sample
        yield x if i == len(times) else step.pred_original_sample


def _to_pictures(x: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray((x / 2 + 0.5).clamp(0, 1)[:, 0].float().cpu().numpy(), np.float32)


def _shape(
    network: NoiseNet,
    sampling: Sampling,
    masks: NDArray[Any] | None,
    source: NDArray[Any] | None,
    count: int | None,
) -> tuple[int, int, int]:
    config = network.config
    if config.mask and masks is None:
        raise UsageError("this model needs masks", remedy="Give five-class masks, or use m1")
    if sampling.start is Start.STRENGTH and source is None:
        raise UsageError("a strength start needs the source pictures", remedy="Give them, or start from noise")
    given = [a.shape for a in (masks, source) if a is not None]
    if not given:
        if count is None:
            raise UsageError("nothing says how many pictures to make", remedy="Give masks, sources or a count")
        given = [(count, config.image_size, config.image_size)]
    shape = given[0]
    if any(s != shape for s in given) or len(shape) != 3 or any(v % config.multiple for v in shape[1:]):
        raise UsageError(
            f"masks and sources of shapes {given} do not fit", remedy=f"Pad to multiples of {config.multiple}"
        )
    return int(shape[0]), int(shape[1]), int(shape[2])


def _first_picture(
    scheduler: Any,
    time: torch.Tensor,
    shape: tuple[int, int, int],
    source: NDArray[Any] | None,
    generators: list[torch.Generator],
) -> torch.Tensor:
    """Pure noise, or the source with noise as of `time` when there is one to start from."""
    import torch

    noise = torch.stack([torch.randn(1, *shape[1:], generator=g) for g in generators])
    if source is None:
        return noise
    clean = torch.from_numpy(np.asarray(source, np.float32))[:, None] * 2 - 1
    return torch.as_tensor(scheduler.add_noise(clean, noise, time.expand(shape[0])))


def to_bytes(pictures: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """[0, 1] to 8 bit by truncation, as the paper's code saves."""
    return (np.clip(pictures, 0, 1) * 255).astype(np.uint8)


def healthy(
    model: LoadedModel,
    masks: NDArray[np.integer[Any]],
    source: NDArray[np.floating[Any]] | None,
    sampling: Sampling,
    *,
    prior: NDArray[np.integer[Any]] | None = None,
    numbers: Sequence[int] | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> NDArray[np.float32] | None:
    """Counterfactual slices of a loaded model: the tumor leaves the mask as `sampling` says, then :func:`sample`.

    Raises
    ------
    ModelError
        The model is of another kind.
    """
    from seg_editor.generation.unet import NoiseNet

    if model.card.kind != "diffusion" or not isinstance(model.network, NoiseNet):
        raise ModelError(f"{model.card.name} is no diffusion model", remedy="Choose m1, m2, m3, m3k or m3c")
    edited = fill_hole(masks, sampling.hole, prior=prior)
    return sample(model.network, sampling, edited, source=source, numbers=numbers, progress=progress, cancel=cancel)


def reconstruction(sampling: Sampling) -> Sampling:
    """The same sampling at the paper's strength for reconstructions."""
    return replace(sampling, start=Start.STRENGTH, strength=PAPER_SAMPLING["reconstruction"].strength)
