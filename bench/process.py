"""What the kernel knows of a process: its CPU, its memory, its descriptors, its cores."""

import os
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads, to the nanosecond."""
    # The clock id that clock_getcpuclockid(3) makes of a pid.
    return time.clock_gettime((~pid << 3) | 2)


def waited_seconds(pid: int) -> float:
    """How long its main thread was ready to run while others had its core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def memory_mb(pid: int) -> float:
    """The proportional set size of the whole tree."""
    return sum(map(_pss_kb, tree(pid))) / 1024


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def connections(pid: int, port: int) -> int:
    """Its open connections to a port of this machine."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    there = {row[9] for row in rows if int(row[2].rpartition(":")[2], 16) == port}
    return len(there & _sockets(pid))


def _sockets(pid: int) -> set[str]:
    """Their inodes."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return {link[8:-1] for link in links if link.startswith("socket:")}


def pin(pid: int, cores: set[int]) -> None:
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)


def cores() -> tuple[set[int], set[int]]:
    """One core for the worker, the others for the load; both the same where there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[-1]}, set(usable[:-1]) or {usable[-1]}


def core_use(core: int, seconds: float) -> float:
    """The share of the next `seconds` in which somebody uses a core."""
    before, began = _idle_seconds(core), time.monotonic()
    time.sleep(seconds)
    idle = _idle_seconds(core) - before
    return max(0.0, 1 - idle / (time.monotonic() - began))


def _idle_seconds(core: int) -> float:
    """Since the machine's start; those in which it waited for a disk among them."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            return (int(ticks[3]) + int(ticks[4])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
