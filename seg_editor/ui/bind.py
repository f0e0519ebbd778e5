"""Tie a plain :class:`seg_editor.signal.Signal` to a widget: called on the GUI thread, cut off when the widget dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.signal import Signal


class _Relay(QObject):
    """Lives in its owner's thread; a call from another thread arrives there through the event queue."""

    fired = pyqtSignal(object)

    def __init__(self, owner: QObject, slot: Callable[..., Any]) -> None:
        super().__init__(owner)
        self._slot = slot
        self.fired.connect(self._deliver)

    def _deliver(self, args: tuple[Any, ...]) -> None:
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
    disconnect = signal.connect(lambda *args: relay.fired.emit(args))
    owner.destroyed.connect(lambda *_: disconnect())

    def stop() -> None:
        disconnect()
        relay.fired.disconnect()

    return _once(stop)


def _once(function: Callable[[], None]) -> Callable[[], None]:
    called = False

    def guarded() -> None:
        nonlocal called
        if not called:
            called = True
            function()

    return guarded
