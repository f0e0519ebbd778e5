"""What the captions call a result, a mixture of two and a difference: in full, and shorter where room is scarce. No Qt.

Every name is a tuple of wordings, longest first. A shorter one still tells the result from all others on display.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seg_editor.export.names import steps_text
from seg_editor.ui.captions import Wordings, model_name
from seg_editor.ui.state import Role

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.ui.content import Pictures

_ALL = (0, 1, 2)
_CHOICES = (_ALL, (0, 2), (1, 2), (2,), (0, 1), (1,), (0,), ())
_MINUS = " − "


def title_of(result: Counterfactual | None, beside: Counterfactual | None = None, number: int = 0) -> str:
    """Return what tells a result from another: model, steps and seed; of the first two what `beside` has otherwise.

    `number` is that of the history, where all three are alike; 0 for none.
    """
    if result is None:
        return Role.RESULT.display
    request, other = result.request, None if beside is None else beside.request
    parts = [f"seed {request.seed}"]
    if other is None or (other.model, other.steps) != (request.model, request.steps):
        parts.insert(0, steps_text(request.steps))
    if other is None or other.model != request.model:
        parts.insert(0, model_name(request.model))
    return " · ".join([f"#{number}", *parts] if number else parts)


def name_of(result: Counterfactual | None, pictures: Pictures) -> str:
    """Return the title of a result; its number leads where another one in the history has the same title."""
    return title_of(result, number=0 if result is None else pictures.number_of(result.request.key))


def names_of(result: Counterfactual | None, pictures: Pictures) -> Wordings:
    """Return the wordings of :func:`name_of`."""
    if result is None:
        return (Role.RESULT.display,)
    return tuple(_told(result, pictures, choice) for choice in _telling(pictures, result))


def both(
    shown: Counterfactual | None, against: Counterfactual | None, pictures: Pictures, instead: str = ""
) -> Wordings:
    """Return the wordings for the two pictures of a mixture, first and second.

    Parameters
    ----------
    shown : Counterfactual or None
        The second picture.
    against : Counterfactual or None
        The first; None for the source.
    pictures : Pictures
    instead : str
        What is shown in place of `shown`: the mean of several seeds, or a step of a run.
    """
    if against is None or shown is None:
        seconds = (instead,) if instead else names_of(shown, pictures)
        return tuple(f"{Role.SOURCE.display} | {second}" for second in seconds)
    if instead or shown.request.key == against.request.key:
        firsts = names_of(against, pictures)
        return tuple(f"{first} | {instead or first}" for first in firsts)
    told = []
    for choice in _telling(pictures, shown, against):
        first, second, shared = _apart(against, shown, pictures, choice)
        if title_of(shown) == title_of(against):
            told.append(" · ".join(filter(None, (f"{first} | {second}", shared))))
        else:
            told.append(f"{shared}: {first} | {second}" if shared else f"{first} | {second}")
    told.append(f"{names_of(against, pictures)[-1]} | {names_of(shown, pictures)[-1]}")
    return _by_length(told)


def difference_of(
    shown: Counterfactual | None, against: Counterfactual | None, pictures: Pictures, step: str = ""
) -> Wordings:
    """Return the wordings for what is taken from what; None as `against` is the source."""
    whole = Role.DIFFERENCE.display
    told = list(_taken(shown, against, pictures, step))
    return tuple(dict.fromkeys((*(f"{whole}: {text}" for text in told), told[-1])))


def _taken(shown: Counterfactual | None, against: Counterfactual | None, pictures: Pictures, step: str) -> Wordings:
    source = Role.SOURCE.display.lower()
    if against is None:
        if step or shown is None:
            return (f"{step or Role.RESULT.display.lower()}{_MINUS}{source}",)
        without_steps = [choice for choice in _telling(pictures, shown) if choice != _ALL] or [_ALL]
        return tuple(f"{_told(shown, pictures, choice)}{_MINUS}{source}" for choice in without_steps)
    if step or shown is None or shown.request.key == against.request.key:
        lead = (step,) if step else names_of(shown, pictures)
        return tuple(f"{lead[0]}{_MINUS}{name}" for name in names_of(against, pictures))
    told = []
    if title_of(shown) != title_of(against):
        told.append(f"{name_of(shown, pictures)}{_MINUS}{title_of(against, shown, _number(against, pictures))}")
    for choice in _telling(pictures, shown, against):
        one, other, _ = _apart(shown, against, pictures, choice)
        told.append(f"{one}{_MINUS}{other}")
    told.append(f"{names_of(shown, pictures)[-1]}{_MINUS}{names_of(against, pictures)[-1]}")
    return _by_length(told)


def _by_length(told: list[str]) -> Wordings:
    """Every wording once, longest first."""
    return tuple(sorted(dict.fromkeys(told), key=len, reverse=True))


def _number(result: Counterfactual, pictures: Pictures) -> int:
    return pictures.number_of(result.request.key)


def _parts(result: Counterfactual) -> tuple[str, str, str]:
    request = result.request
    return model_name(request.model), steps_text(request.steps), f"seed {request.seed}"


def _told(result: Counterfactual, pictures: Pictures, choice: tuple[int, ...]) -> str:
    number, parts = _number(result, pictures), _parts(result)
    return " · ".join([f"#{number}"] * bool(number) + [parts[index] for index in choice])


def _telling(pictures: Pictures, *results: Counterfactual) -> list[tuple[int, ...]]:
    """The choices of parts that tell each of `results` from every other one on display; all parts come first."""
    known = [other for other in (pictures.result, pictures.against, *pictures.others) if other is not None]

    def tells(choice: tuple[int, ...]) -> bool:
        for result in results:
            mine = _told(result, pictures, choice)
            others = (other for other in (*known, *results) if other.request.key != result.request.key)
            if not mine or any(_told(other, pictures, choice) == mine for other in others):
                return False
        return True

    return [_ALL, *(choice for choice in _CHOICES[1:] if tells(choice))]


def _apart(
    one: Counterfactual, other: Counterfactual, pictures: Pictures, choice: tuple[int, ...]
) -> tuple[str, str, str]:
    """What each of two results has for itself, and what they share, of a choice of parts."""
    mine, yours = _parts(one), _parts(other)
    own = tuple(index for index in choice if mine[index] != yours[index])
    shared = " · ".join(mine[index] for index in choice if index not in own)
    return _told(one, pictures, own), _told(other, pictures, own), shared
