"""Maps torch's libraries into memory before torch is imported, with the interpreter's lock free.

``import torch`` itself holds the lock for 0.2 to 0.4 s while the dynamic linker works, and a window would stand still.
The linker has a lock of its own: who imports another extension module meanwhile waits for it all the same.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

#: Opened in this order, as torch does: the first brings the symbols that all share, the last needs all others.
_LIBRARIES = (("libtorch_global_deps", ctypes.RTLD_GLOBAL), ("libtorch_python", ctypes.RTLD_LOCAL))


def map_torch() -> bool:
    """Map the libraries; whatever hinders it is left to ``import torch`` to say.

    Returns
    -------
    bool
        True when they lie in memory now; False after the import, where a library cannot be opened, and on other
        systems than Linux, where it was not tried.
    """
    if sys.platform != "linux" or "torch" in sys.modules:
        return False
    try:
        found = importlib.util.find_spec("torch")
        if found is None or found.origin is None:
            return False
        folder = Path(found.origin).parent / "lib"
        open_library = ctypes.CDLL(None).dlopen  # a foreign call frees the lock, ctypes.CDLL(path) does not
        open_library.restype, open_library.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
        return all(open_library(os.fsencode(folder / f"{name}.so"), os.RTLD_NOW | scope) for name, scope in _LIBRARIES)
    except (OSError, AttributeError, ValueError, ImportError):
        return False
