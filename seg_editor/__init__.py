"""Browse, edit and heal brain-MRI cases: what would this brain look like without the tumor?"""

from __future__ import annotations

__version__ = "0.1.0"
