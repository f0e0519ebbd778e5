from __future__ import annotations

import threading
from pathlib import Path

import pytest

from training.evaluate.files import whole


def test_writers_of_one_process_do_not_take_each_others_place(tmp_path: Path) -> None:
    """Two runs in threads had one temporary file, and the second found it gone."""
    path, met = tmp_path / "deep" / "table.json", threading.Barrier(2)
    errors: list[Exception] = []

    def write(text: str) -> None:
        try:
            with whole(path) as temporary:
                temporary.write_text(text)
                met.wait(30)
        except OSError as error:
            errors.append(error)

    both = [threading.Thread(target=write, args=(text,)) for text in ("one", "two")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert errors == []
    assert path.read_text() in ("one", "two")
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("old")

    def fail() -> None:
        with whole(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
