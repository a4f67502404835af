"""What the gateway takes at rest, and how soon it answers."""

import time
from collections.abc import Iterator
from statistics import median

from bench import process, wire
from bench.servers import CHAT, Gateway
from bench.stage import Row, Stage, tell

MEMORY_BOUND = 110.0
START_BOUND = 2.0
_STARTS = 5


def memory(stage: Stage) -> Iterator[Row]:
    """The whole process tree, one worker, at rest after the first call."""
    with Gateway(stage.folder / "memory") as gateway:
        key = stage.new_client(gateway)
        gateway.call("POST", CHAT, wire.question("whole"), key)
        time.sleep(1)
        taken = process.memory_mb(gateway.pid)
    yield Row("memory", f"{taken:.0f} MB", bound=f"{MEMORY_BOUND:g} MB", met=taken <= MEMORY_BOUND)


def start(stage: Stage) -> Iterator[Row]:
    """From the command to the first answered call, on an installation that is ready."""
    gateway = Gateway(stage.folder / "start")
    with gateway:
        key = stage.new_client(gateway)
    starts = [_seconds_to_answer(gateway, key) for _ in range(_STARTS)]
    took = median(starts)
    yield Row("start", f"{took:.2f} s", bound=f"{START_BOUND:g} s", met=took <= START_BOUND)


def _seconds_to_answer(gateway: Gateway, key: str) -> float:
    began = time.monotonic()
    try:
        gateway.start()
        while gateway.attempt("POST", CHAT, wire.question("whole"), key) != 200:
            time.sleep(0.005)
        took = time.monotonic() - began
    finally:
        gateway.stop()
    tell(f"start: {took:.2f} s")
    return took
