"""What this machine has for a run, found out without torch: memory, cores, a GPU, whether it computes in bfloat16."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

GB = 1e9
ASK_S = 5.0  # what nvidia-smi gets to answer
QUESTION = "name,memory.total,memory.used,compute_cap"
BF16_FROM = 8.0  # compute capability of NVIDIA's first GPUs that compute in bfloat16
CGROUP = Path("/sys/fs/cgroup")
BUSY = 0.5  # of the cores


@dataclass(frozen=True)
class Gpu:
    """The first GPU; sizes in GB."""

    name: str
    memory: float
    free: float
    bf16: bool


@dataclass(frozen=True)
class Machine:
    """What a run gets.

    Attributes:
        cores: physical ones.
        memory: of the machine, or what a container leaves of it, in GB.
        free: of that, in GB.
        bf16: whether the processor computes in bfloat16.
        gpu: the first; None where there is none that this installation of torch uses.
        load: processes that computed or waited to, on average of the last minute.
    """

    cores: int
    memory: float
    free: float
    bf16: bool
    gpu: Gpu | None = None
    load: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether other work takes so much of it that a run would feel it."""
        return self.load >= BUSY * self.cores

    @property
    def room(self) -> float:
        """Free memory of what a run computes on, in GB."""
        return self.gpu.free if self.gpu else self.free

    @property
    def half(self) -> bool:
        """Whether a run that does not say otherwise is in bfloat16; see core.training.arguments.precision."""
        return self.gpu.bf16 if self.gpu else self.bf16


def this_machine() -> Machine:
    """As it is now."""
    found = psutil.virtual_memory()
    limit = _limit()
    memory = min(found.total, limit) if limit else found.total
    free = min(found.available, memory - _used() if limit else memory)
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return Machine(cores, memory / GB, free / GB, _cpu_bf16(), _gpu(), psutil.getloadavg()[0])


def _limit() -> int | None:
    """What a container may use, in bytes."""
    return _number(CGROUP / "memory.max")


def _used() -> int:
    """What of it is taken and cannot be given back: pages of files can."""
    try:
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        pages = int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0))
    except (OSError, ValueError):
        pages = 0
    return max(0, (_number(CGROUP / "memory.current") or 0) - pages)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


@lru_cache(maxsize=1)
def _cpu_bf16() -> bool:
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def _gpu() -> Gpu | None:
    if platform.system() == "Darwin" or not shutil.which("nvidia-smi") or not _torch_has_cuda():
        return None
    command = ["nvidia-smi", f"--query-gpu={QUESTION}", "--format=csv,noheader,nounits", "--id=0"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return read_gpu(said)


def read_gpu(said: str) -> Gpu | None:
    """What nvidia-smi said of a GPU, in MiB; None where it said something else."""
    parts = [part.strip() for part in said.strip().split(",")]
    try:
        name, total, used, capability = parts[0], *map(float, parts[1:4])
    except (ValueError, IndexError):
        return None
    mib = 2**20 / GB
    return Gpu(name, total * mib, (total - used) * mib, capability >= BF16_FROM)


@lru_cache(maxsize=1)
def _torch_has_cuda() -> bool:
    try:
        return "+cpu" not in version("torch")
    except PackageNotFoundError:
        return False
