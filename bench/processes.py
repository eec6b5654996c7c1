"""Measures whole processes: seconds, and the peak memory of a process and its children."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path


def timed(command: list[str], *, stdin: Path | None = None, stdout: Path | None = None) -> float:
    """Wall seconds of a whole process."""
    begun = time.perf_counter()
    with open(stdin or os.devnull, "rb") as source, open(stdout or os.devnull, "wb") as target:
        subprocess.run(command, stdin=source, stdout=target, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def peak_memory(command: list[str], *, stdin: Path | None = None) -> float:
    """Megabytes of a process and its children together; watching slows it, so it is not the run that is timed."""
    peak = [0]
    with open(stdin or os.devnull, "rb") as source:
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watch = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
        watch.start()
        if code := process.wait():
            raise subprocess.CalledProcessError(code, command)
    return peak[0] / 1e6


def _watch(pid: int, peak: list[int]) -> None:
    while os.path.exists(f"/proc/{pid}"):
        peak[0] = max(peak[0], _resident(pid))
        time.sleep(0.05)


def _resident(pid: int) -> int:
    """Proportional set size of a process and its descendants: shared pages are counted once."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += _resident(int(child))
    except OSError:
        pass
    return total
