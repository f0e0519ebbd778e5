"""The counterfactuals made in this session; a new run never takes an older one away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seg_editor.signal import Signal

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual


class Results:
    """A list of results with one current; ``changed`` emits after every change."""

    def __init__(self) -> None:
        self.changed = Signal()
        self._items: list[Counterfactual] = []
        self._current: Counterfactual | None = None

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Counterfactual]:
        return iter(tuple(self._items))

    def __getitem__(self, index: int) -> Counterfactual:
        return self._items[index]

    @property
    def current(self) -> Counterfactual | None:
        """The result shown, or None."""
        return self._current

    @current.setter
    def current(self, result: Counterfactual | None) -> None:
        if result is self._current:
            return
        if result is not None and not any(item is result for item in self._items):
            self._items.append(result)
        self._current = result
        self.changed.emit()

    def add(self, result: Counterfactual) -> None:
        """Keep `result` and show it; one with the same request is replaced."""
        self._items = [item for item in self._items if item.request.key != result.request.key]
        self._items.append(result)
        self._current = result
        self.changed.emit()

    def find(self, key: str) -> Counterfactual | None:
        """The result of the request with this key, or None."""
        return next((item for item in self._items if item.request.key == key), None)

    def remove(self, result: Counterfactual) -> None:
        """Drop `result`; the newest of the others is shown if it was the current one."""
        self._items = [item for item in self._items if item is not result]
        if self._current is result:
            self._current = self._items[-1] if self._items else None
        self.changed.emit()
