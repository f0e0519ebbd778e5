"""A healthy brain of one person, made from the MNI152 template: crisp tissue fractions instead of an average.

All fields live on the template grid (1 mm, RAS+, `MNI_ORIGIN` is the world position of voxel 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from demo_noise import Field, as_field, blur, signed_distance, smooth_noise, soft_step
from numpy.typing import NDArray
from scipy import fft, ndimage

MNI_ORIGIN = (-98.0, -134.0, -72.0)


@dataclass(frozen=True)
class Template:
    """MNI152 T1 and tissue probabilities in [0, 1], float32 (x, y, z)."""

    t1: Field
    gm: Field
    wm: Field

    @property
    def brain(self) -> NDArray[np.bool_]:
        return self.t1 > 0.02


@dataclass(frozen=True)
class Anatomy:
    """Level fields on the template grid; each is warped to the case grid and only then made into fractions.

    wm, csf : signed distance to white matter and to CSF, mm, positive inside
    brain : signed distance to the outer border of the brain, mm, positive inside
    nuclei : gray share of the deep nuclei in [0, 1]
    pallidum, brainstem, ventricle, cerebellum : soft masks in [0, 1]
    detail : relative T1 deviation of deep structures from white matter, about [-0.15, 0.1]
    side : distance to the mid-sagittal plane, mm, positive to the right
    """

    wm: Field
    csf: Field
    brain: Field
    nuclei: Field
    pallidum: Field
    brainstem: Field
    ventricle: Field
    cerebellum: Field
    detail: Field
    side: Field

    def fields(self) -> dict[str, Field]:
        return dict(vars(self))


def load_template() -> Template:
    """The 1 mm template and maps that nilearn carries in its wheel (nothing is downloaded)."""
    from nilearn import datasets

    def voxels(image: object) -> Field:
        data = np.asarray(image.get_fdata(dtype=np.float32))  # type: ignore[attr-defined]
        result: Field = data / data.max()
        return result

    return Template(
        t1=voxels(datasets.load_mni152_template(resolution=1)),
        gm=voxels(datasets.load_mni152_gm_template(resolution=1)),
        wm=voxels(datasets.load_mni152_wm_template(resolution=1)),
    )


def world(shape: tuple[int, int, int]) -> tuple[Field, Field, Field]:
    """MNI coordinates in mm as three broadcastable arrays."""
    x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
    origin = MNI_ORIGIN
    return (
        (x + origin[0]).astype(np.float32),
        (y + origin[1]).astype(np.float32),
        (z + origin[2]).astype(np.float32),
    )


def ellipsoid(
    shape: tuple[int, int, int], center: tuple[float, float, float], axes: tuple[float, float, float], width: float
) -> Field:
    """Soft ellipsoid in MNI millimeters, mirrored to both sides when its center is off the midline."""
    x, y, z = world(shape)
    side = np.abs(x) if center[0] > 0 else x
    radius = np.sqrt(
        ((side - center[0]) / axes[0]) ** 2 + ((y - center[1]) / axes[1]) ** 2 + ((z - center[2]) / axes[2]) ** 2
    )
    return soft_step(((1.0 - radius) * min(axes)).astype(np.float32), width)


def gyral_pattern(seed: Field, wavelength: float, steps: int, template_weight: float) -> Field:
    """Swift-Hohenberg pattern grown from `seed`: sheets of the given wavelength, as gyral white matter has them.

    Where the template is crisp the pattern follows it, where 152 brains have averaged out it makes up its own.

    Parameters
    ----------
    seed : start and steady drive, zero mean, about unit variance
    wavelength : voxels
    steps : iterations
    template_weight : strength of the drive

    Returns
    -------
    pattern in about [-1, 1]
    """
    pad = tuple(fft.next_fast_len(n + 8, real=True) for n in seed.shape)
    state: Field = np.zeros(pad, dtype=np.float32)
    drive = np.zeros(pad, dtype=np.float32)
    box = tuple(slice(0, n) for n in seed.shape)
    drive[box] = seed
    state[box] = 0.3 * seed
    frequencies = np.meshgrid(fft.fftfreq(pad[0]), fft.fftfreq(pad[1]), fft.rfftfreq(pad[2]), indexing="ij")
    ratio = (frequencies[0] ** 2 + frequencies[1] ** 2 + frequencies[2] ** 2) * wavelength**2
    dt, growth = 0.4, 0.5
    implicit = (1.0 / (1.0 + dt * ((1.0 - ratio) ** 2 - growth))).astype(np.float32)
    for _ in range(steps):
        push = state + dt * (template_weight * drive - state**3)
        state = fft.irfftn(fft.rfftn(push) * implicit, s=pad).astype(np.float32)
    result: Field = state[box] / 0.8
    return result


def grow_gyri(template: Template, rng: np.random.Generator) -> Field:
    """Level of gyral white matter: template contrast, sharpened and completed by a grown pattern (2 mm, then 1 mm)."""
    gray_share = template.gm + template.wm
    level = as_field(template.wm - 0.5 * template.gm - 1.2 * np.clip(1.0 - gray_share, 0.0, 1.0) * template.brain)
    band = as_field(blur(level, 1.0) - blur(level, 5.0))
    shape = band.shape
    band /= band[template.brain].std()
    noise = smooth_noise(rng, (shape[0], shape[1], shape[2]), 3.0)
    seed = np.clip(band, -2.0, 2.0) + 0.55 * (noise - blur(noise, 6.0))
    coarse = ndimage.zoom(seed * template.brain, 0.5, order=1)
    pattern = gyral_pattern(coarse.astype(np.float32), wavelength=5.7, steps=60, template_weight=0.22)
    fine = ndimage.zoom(pattern, [n / m for n, m in zip(shape, pattern.shape, strict=True)], order=3)
    result: Field = fine.astype(np.float32)
    return result


def build_anatomy(template: Template, rng: np.random.Generator) -> Anatomy:
    """Make the level fields of one person's healthy brain."""
    shape = (template.t1.shape[0], template.t1.shape[1], template.t1.shape[2])
    x, y, z = world(shape)
    brain = ndimage.binary_fill_holes(ndimage.binary_opening(template.brain, iterations=2))
    depth = signed_distance(brain)
    csf_share = np.clip(1.0 - template.gm - template.wm, 0.0, 1.0) * brain

    central = ellipsoid(shape, (0.0, -10.0, 4.0), (36.0, 44.0, 26.0), 6.0)
    brainstem = ellipsoid(shape, (0.0, -27.0, -32.0), (17.0, 17.0, 34.0), 6.0)
    cerebellum = soft_step(
        (-(z + 14.0) - 0.35 * np.abs(y + 60.0) - np.maximum(y + 42.0, 0.0) + 0.12 * np.abs(x)).astype(np.float32), 6.0
    )
    deep = np.maximum(central, brainstem)

    inner = soft_step(depth - 14.0, 8.0) * soft_step((34.0 - np.abs(x) + 0 * y + 0 * z).astype(np.float32), 8.0)
    ventricle_core = (csf_share > 0.55) & (inner > 0.5) & (z > -32.0)
    ventricle = soft_step(signed_distance(ventricle_core), 1.6)

    gray_open = ndimage.grey_opening(template.gm, size=(4, 4, 4)).astype(np.float32)
    nuclei = np.clip(gray_open / (gray_open + template.wm + 0.05), 0.0, 1.0) * central
    nuclei = np.clip((nuclei + 1.0 * (nuclei - blur(nuclei, 3.0)) - 0.18 * central) / 0.62, 0.0, 1.0)

    pattern = grow_gyri(template, rng)
    sharp = template.wm + 1.2 * (template.wm - blur(template.wm, 2.5))
    cortex_zone = (1.0 - np.maximum(deep, cerebellum)) * soft_step(19.0 - depth, 8.0)
    gyral = sharp + cortex_zone * (0.40 * pattern - 0.14)
    wm_level = gyral * (1.0 - central) + central * (template.wm + template.gm - 0.2) * (1.0 - csf_share)
    wm_level = wm_level * (1.0 - brainstem) + brainstem * (1.0 - csf_share)
    wm = signed_distance((wm_level > 0.5) & (depth > 2.0))

    outside = -wm
    ridge = outside - blur(outside, 1.8)
    thickness = 3.2 + 0.35 * smooth_noise(rng, shape, 8.0)
    open_csf = np.minimum(outside - thickness, 5.0 * (csf_share - 0.40))
    sulci = np.maximum(
        open_csf, 3.2 * ridge - 1.8 + 0.4 * smooth_noise(rng, shape, 9.0) + 0.4 * (outside - 2.0).clip(-2.0, 1.0)
    )
    sulci = np.where(wm > -1.6, -2.0, sulci) - 3.0 * deep - 1.5 * cerebellum
    folia = cerebellum_folia(shape, rng) * cerebellum * (1.0 - brainstem) - (1.0 - cerebellum)
    template_csf = 3.0 * (csf_share - 0.56) + 2.0 * (csf_share - blur(csf_share, 2.0))
    csf = np.maximum(sulci, template_csf).astype(np.float32)
    csf = without_lakes(csf, 400)
    csf = np.maximum.reduce([csf, as_field(2.5 * folia - 1.6), signed_distance(ventricle_core)])
    pallidum = ellipsoid(shape, (19.0, -5.0, -1.0), (5.0, 9.5, 6.0), 2.0)
    red = ellipsoid(shape, (5.5, -20.0, -8.0), (3.5, 4.0, 4.0), 1.5)
    nigra = ellipsoid(shape, (10.0, -17.0, -12.0), (3.0, 6.0, 3.0), 1.5)
    return Anatomy(
        wm=wm,
        csf=csf,
        brain=depth,
        nuclei=nuclei.astype(np.float32),
        pallidum=np.maximum.reduce([pallidum, red, nigra]),
        brainstem=brainstem,
        ventricle=ventricle,
        cerebellum=cerebellum,
        detail=deep_detail(template, np.maximum(deep, cerebellum * soft_step(depth - 16.0, 6.0)), csf_share),
        side=np.broadcast_to(x, shape).astype(np.float32),
    )


