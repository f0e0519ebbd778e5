"""One animated picture of the demo case for the README: ``python packaging/live_gif.py docs/images/live.gif``.

The real window and the real model: the tumor is removed, the picture comes, a stroke brings a part back, the picture
follows, undo returns the first picture from the cache, then a swipe and the difference. Works without a display.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from director import Director

LIMIT = 3 << 20
WIDTH = 960
GRAYS, COLORS = 96, 128
COLORFUL = 24
SWIPES = 10


class Film(Director):
    """Collects frames instead of files."""

    def __init__(self, folder: Path, theme: str) -> None:
        super().__init__(folder, "", theme, None)
        self.window.setFixedSize(1380, 860)
        self.window.ui.crosshair = False
        self.frames: list[Any] = []
        self.durations: list[int] = []

    def frame(self, milliseconds: int, rest: float = 0.1) -> None:
        """Take a frame that stays for a while."""
        from PIL import Image
        from PyQt6.QtGui import QImage

        self.rest(rest)
        image = self.window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        bits = image.constBits()
        assert bits is not None
        data = bits.asstring(image.sizeInBytes())
        size = (image.width(), image.height())
        picture = Image.frombytes("RGB", size, data, "raw", "RGB", image.bytesPerLine())
        height = round(WIDTH * size[1] / size[0])
        self.frames.append(picture.resize((WIDTH, height), Image.Resampling.LANCZOS))
        self.durations.append(milliseconds)

    def follow(self) -> None:
        """Take frames of a run until its picture and its figures are there."""
        generation = self.window.generation
        seen = -1
        self.until(lambda: generation.running or generation.pending)
        while generation.running or generation.pending:
            self.application.processEvents()
            if generation.progress[0] > seen > -2 and generation.progress[0] % 2 == 1:
                seen = generation.progress[0]
                self.frame(140, 0.0)
        self.frame(1600)

    def perform(self) -> None:
        """The scenes."""
        window = self.window
        window.show()
        self.until(lambda: bool(window.generation.models) or bool(window.generation.model_problem))
        window.cases.open_demo()
        self.until(lambda: window.workspace is not None)
        self.trigger("layout_compare")
        self.frame(1400)
        window.generation.settings.live = True
        self.trigger("remove")
        self.frame(500, 0.02)
        self.follow()
        self.paint_back()
        self.follow()
        self.trigger("undo")
        self.frame(1200, 0.4)
        self.swipe()
        window.close()

    def paint_back(self) -> None:
        """A stroke over the middle of what was removed, with real mouse events."""
        workspace = self.window.workspace
        assert workspace is not None
        self.trigger("paint")
        workspace.view.active_label = workspace.case.scheme.label_values[1]
        x, y, z = workspace.view.cursor
        self.stroke([self.at((x - 6 + step, y - 8 + 2 * step, z)) for step in range(9)])
        self.frame(700, 0.02)

    def swipe(self) -> None:
        """The handle across the picture, and back to the difference."""
        window = self.window
        self.trigger("navigate")
        self.trigger("layout_single")
        self.trigger("show_result")
        self.trigger("compare_swipe")
        for number in range(SWIPES + 1):
            window.compare.state.fraction = 0.25 + 0.35 * number / SWIPES
            self.frame(90, 0.05)
        self.trigger("compare_plain")
        self.frame(1200)
        self.trigger("show_difference")
        self.frame(1800)

    def save(self, path: Path) -> int:
        """Write the frames with one palette; return the size in bytes."""
        palette = self.palette()
        small = [frame.quantize(palette=palette, dither=0) for frame in self.frames]
        small[0].save(path, save_all=True, append_images=small[1:], duration=self.durations, loop=0, optimize=False)
        return path.stat().st_size

    def palette(self) -> Any:
        """Return one palette for all frames: grays for the brain, the rest for what has a color."""
        import numpy as np
        from PIL import Image

        pixels = np.concatenate([np.asarray(frame)[::2, ::2].reshape(-1, 3) for frame in self.frames[::4]])
        colored = pixels[np.ptp(pixels.astype(np.int16), axis=1) > COLORFUL]
        rare = np.unique(colored // 8 * 8, axis=0)
        chosen = Image.fromarray(rare[None].astype(np.uint8)).quantize(COLORS, method=Image.Quantize.MEDIANCUT)
        colors = np.array((chosen.getpalette() or [])[: 3 * COLORS], np.uint8).reshape(-1, 3)
        grays = np.repeat(np.linspace(0, 255, GRAYS).astype(np.uint8)[:, None], 3, axis=1)
        made = Image.new("P", (1, 1))
        made.putpalette(np.concatenate([grays, colors]).tobytes())
        return made


def main() -> int:
    """Perform and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    options = parser.parse_args()
    film = Film(options.path.parent, options.theme)
    film.perform()
    size = film.save(options.path)
    print(f"{options.path}: {len(film.frames)} frames, {sum(film.durations) / 1000:.1f} s, {size / 2**20:.2f} MB")
    return 0 if size <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
