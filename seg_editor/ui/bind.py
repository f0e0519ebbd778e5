"""Tie a plain :class:`seg_editor.signal.Signal` to a widget: called on the GUI thread, cut off when the widget dies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.signal import Signal


class _Relay(QObject):
    """Lives in its owner's thread; a call from another thread arrives there through the event queue."""

    fired = pyqtSignal(object)

    def __init__(self, owner: QObject, slot: Callable[..., Any]) -> None:
        super().__init__(owner)
        self._slot: Callable[..., Any] | None = slot
        self.fired.connect(self._deliver)

    def fire(self, *args: Any) -> None:
        """Deliver in the owner's thread."""
        with suppress(RuntimeError):  # the owner can die while another thread emits
            self.fired.emit(args)

    def retire(self) -> None:
        """Let go of what the slot holds, and go."""
        self._slot = None
        with suppress(RuntimeError):  # the owner may have taken the relay along
            self.deleteLater()

    def _deliver(self, args: tuple[Any, ...]) -> None:
        if self._slot is not None:
            self._slot(*args)


def bind(owner: QObject, signal: Signal, slot: Callable[..., Any]) -> Callable[[], None]:
    """Call `slot` in `owner`'s thread whenever `signal` emits.

    Parameters
    ----------
    owner : QObject
        Usually the widget that shows the value; when it is destroyed the connection ends.
    signal : Signal
        The state object's signal; it may emit in any thread.
    slot : callable
        Takes what the signal emits. Same thread: called at once; other thread: queued.

    Returns
    -------
    callable
        Ends the connection; calling it twice is harmless.
    """
    relay = _Relay(owner, slot)
    ends = [signal.connect(relay.fire)]

    def cut() -> None:
        while ends:
            ends.pop()()

    # while Qt destroys the owner nothing of the relay may be touched: the signal only forgets it
    owner.destroyed.connect(lambda *_: cut())

    def stop() -> None:
        if ends:
            cut()
            relay.retire()

    return stop
