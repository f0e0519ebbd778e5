"""Names that the command line shows before anything heavy is loaded."""

from __future__ import annotations

#: Fills that need no training; :data:`training.evaluate.baselines.FILLS` has the code.
BASELINES = ("ring-mean", "harmonic", "biharmonic", "mirrored", "donor")
