"""State objects that say when they change; widgets bind to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from seg_editor.signal import Signal

T = TypeVar("T")


class Observable:
    """Base of a state object: a :class:`Field` that changes emits its name through ``changed``."""

    def __init__(self) -> None:
        self.changed = Signal()

    def on(self, field: str, slot: Callable[[Any], Any]) -> Callable[[], None]:
        """Call `slot` with the new value whenever `field` changes; the returned function disconnects."""

        def only(name: str) -> None:
            if name == field:
                slot(getattr(self, field))

        return self.changed.connect(only)


class Field(Generic[T]):
    """A value of an :class:`Observable`; `check` may correct or refuse what is assigned."""

    def __init__(self, default: T, check: Callable[[Any, T], T] | None = None) -> None:
        self._default = default
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self._slot = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Field[T]: ...
    @overload
    def __get__(self, instance: Observable, owner: type) -> T: ...
    def __get__(self, instance: Observable | None, owner: type) -> T | Field[T]:
        if instance is None:
            return self
        value: T = instance.__dict__.get(self._slot, self._default)
        return value

    def __set__(self, instance: Observable, value: T) -> None:
        if self._check is not None:
            value = self._check(instance, value)
        if instance.__dict__.get(self._slot, self._default) != value:
            instance.__dict__[self._slot] = value
            instance.changed.emit(self._name)
