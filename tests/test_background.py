"""Work in the background outlives what fails in it."""

import logging

import pytest

from gateway.background import keep_going


class Kinds(logging.Handler):
    """The kinds of failures that the log was told of."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.exc_info and "Work.run" in record.getMessage()
        self.told.append(record.exc_info[0])


class Work:
    """Fails as it is told to, then ends."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = [*failures]
        self.begun = 0

    def run(self) -> None:
        self.begun += 1
        if self.failures:
            raise self.failures.pop(0)


def test_it_begins_anew_after_a_failure() -> None:
    work = Work(OSError("full"), ValueError("odd"))
    keep_going(work.run, pause=0.001)
    assert work.begun == 3


def test_each_kind_of_failure_is_told_once() -> None:
    work = Work(OSError("full"), OSError("full"), ValueError("odd"), OSError("full"))
    kinds, log = Kinds(), logging.getLogger("gateway.background")
    log.addHandler(kinds)
    try:
        keep_going(work.run, pause=0.001)
    finally:
        log.removeHandler(kinds)
    assert kinds.told == [OSError, ValueError]


def test_it_ends_with_its_worker() -> None:
    work = Work(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        keep_going(work.run, pause=0.001)
    assert work.begun == 1
