"""A minimal observer, so that state objects outside ``ui`` can tell others that they changed without knowing Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Slot = Callable[..., Any]


class Signal:
    """A list of callables, called in the order in which they connected."""

    def __init__(self) -> None:
        self._slots: list[Slot] = []

    def connect(self, slot: Slot) -> Callable[[], None]:
        """Call `slot` at every :meth:`emit`; the returned function disconnects it (calling that twice is harmless)."""
        slots = self._slots  # the list itself: disconnecting must work even after this object was collected
        slots.append(slot)

        def disconnect() -> None:
            if slot in slots:
                slots.remove(slot)

        return disconnect

    def emit(self, *args: Any) -> None:
        """Call every slot with `args`; slots may connect and disconnect while this runs."""
        for slot in tuple(self._slots):
            slot(*args)
