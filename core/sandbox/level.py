"""How well the sandbox holds on this machine, found out by trying what is forbidden."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from core.sandbox.client import Pool, SandboxError, file_of
from core.sandbox.limits import Limits

# Each act is tried in a child like any program's; one that succeeds is named in the level.
PROBE = """
import ctypes, json, mmap, os, resource, socket
def fork():
    if os.fork() == 0:
        os._exit(0)
acts = {
    "read files": lambda: open("/proc/self/status").read(),
    "list folders": lambda: os.listdir("/"),
    "write files": lambda: open("/tmp/signalbox-probe", "w").close() or os.unlink("/tmp/signalbox-probe"),
    "use the network": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "send datagrams": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "reach local services": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "start processes": fork,
    "signal other processes": lambda: os.kill(os.getppid(), 0),
    "make memory executable": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "lift its limits": lambda: resource.setrlimit(resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS)),
    "use memory without limit": lambda: bytearray(1 << 30),
}
done = []
for name, act in acts.items():
    try:
        act()
    except (OSError, MemoryError, ValueError):
        continue
    done.append(name)
print(json.dumps(done))
"""


@dataclass(frozen=True)
class Level:
    """How well the sandbox holds here.

    Attributes:
        name: "strong" (system calls filtered, limits, Landlock), "good" (the same without Landlock), "weak" (no filter,
            or something forbidden could be done) or "none" (programs cannot be run).
        layers: what is active, by name.
        possible: what a program can do although it should not.
        reason: why programs cannot be run; empty where they can.
    """

    name: str
    layers: Mapping[str, bool]
    possible: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        """One line for people."""
        if self.name == "none":
            return f"Sandbox: none. Programs cannot be run here: {self.reason}"
        names = {"seccomp": "system calls filtered", "landlock": "no files by Landlock", "user": "not root"}
        active = ["limits", *(text for layer, text in names.items() if self.layers.get(layer))]
        found = f"Sandbox: {self.name} ({', '.join(active)})"
        return f"{found}. A program here can {', '.join(self.possible)}" if self.possible else found


def level(pool: Pool | None = None) -> Level:
    """Try out what a program of this process can do. Takes a few tenths of a second the first time.

    Args:
        pool: whose servers to try; None for one like all others, of which the answer is remembered.
    """
    global _usual
    if pool is not None:
        return _tried(pool)
    if _usual is None:
        pool = Pool()
        found = _tried(pool)
        pool.close()
        if found.name == "none":  # perhaps for want of memory, or of a file that is there again next time
            return found
        _usual = found
    return _usual


_usual: Level | None = None


def _tried(pool: Pool) -> Level:
    try:
        with file_of(PROBE.encode()) as program, file_of() as stdin, file_of() as stdout, file_of() as stderr:
            limits = Limits(wall_s=10.0, memory_mb=512)
            files = {"program": program, "stdin": stdin, "stdout": stdout, "stderr": stderr}
            with pool.server() as server:
                layers = server.layers
                server.run({"kind": "program", "wall_s": limits.wall_s, "limits": limits.numbers()}, files)
            stdout.seek(0)
            said = stdout.read()
            stderr.seek(0)
            if not said:
                raise SandboxError(f"the probe said nothing: {stderr.read().decode('utf-8', 'replace')[-300:]}")
            possible = tuple(json.loads(said))
    except SandboxError as error:
        return Level("none", {}, reason=str(error))
    if not layers["seccomp"] or possible:
        return Level("weak", layers, possible)
    return Level("strong" if layers["landlock"] else "good", layers)