def deep_detail(template: Template, deep: Field, csf_share: Field) -> Field:
    """What the template shows inside deep tissue: capsule, thalamic nuclei, tracts; relative to white matter."""
    white = float(np.median(template.t1[template.wm > 0.95]))
    sharp = template.t1 + 1.5 * (template.t1 - blur(template.t1, 1.5))
    detail = np.clip(sharp / white - 1.0, -0.15, 0.10) * deep * (csf_share < 0.25)
    return blur(detail.astype(np.float32), 0.5)


def without_lakes(level: Field, smallest: int) -> Field:
    """Push CSF pools of fewer than `smallest` voxels below the surface of the level field."""
    pools, count = ndimage.label(level > -0.3, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(pools.ravel(), minlength=count + 1)
    small = sizes < smallest
    small[0] = False
    result: Field = np.where(small[pools], np.float32(-1.0), level)
    return result


def cerebellum_folia(shape: tuple[int, int, int], rng: np.random.Generator) -> Field:
    """Thin concentric leaves around the fourth ventricle, in [-1, 1]."""
    x, y, z = world(shape)
    wobble = 0.05 * smooth_noise(rng, shape, 8.0) + 0.02 * smooth_noise(rng, shape, 3.0)
    outward = np.sqrt((0.55 * x) ** 2 + (y + 40.0) ** 2)
    radius = np.sqrt(outward**2 + (z + 32.0) ** 2)
    angle = np.arctan2(np.broadcast_to(z + 32.0, shape), np.broadcast_to(outward, shape)) + wobble
    spiral = 2.0 * np.pi * radius / 13.0
    leaves = np.cos(38.0 * angle + spiral) * soft_step((radius - 14.0).astype(np.float32), 8.0)
    finer = np.cos(76.0 * angle + 2.0 * spiral + 1.0) * soft_step((radius - 32.0).astype(np.float32), 8.0)
    result: Field = (0.85 * leaves + 0.4 * finer + 0.2 * smooth_noise(rng, shape, 4.0)).astype(np.float32)
    return result
