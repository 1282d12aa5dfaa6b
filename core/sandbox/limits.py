"""What a confined process may use."""

from __future__ import annotations

import math
from dataclasses import dataclass

THREADS = 64  # of one program and its server, where they run as a user of their own


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        wall_s: seconds from its start to its end.
        memory_mb: MiB of address space that it may have in all; what it cannot get is a MemoryError of its own. An idle
            program has about 70.
        output_bytes: bytes of standard output and of standard error, each.
        open_files: open files at a time.
    """

    wall_s: float = 2.0
    memory_mb: int = 256
    output_bytes: int = 8 << 20
    open_files: int = 64

    def numbers(self) -> dict[str, int]:
        """As the server takes them."""
        return {
            "memory": self.memory_mb << 20,
            "cpu": math.ceil(self.wall_s) + 1,
            "output": self.output_bytes,
            "files": self.open_files,
            "processes": THREADS,
        }
