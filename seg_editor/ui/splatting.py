"""A 3D picture without OpenGL: points on surfaces drawn as small discs into a depth buffer (surface splatting).

Orthographic, so that lengths on the screen are lengths in mm. Numpy and scipy only; no Qt here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seg_editor.ui.surface import Floats, Points

_LIGHT = np.array([-0.35, 0.5, 0.79], dtype=np.float32)
_AMBIENT = 0.22
_GRAZING = (0.25, 0.5)
_SHARES = (0.5, 0.8, 1.0)


@dataclass(frozen=True)
class Layer:
    """One surface and how it looks.

    Parameters
    ----------
    points : Points
    color : tuple of int
        Red, green, blue.
    opacity : float
        Of what faces the viewer.
    rim : float
        Added opacity where the surface turns away: a high rim and a low opacity look like glass.
    """

    points: Points
    color: tuple[int, int, int]
    opacity: float = 1.0
    rim: float = 0.0


@dataclass(frozen=True)
class Turn:
    """Where the viewer stands.

    Parameters
    ----------
    azimuth : float
        Degrees from the front (0) toward the patient's right (90).
    elevation : float
        Degrees above the horizon.
    zoom : float
        1 fits the brain.
    shift : tuple of float
        Screen center in mm, right and up, from the middle of the scene.
    """

    azimuth: float = 35.0
    elevation: float = 18.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def matrix(self) -> Floats:
        """Rows: to the right of the screen, up, toward the viewer; in x, y, z of the patient."""
        a, e = np.radians(self.azimuth), np.radians(self.elevation)
        toward = np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])
        right = np.array([-np.cos(a), np.sin(a), 0.0])
        return np.array([right, np.cross(toward, right), toward], dtype=np.float32)

    def turned(self, across: float, up: float) -> Turn:
        """Return the view after a drag by degrees to the right and up."""
        return replace(
            self,
            azimuth=(self.azimuth + across) % 360.0,
            elevation=min(90.0, max(-90.0, self.elevation - up)),
        )


@dataclass(frozen=True, eq=False)
class Scene:
    """What is drawn, and the sphere that zoom 1 fits.

    Parameters
    ----------
    inner : tuple of Layer
        Tumor parts; each pixel shows them in the order of their depth.
    shell : Layer or None
        The brain, drawn over all of them.
    center : tuple of float
        Middle of the scene in mm.
    radius : float
        Half the extent in mm.
    """

    inner: tuple[Layer, ...] = ()
    shell: Layer | None = None
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius: float = 100.0

    @property
    def light(self) -> Scene:
        """The scene with the light versions of its surfaces, where they have one."""
        inner = tuple(replace(layer, points=layer.points.light or layer.points) for layer in self.inner)
        shell = None if self.shell is None else replace(self.shell, points=self.shell.points.light or self.shell.points)
        return replace(self, inner=inner, shell=shell)

    def scale(self, turn: Turn, width: int, height: int) -> float:
        """Return pixels per mm in a picture of `width` by `height`."""
        return turn.zoom * 0.94 * min(width, height) / (2 * self.radius)


@dataclass(frozen=True, eq=False)
class Shot:
    """A drawn picture.

    Parameters
    ----------
    colors : ndarray, shape (rows, columns, 3), uint8
    depth : ndarray, shape (rows, columns), float32
        mm toward the viewer from the middle of the scene: of the tumor where it shows, else of the brain, else NaN.
    """

    colors: NDArray[np.uint8]
    depth: Floats = field(repr=False)


def render(scene: Scene, turn: Turn, width: int, height: int) -> Shot:
    """Draw a scene.

    Parameters
    ----------
    scene : Scene
    turn : Turn
    width, height : int
        Size of the picture in pixels.
    """
    colors = np.zeros((height, width, 3), dtype=np.float32)
    depth = np.full((height, width), np.nan, dtype=np.float32)
    camera = _Camera(turn.matrix, np.asarray(scene.center, np.float32), turn.shift, scene.scale(turn, width, height))
    drawn = [_draw(layer, camera, (height, width)) for layer in scene.inner]
    _blend(colors, depth, [part for part in drawn if part is not None])
    shell = None if scene.shell is None else _draw(scene.shell, camera, (height, width))
    if shell is not None:
        _blend(colors, depth, [shell])
    return Shot(np.clip(colors, 0, 255).astype(np.uint8), depth)


def place_of(
    scene: Scene, turn: Turn, width: int, height: int, column: float, row: float, depth: float
) -> tuple[float, float, float]:
    """Return the point in mm of a pixel of the picture at a depth; the inverse of :func:`project`."""
    scale = scene.scale(turn, width, height)
    seen = np.array([(column - width / 2) / scale + turn.shift[0], (height / 2 - row) / scale + turn.shift[1], depth])
    x, y, z = seen @ turn.matrix + np.asarray(scene.center)
    return float(x), float(y), float(z)


def project(scene: Scene, turn: Turn, width: int, height: int, place: Sequence[float]) -> tuple[float, float, float]:
    """Return column, row and depth in mm of a point in mm."""
    scale = scene.scale(turn, width, height)
    x, y, depth = turn.matrix @ (np.asarray(place, dtype=np.float64) - scene.center)
    return (
        width / 2 + float(x - turn.shift[0]) * scale,
        height / 2 - float(y - turn.shift[1]) * scale,
        float(depth),
    )


@dataclass(frozen=True, eq=False)
class _Camera:
    matrix: Floats
    center: Floats
    shift: tuple[float, float]
    scale: float


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A layer in its own rectangle of the picture."""

    box: tuple[slice, slice]
    color: tuple[int, int, int]
    alpha: Floats
    shade: Floats
    depth: Floats


