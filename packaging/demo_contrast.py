"""From tissue shares to the gray values of T1, T1c, T2 and FLAIR, with scanner effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from demo_noise import Field, as_field, blur, smooth_noise
from demo_tumor import Tumor


@dataclass(frozen=True)
class Tissue:
    """Shares in [0, 1] of the displaced healthy brain on the case grid (x, y, z)."""

    csf: Field
    gm: Field
    wm: Field
    nuclei: Field
    pallidum: Field
    brainstem: Field
    ventricle: Field
    brain: Field
    depth: Field
    falx: Field
    side: Field
    detail: Field


@dataclass(frozen=True)
class Contrast:
    """Signal of each tissue in gray levels, and how the scanner blurs and shakes it."""

    csf: float
    gm: float
    wm: float
    nuclei: float
    pallidum: float
    brainstem: float
    edema: float
    rim: float
    necrosis: float
    vessel: float
    vessel_share: float
    noise: float
    blur: float
    bias: float
    texture: float
    detail: float


CONTRASTS = {
    "t1": Contrast(68, 190, 252, 212, 240, 238, 178, 178, 112, 215, 0.25, 6.6, 0.42, 0.13, 0.015, 0.5),
    "t1ce": Contrast(62, 168, 200, 180, 196, 190, 152, 350, 98, 470, 1.0, 6.2, 0.45, 0.12, 0.02, 0.5),
    "t2": Contrast(590, 180, 126, 158, 100, 132, 275, 235, 400, 60, 0.7, 5.0, 0.45, 0.10, 0.025, -1.0),
    "flair": Contrast(44, 222, 160, 172, 132, 134, 278, 250, 205, 110, 0.4, 6.0, 0.5, 0.12, 0.025, -0.6),
}


def vessels(tissue: Tissue, rng: np.random.Generator) -> Field:
    """Veins and arteries in the CSF, the big sinuses and the choroid plexus: soft share in [0, 1]."""
    shape = (tissue.csf.shape[0], tissue.csf.shape[1], tissue.csf.shape[2])
    sulcal = blur(tissue.csf, 0.8) * (1.0 - tissue.ventricle)
    thin = np.zeros(shape, dtype=np.float32)
    for wave, width in ((4.0, 0.15), (6.0, 0.13)):
        first, second = smooth_noise(rng, shape, wave), smooth_noise(rng, shape, wave)
        caliber = np.clip(1.2 + 0.5 * smooth_noise(rng, shape, 12.0), 0.2, 1.8)
        thin = np.maximum(thin, 1.5 * caliber * np.exp(-((first / width) ** 2 + (second / width) ** 2)))
    thin *= np.clip(2.2 * sulcal, 0.0, 1.0)
    y = np.arange(shape[1], dtype=np.float32)[None, :, None]
    z = np.arange(shape[2], dtype=np.float32)[None, None, :]
    wide = 1.2 + 0.35 * np.clip(5.0 - tissue.depth, 0.0, 5.0)
    sagittal = np.exp(-((tissue.side / wide) ** 4)) * np.clip((6.0 - tissue.depth) / 2.0, 0.0, 1.0)
    sagittal = sagittal * ((z > 95) | ((y < 70) & (z > 45))) * np.clip(0.35 + tissue.csf, 0.0, 1.0)
    dura = tissue.falx * np.clip(0.65 + 0.35 * smooth_noise(rng, shape, 6.0), 0.1, 1.0)
    shell = np.clip(2.2 - tissue.depth, 0.0, 1.0) * np.clip(smooth_noise(rng, shape, 4.0) - 1.2, 0.0, 0.7)
    plexus = tissue.ventricle * np.clip(1.5 * smooth_noise(rng, shape, 1.6) - 1.0, 0.0, 1.0)
    plexus = plexus * ((y < 112) & (z < 84) & (np.abs(tissue.side) > 7.0))
    share = np.clip(np.maximum.reduce([thin, sagittal, 0.6 * dura, shell, 0.7 * plexus]), 0.0, 1.0) * tissue.brain
    return as_field(share)


def render(name: str, tissue: Tissue, tumor: Tumor, vessel: Field, rng: np.random.Generator) -> Field:
    """One modality as float32 gray values, background 0."""
    c = CONTRASTS[name]
    shape = (tissue.csf.shape[0], tissue.csf.shape[1], tissue.csf.shape[2])
    white = c.wm + (c.brainstem - c.wm) * tissue.brainstem
    gray = c.gm + (c.nuclei - c.gm) * np.clip(2.0 * tissue.nuclei, 0.0, 1.0)
    white = white * (1.0 - tissue.nuclei) + c.nuclei * tissue.nuclei
    still = 0.74 + 0.26 * tissue.ventricle if name == "t2" else 1.0
    healthy = c.csf * still * tissue.csf + gray * tissue.gm + white * tissue.wm
    healthy += (c.pallidum - healthy) * tissue.pallidum * (1.0 - tissue.csf)
    healthy *= 1.0 + c.detail * tissue.detail
    if name == "flair":
        lining = (
            blur(tissue.ventricle, 1.6) * (1.0 - tissue.csf) * np.clip(1.0 + smooth_noise(rng, shape, 5.0), 0.0, 2.0)
        )
        healthy += 0.35 * c.wm * lining
    texture = smooth_noise(rng, shape, 2.0) + smooth_noise(rng, shape, 5.0) + 1.2 * smooth_noise(rng, shape, 9.0)
    healthy *= 1.0 + c.texture * texture
    image = healthy + (c.vessel - healthy) * vessel * c.vessel_share
    wetness = tumor.edema * (1.0 - tissue.csf) * (0.35 + 0.65 * tissue.wm * (1.0 - 0.6 * tissue.nuclei))
    patchy = 1.0 + 0.10 * smooth_noise(rng, shape, 6.0) + 0.04 * smooth_noise(rng, shape, 2.0)
    image += (c.edema * patchy - image) * np.clip(0.95 * wetness, 0.0, 1.0)
    grain = 1.0 + 0.16 * smooth_noise(rng, shape, 1.6) + 0.12 * smooth_noise(rng, shape, 4.0)
    image += (c.rim * grain - image) * np.clip(tumor.rim, 0.0, 1.0)
    debris = 1.0 + 0.14 * smooth_noise(rng, shape, 2.2) + 0.12 * smooth_noise(rng, shape, 5.0)
    image += (c.necrosis * debris - image) * tumor.necrosis
    fringe = np.clip(1.9 - tissue.depth, 0.0, 1.0) * np.clip(0.55 + 0.35 * smooth_noise(rng, shape, 1.5), 0.0, 0.95)
    image *= 1.0 - fringe * (1.0 - vessel * c.vessel_share)
    return scan(as_field(image), c, tissue, rng)


def scan(image: Field, contrast: Contrast, tissue: Tissue, rng: np.random.Generator) -> Field:
    """Bias field, in-plane blur, slice-to-slice gain, Rician noise; zero outside the brain."""
    shape = (image.shape[0], image.shape[1], image.shape[2])
    bias = as_field(np.exp(contrast.bias * 0.6 * smooth_noise(rng, shape, 45.0)))
    gain = as_field(1.0 + 0.008 * rng.standard_normal((shape[2],)))
    image = blur(image, contrast.blur) * np.clip(bias, 0.85, 1.15) * gain
    sigma = contrast.noise
    real, imaginary = (receiver_noise(rng, shape) for _ in range(2))
    noisy = np.sqrt((image + sigma * real) ** 2 + (sigma * imaginary) ** 2)
    result: Field = (noisy * (tissue.brain > 0.5)).astype(np.float32)
    return result


def receiver_noise(rng: np.random.Generator, shape: tuple[int, int, int]) -> Field:
    """Unit noise with the short correlation that resampling to the 1 mm grid leaves."""
    white = rng.standard_normal(shape).astype(np.float32)
    noise = 0.35 * white + blur(white, 0.6)
    result: Field = (noise / noise.std()).astype(np.float32)
    return result
