"""What the user is told of an error: always something, and of memory that ran out always the same."""

from __future__ import annotations

import errno

import pytest

from seg_editor.errors import NO_MEMORY, CaseError, out_of_memory, told

ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "8000000000 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 7.45 GiB for an array"),
        RuntimeError(ALLOCATOR),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8000000000 bytes."),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=repr,
)
def test_memory_that_ran_out_is_said_in_the_users_words(error: Exception) -> None:
    assert out_of_memory(error)
    assert told(error) == NO_MEMORY


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("the network broke"), "the network broke"),
        (ValueError("two\nlines"), "two lines"),
        (ValueError(), "ValueError"),
        (AssertionError("  "), "AssertionError"),
        (OSError(errno.ENOSPC, "No space left on device"), "[Errno 28] No space left on device"),
        (CaseError("no volume", remedy="Choose a folder"), "no volume. Choose a folder."),
    ],
    ids=repr,
)
def test_any_other_error_is_told_by_its_own_words_or_its_type(error: Exception, text: str) -> None:
    assert not out_of_memory(error)
    assert told(error) == text