def _draw(layer: Layer, camera: _Camera, size: tuple[int, int]) -> _Drawn | None:
    points = layer.points
    facing = points.normals @ camera.matrix[2]
    seen = facing > 0.02
    places = (points.places[seen] - camera.center) @ camera.matrix.T
    reach = max(1, int(np.ceil(0.72 * points.pitch * camera.scale)))
    columns = np.rint((places[:, 0] - camera.shift[0]) * camera.scale + size[1] / 2).astype(np.int32)
    rows = np.rint(size[0] / 2 - (places[:, 1] - camera.shift[1]) * camera.scale).astype(np.int32)
    inside = (columns >= 0) & (columns < size[1]) & (rows >= 0) & (rows < size[0])
    if not inside.any():
        return None
    columns, rows, depth = columns[inside], rows[inside], places[inside, 2]
    facing = facing[seen][inside]
    light = np.maximum(points.normals[seen][inside] @ (_LIGHT @ camera.matrix), 0)
    shade = (_AMBIENT + (1 - _AMBIENT) * light) * points.tones[seen][inside]
    alpha = np.minimum(layer.opacity + layer.rim * (1 - facing) ** 2, 1.0)
    box, index = _splat((columns, rows), depth, np.digitize(facing, _GRAZING), reach, size)
    hit = index >= 0
    alpha_map = np.where(hit, alpha[index], 0).astype(np.float32)
    shade_map = np.where(hit, shade[index], 0).astype(np.float32)
    depth_map = np.where(hit, depth[index], -np.inf).astype(np.float32)
    cover = hit.astype(np.float32)
    for picture in (alpha_map, shade_map, cover):
        ndimage.uniform_filter(picture, 2 * ((reach + 1) // 2) + 1, output=picture, mode="constant")
    return _Drawn(box, layer.color, alpha_map, shade_map / np.maximum(cover, 1e-3), depth_map)


def _splat(
    at: tuple[NDArray[np.int32], NDArray[np.int32]],
    depth: Floats,
    kind: NDArray[np.intp],
    reach: int,
    size: tuple[int, int],
) -> tuple[tuple[slice, slice], NDArray[np.int32]]:
    """Return the rectangle that the discs cover, and for each of its pixels the number of the nearest point, or -1."""
    columns, rows = at
    margin = reach + 2
    top, left = int(rows.min()) - margin, int(columns.min()) - margin
    height, width = int(rows.max()) + margin + 1 - top, int(columns.max()) + margin + 1 - left
    low, high = float(depth.min()), float(depth.max())
    levels = ((depth - low) * (65535.0 / max(high - low, 1e-6))).astype(np.uint16)
    order = np.argsort(levels, kind="stable").astype(np.int32)
    base = (rows[order] - top) * width + (columns[order] - left)
    offsets = _discs(reach, width)[kind[order]]
    flat = np.full(height * width, -1, dtype=np.int32)
    flat[(base[:, None] + offsets).ravel()] = np.repeat(order, offsets.shape[1])
    index = flat.reshape(height, width)
    keep_rows = slice(max(0, -top), height - max(0, top + height - size[0]))
    keep_columns = slice(max(0, -left), width - max(0, left + width - size[1]))
    box = (slice(max(top, 0), min(top + height, size[0])), slice(max(left, 0), min(left + width, size[1])))
    return box, index[keep_rows, keep_columns]


@lru_cache(maxsize=64)
def _discs(reach: int, width: int) -> NDArray[np.int32]:
    """Return the pixels of a disc for each class of :data:`_GRAZING`, as offsets; small ones repeat their middle.

    Points that turn away from the viewer lie close together on the screen: large discs would only swell the outline.
    """
    across = np.arange(-reach, reach + 1)
    rows, columns = np.meshgrid(across, across, indexing="ij")
    offset, away = rows * width + columns, np.hypot(rows, columns)
    full = away <= reach + 0.3
    discs = [np.where(away <= share * reach + 0.3, offset, 0)[full] for share in _SHARES]
    return np.array(discs, dtype=np.int32)


def _blend(colors: Floats, depth: Floats, parts: list[_Drawn]) -> None:
    """Draw layers over the picture, in every pixel the farthest first; keep the depth of the nearest where none was."""
    if not parts:
        return
    rows = slice(min(p.box[0].start for p in parts), max(p.box[0].stop for p in parts))
    columns = slice(min(p.box[1].start for p in parts), max(p.box[1].stop for p in parts))
    shape = (len(parts), rows.stop - rows.start, columns.stop - columns.start)
    alpha, shade = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    depths = np.full(shape, -np.inf, np.float32)
    for number, part in enumerate(parts):
        down, across = part.box
        at = (
            number,
            slice(down.start - rows.start, down.stop - rows.start),
            slice(across.start - columns.start, across.stop - columns.start),
        )
        alpha[at], shade[at], depths[at] = part.alpha, part.shade, part.depth
    tints = np.array([part.color for part in parts], dtype=np.float32)
    place = colors[rows, columns]
    order = np.argsort(depths, axis=0) if len(parts) > 1 else np.zeros(shape, dtype=np.intp)
    for rank in range(len(parts)):
        layer = order[rank : rank + 1]
        a = np.take_along_axis(alpha, layer, 0)[0][:, :, None]
        s = np.take_along_axis(shade, layer, 0)[0][:, :, None]
        place += a * (s * tints[layer[0]] - place)
    nearest = depths.max(axis=0)
    seen = depth[rows, columns]
    depth[rows, columns] = np.where(np.isnan(seen) & np.isfinite(nearest), nearest, seen)
