"""The seccomp filters of the sandbox, compiled for this machine's architecture.

Two, one on top of the other: the server's, which its children inherit, allows what Python and the server itself need
and nothing else; the children's takes away what only the server needs, such as starting processes. Refused calls that
open or look for files fail with EPERM, which Python reports as PermissionError; all others with ENOSYS, so that a C
library which tries a newer call first falls back to an older one.

Source: seccomp(2); the kernel's documentation of seccomp filters.
"""

from __future__ import annotations

import errno
from functools import cache

from seccompy import Action, ArgCmp, CmpOp, Filter, UnsupportedError
from seccompy.syscalls import syscall_nr

READ_WRITE = "read write readv writev pread64 pwrite64 lseek close dup dup2 dup3 pipe pipe2 fstat ftruncate fsync"
MEMORY = "munmap mremap madvise brk msync mincore"
TIME = """
clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getitimer setitimer alarm timer_create
timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime
"""
SIGNALS = """
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause restart_syscall
"""
WAITING = "poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd eventfd2"
THREADS = "futex futex_waitv set_robust_list get_robust_list rseq sched_yield sched_getaffinity membarrier"
SELF = """
getpid gettid getppid getuid geteuid getgid getegid getpgrp getpgid getsid getgroups getresuid getresgid getrusage
uname sysinfo getrandom getcwd exit exit_group set_tid_address arch_prctl getcpu getpriority umask
"""
SOCKETS = "shutdown"
SERVER_ONLY = """
wait4 waitid kill setsid sched_setaffinity prctl prlimit64 setrlimit seccomp recvmsg close_range chdir
"""
FILES = """
open openat openat2 creat access faccessat faccessat2 stat lstat newfstatat statx statfs fstatfs readlink readlinkat
getdents getdents64 mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat chmod
fchmod fchmodat chown fchown lchown fchownat truncate utime utimes utimensat mknod mknodat chroot mount umount2
execve execveat fork vfork socket connect bind listen accept accept4 ptrace
"""

# What glibc starts a thread with. All of it: without CLONE_FILES a thread would have descriptors of its own, and with
# them as much of the kernel's memory again; without CLONE_THREAD it would be a process.
THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000  # VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
CLONE_NEW = 0x7E020000 | 0x00000080  # namespaces of every kind
EXECUTABLE = 4  # PROT_EXEC
DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030  # not F_SETOWN, which can send signals
IOCTLS = (0x5421, 0x5450, 0x5451)  # FIONBIO, FIONCLEX, FIOCLEX
UNIX, STREAM = 1, 1
URGENT = 1  # MSG_OOB
SOCKET_KIND = 0xF


@cache
def filters() -> tuple[bytes, bytes]:
    """The server's filter and the children's; empty both where the architecture is not known, or not Linux."""
    try:
        return _server().program, _child().program
    except UnsupportedError:
        return b"", b""


def _server() -> Filter:
    found = Filter(default=int(Action.ERRNO) | errno.ENOSYS)
    for name in f"{READ_WRITE} {MEMORY} {TIME} {SIGNALS} {WAITING} {THREADS} {SELF} {SOCKETS} {SERVER_ONLY}".split():
        if _known(name):
            found.allow(name)
    for name in ("mmap", "mprotect"):
        found.allow(name, args=[ArgCmp(2, CmpOp.MASKED_EQ, 0, EXECUTABLE)])
        found.errno(name, errno.EPERM)
    for command in (DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC):
        found.allow("fcntl", args=[_low(1, command)])
    for request in IOCTLS:
        found.allow("ioctl", args=[_low(1, request)])
    found.errno("ioctl", errno.ENOTTY)
    found.allow("clone", args=[ArgCmp(0, CmpOp.MASKED_EQ, 0, CLONE_NEW)])
    found.errno("clone", errno.EPERM)
    found.allow("socketpair", args=[_low(0, UNIX), ArgCmp(1, CmpOp.MASKED_EQ, STREAM, SOCKET_KIND)])
    found.errno("socketpair", errno.EPERM)
    # Between the ends of a pair, for asyncio: without an address, and without urgent data, a rare path of the kernel.
    found.allow("sendto", args=[ArgCmp(3, CmpOp.MASKED_EQ, 0, URGENT), ArgCmp(4, CmpOp.EQ, 0)])
    found.allow("recvfrom", args=[ArgCmp(3, CmpOp.MASKED_EQ, 0, URGENT)])
    for name in FILES.split():
        if _known(name):
            found.errno(name, errno.EPERM)
    return found


def _child() -> Filter:
    found = Filter(default=int(Action.ALLOW))
    found.allow("clone", args=[ArgCmp(0, CmpOp.MASKED_EQ, THREAD, THREAD)])
    found.errno("clone", errno.EPERM)
    found.allow("prlimit64", args=[_low(0, 0), ArgCmp(2, CmpOp.EQ, 0)])  # reading one's own
    for name in SERVER_ONLY.split():
        if _known(name):
            found.errno(name, errno.EPERM)
    return found


def _low(index: int, value: int) -> ArgCmp:
    """The lower half of an argument of which the kernel reads no more."""
    return ArgCmp(index, CmpOp.MASKED_EQ, value, 0xFFFFFFFF)


def _known(name: str) -> bool:
    """Whether this architecture has the call: newer ones have dropped the oldest."""
    try:
        syscall_nr(name)
    except (KeyError, ValueError, UnsupportedError):
        return False
    return True
