"""``python -m seg_editor``."""

from __future__ import annotations

from seg_editor.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
