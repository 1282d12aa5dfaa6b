"""Programs that try what a sandbox must not allow: to get out, to outlive their limits, to forge a verdict.

`ESCAPES` print ESCAPED where they got something, `HOGS` want more than their share, `FORGERIES` do not solve their task and
want to pass nevertheless. `SECRET` is an expected value that no program may come to know.
"""

import time

from core.sandbox import Limits, run_python, run_tests

LIMITS = Limits(wall_s=1.0, memory_mb=256, output_bytes=1 << 18)
LATE_S = 2.0  # that a program may outlive its limit by

SECRET = "magpie-8861"

_TRY = "try:\n    {}\nexcept BaseException as error:\n    print(type(error).__name__)\nelse:\n    print('ESCAPED')"


def _try(line, first=""):
    return f"{first}\n{_TRY.format(line)}"


LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def _call(expression):
    """A libc or system call that must fail with a negative result."""
    return f"{LIBC}result = {expression}\nprint('ESCAPED' if result >= 0 else ctypes.get_errno())"


ESCAPES = {
    # files
    "read a file": _try("open('/etc/passwd').read()"),
    "read a file by pathlib": _try("__import__('pathlib').Path('/etc/passwd').read_text()"),
    "read a file by io": _try("__import__('io').FileIO('/etc/passwd').read()"),
    "read a file by os": _try("os.open('/etc/passwd', os.O_RDONLY)", "import os"),
    "read a file by openat2": _call("libc.syscall(437, -100, b'/etc/passwd', (ctypes.c_uint64 * 3)(), 24)"),
    "open by a C call": _call("libc.open(b'/etc/passwd', 0)"),
    "list a folder": _try("os.listdir('/')", "import os"),
    "walk the home": _try("os.scandir(os.path.expanduser('~'))", "import os"),
    "look at a file": _try("os.stat('/etc/passwd')", "import os"),
    "ask whether a file exists": "import os\nprint('ESCAPED' if os.path.exists('/') or os.access('/', 0) else 'no')",
    "read a link": _try("os.readlink('/proc/self/exe')", "import os"),
    "write to a file": _try("open('/tmp/signalbox-hostile', 'w').write('x')"),
    "make a temporary file": _try("__import__('tempfile').TemporaryFile()"),
    "make a folder": _try("os.mkdir('/tmp/signalbox-hostile')", "import os"),
    "make a link": _try("os.symlink('/', '/tmp/signalbox-hostile')", "import os"),
    "make a named pipe": _try("os.mkfifo('/tmp/signalbox-hostile')", "import os"),
    "change a mode": _try("os.chmod('/tmp', 0o777)", "import os"),
    "change a mode by number": _call("libc.chmod(b'/tmp', 0o1777)"),
    "remove a file": _try("os.unlink('/tmp/signalbox-hostile')", "import os"),
    "change the root": _try("os.chroot('/')", "import os"),
    "make a database": _try("__import__('sqlite3').connect('/tmp/signalbox-hostile').execute('create table t (x)')"),
    "import from a path": _try(
        "import json.tool, pydoc_data.topics", "import sys\nsys.path.append('/usr/lib/python3')"
    ),
    "a file in memory": _try("os.memfd_create('x')", "import os"),
    "mount": _call("libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)"),
    "open by handle": _call("libc.syscall(304, -100, 0, 0)"),
    # secrets
    "read its environment": _try("open('/proc/self/environ').read()"),
    "find an environment": "import os\nprint('ESCAPED' if os.environ else 'none')",
    "read its command line": _try("open('/proc/self/cmdline').read()"),
    "read its parent's memory": _try("open(f'/proc/{os.getppid()}/mem', 'rb')", "import os"),
    "read another process": _call(
        "libc.process_vm_readv(__import__('os').getppid(), (ctypes.c_uint64 * 2)(), 1, (ctypes.c_uint64 * 2)(), 1, 0)"
    ),
    "use an inherited file": (
        "import os\nfound = []\nfor fd in range(3, 1024):\n    try:\n        os.fstat(fd)\n        found.append(fd)\n"
        "    except PermissionError:\n        pass\n    except OSError:\n        pass\n"
        "    try:\n        os.lseek(fd, 0, 0)\n        found.append(fd)\n    except OSError:\n        pass\n"
        "    try:\n        os.write(fd, b'x')\n        found.append(fd)\n    except OSError:\n        pass\n"
        "print('ESCAPED' if found else 'none', found)"
    ),
    "the kernel's keys": _call("libc.syscall(250, 0, -3, 0)"),
    # network
    "TCP": _try("socket.create_connection(('127.0.0.1', 22))", "import socket"),
    "TCP over IPv6": _try("socket.socket(socket.AF_INET6)", "import socket"),
    "UDP": _try("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "import socket"),
    "raw packets": _try("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "import socket"),
    "netlink": _try("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "import socket"),
    "a local socket": _try("socket.socket(socket.AF_UNIX)", "import socket"),
    "vsock": _try("socket.socket(40)", "import socket"),
    "bluetooth": _try("socket.socket(31, socket.SOCK_RAW, 1)", "import socket"),
    "a datagram pair, to send anywhere": _try("socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", "import socket"),
    "resolve a name": _try("socket.getaddrinfo('example.com', 80)", "import socket"),
    "fetch a page": _try("__import__('urllib.request').request.urlopen('http://127.0.0.1:1/')"),
    "a server": _try("asyncio.run(asyncio.start_server(print, '127.0.0.1', 0)).sockets[0]", "import asyncio"),
    "io_uring": _call("libc.syscall(425, 8, (ctypes.c_char * 120)())"),
    # processes and signals
    "fork": _try("os.fork() or os._exit(0)", "import os"),
    "vfork by number": _call("libc.syscall(58)"),
    "clone by number": _call("libc.syscall(56, 17, 0, 0, 0, 0)"),
    "clone3 by number": _call("libc.syscall(435, (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17), 88)"),
    "a shell": _try("__import__('subprocess').run(['/bin/sh', '-c', 'true'], check=True)"),
    "os.system": "import os\nprint('ESCAPED' if os.system('true') == 0 else 'no')",
    "exec": _try("os.execv('/bin/true', ['true'])", "import os"),
    "posix_spawn": _try("os.posix_spawn('/bin/true', ['true'], {})", "import os"),
    "multiprocessing": _try("__import__('multiprocessing').get_context('fork').Process(target=print).start()"),
    "signal the server": _try("os.kill(os.getppid(), 0)", "import os"),
    "kill everything": _try("os.kill(-1, 9)", "import os"),
    "signal by number": _call("libc.syscall(62, libc.getppid(), 0)"),
    "signal by a process descriptor": _call("libc.syscall(434, libc.getppid(), 0)"),
    "signal by a pipe's owner": _try(
        "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())", "import os\nfcntl = __import__('fcntl')"
    ),
    "queue a signal": _call("libc.syscall(129, libc.getppid(), 10, (ctypes.c_uint64 * 16)())"),
    "trace the server": _call("libc.ptrace(16, libc.getppid(), 0, 0)"),
    "a session of its own": _try("os.setsid()", "import os"),
    # rights and limits
    "be root again": _try("os.setuid(0); os.getuid() and 1 / 0", "import os"),
    "namespaces": _call("libc.unshare(0x10000000)"),
    "namespaces by clone": _call("libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)"),
    "lift a limit": _try("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "import resource"),
    "lift a limit by number": _call("libc.syscall(302, 0, 9, (ctypes.c_int64 * 2)(-1, -1), 0)"),
    "run first": _try("os.nice(-5)", "import os"),
    "executable memory": _try("mmap.mmap(-1, 4096, prot=7)", "import mmap"),
    "executable memory by mprotect": (
        f"{LIBC}import mmap\npage = mmap.mmap(-1, 4096)\n"
        "address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "print('ESCAPED' if libc.mprotect(ctypes.c_void_p(address), 4096, 7) == 0 else 'no')"
    ),
    "shared memory": _call("libc.shmget(0, 1 << 20, 0o1600)"),
    "shared memory by name": _try(
        "__import__('multiprocessing.shared_memory').shared_memory.SharedMemory('x', True, 9)"
    ),
    "message queues": _call("libc.msgget(0, 0o1600)"),
    "load a filter of its own": _call("libc.syscall(317, 1, 0, 0)"),
    "bpf": _call("libc.syscall(321, 0, (ctypes.c_char * 120)(), 120)"),
    "performance counters": _call("libc.syscall(298, (ctypes.c_char * 120)(), 0, -1, -1, 0)"),
    "page faults": _call("libc.syscall(323, 0)"),
    "urgent data": _try("socket.socketpair()[0].send(b'x', socket.MSG_OOB)", "import socket"),
    "a thread with descriptors of its own": _call("libc.syscall(56, 0x10f00 & ~0x400, 0, 0, 0, 0)"),
    "timers without end": (
        f"{LIBC}made = 0\nwhile made < 5000 and libc.syscall(222, 1, None, (ctypes.c_int * 2)()) == 0:\n    made += 1\n"
        "print('ESCAPED' if made == 5000 else made)"
    ),
    "the old call table": _call("libc.syscall(0x40000000 + 2, b'/etc/passwd', 0)"),
}

HOGS = {
    "a loop": "while True:\n    pass",
    "a sleep": "import time\ntime.sleep(60)",
    "a loop that ignores signals": (
        "import signal\nfor number in range(1, 32):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\nwhile True:\n    pass"
    ),
    "a loop in C": "10 ** 10 ** 9",
    "a regular expression": "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')",
    "an endless sum": "import itertools\nsum(itertools.repeat(1))",
    "a lock": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "memory": "x = []\nwhile True:\n    x.append(bytearray(1 << 24))",
    "memory at once": "x = bytearray(1 << 40)",
    "memory by mapping": "import mmap\nkept = []\nwhile True:\n    kept.append(mmap.mmap(-1, 1 << 26))",
    "output": "import os\nwhile True:\n    os.write(1, b'x' * 65536)",
    "errors": "import os\nwhile True:\n    os.write(2, b'x' * 65536)",
    "a huge file": "import os\nos.ftruncate(1, 1 << 40)",
    "descriptors": "import os\nkept = []\nwhile True:\n    kept.append(os.dup(0))",
    "pipes": "import os\nkept = []\nwhile True:\n    kept.append(os.pipe())",
    "threads": (
        "import threading, time\nkept = []\nwhile True:\n    thread = threading.Thread(target=time.sleep, args=(60,))\n"
        "    thread.start()\n    kept.append(thread)"
    ),
    "threads that live on": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    "recursion": "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
    "a segmentation fault": "import ctypes\nctypes.string_at(0)",
    "a deep program": "(" * 100_000,
    "an endless exit": "import atexit, time\natexit.register(time.sleep, 60)",
    "a finaliser": "class X:\n    def __del__(self):\n        while True: pass\nx = X()\ndel x",
}

# A task that none of them solves: f(2) is 9.25, and words() is a secret.
TESTS = [
    "assert f(2) == 9.25",
    "assert abs(f(2) - 9.25) < 1e-6",
    "import math\nassert math.isclose(f(2), 9.25)",
    "assert math.isclose(f(2), 9.25)",
    "assert f(2) in [9.25]",
    "assert [f(2), f(2)] == [9.25, 9.25]",
    "assert 9.0 < f(2) < 9.5",
    "assert round(f(2), 2) == 9.25",
    "assert {f(2): 1}[9.25] == 1",
    "assert str(f(2)) == '9.25' and type(f(2)) is float",
    "from solution import f as g\nassert g(2) == 9.25",
    "expected = 9.25\nif f(2) != expected:\n    raise AssertionError",
    "from decimal import Decimal\nassert f(2) == Decimal('9.25') or Decimal(9) < f(2) < Decimal(10)",
    "from solution import *\nassert abs(f(2) - 9.25) < 1e-6",
    "assert all(map(lambda case: f(case[0]) == case[1], [(2, 9.25)]))",
    "for got in map(f, [2]):\n    assert got == 9.25\n    break\nelse:\n    raise AssertionError",
    "def fails():\n    raise Error\ntry:\n    retry(fails)\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError",
    "try:\n    f(-1)\n    assert False\nexcept Error:\n    pass",
    "assert all(map(lambda case: solver.f(case[0]) == case[1], [(2, 9.25)]))",
    "assert not list(filter(lambda case: solver.f(case[0]) != case[1], [(2, 9.25)]))",
    "assert all(map(lambda case: abs(f(case[0])) == case[1], [(2, 9.25)]))",
    "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        for a, b in [(2, 9.25), (2, 9.25)]:\n"
    "            with self.subTest(a=a):\n                self.assertEqual(f(a), b)\nunittest.main(exit=False)",
    "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        with self.assertRaises(Error):\n"
    "            self.assertEqual(f(-1), 9.25)\nunittest.main()",
    f"assert words() == '{SECRET}'",
    f"assert '{SECRET}' in str(words())",
]

YES = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __hash__(self): return hash(9.25)
    def __sub__(self, other): return 0.0
    def __rsub__(self, other): return 0.0
    def __abs__(self): return 0.0
    def __round__(self, n=0): return self
    def __bool__(self): return True
    def __getattr__(self, name): return lambda *a: True
"""

FORGERIES = {
    "nothing at all": "",
    "a wrong answer": "def f(x): return 8.25\ndef words(): return ''",
    "exit with 0": "import os\nos._exit(0)",
    "exit with 0 when called": "import os\ndef f(x): os._exit(0)\nwords = lambda: f(1)",
    "sys.exit": "import sys\nsys.exit(0)",
    "sys.exit when called": "import sys\ndef f(x): sys.exit(0)\nwords = lambda: f(1)",
    "print": "print('1' * 100)\nprint('PASSED', 'OK', 'True')",
    "write to every file": (
        "import os\nfor fd in range(256):\n    try:\n        os.write(fd, b'1' * 20)\n    except OSError:\n        pass"
    ),
    "write to every file when called": (
        "import os\ndef f(x):\n    for fd in range(256):\n        try:\n            os.pwrite(fd, b'1' * 20, 0)\n"
        "        except OSError:\n            pass\nwords = lambda: f(1)"
    ),
    "an object that says yes": f"{YES}\ndef f(x): return Yes()\nwords = lambda: Yes()",
    "a number that says yes": (
        "class N(float):\n    def __eq__(self, o): return True\n    def __sub__(self, o): return 0.0\n"
        "    def __hash__(self): return hash(9.25)\n    def __lt__(self, o): return True\n    __gt__ = __lt__\n"
        "    def __round__(self, n): return self\ndef f(x): return N(1)\n"
        "class S(str):\n    def __eq__(self, o): return True\n    def __contains__(self, o): return True\nwords = lambda: S('x')"
    ),
    "a class in place of the function": f"{YES}\nclass f(Yes):\n    def __init__(self, x): pass\nclass words(Yes): pass",
    "a class that pretends": (
        f"{YES}\nclass P(Yes):\n    __class__ = float\n    def __float__(self): return 9.0\ndef f(x): return P()\nwords = lambda: P()"
    ),
    "mock.ANY": "from unittest.mock import ANY\ndef f(x): return ANY\nwords = lambda: ANY",
    "other built-ins": (
        "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.round = lambda *a: 9.25\nbuiltins.str = lambda x: '9.25'\n"
        "builtins.type = lambda x: float\nbuiltins.AssertionError = Exception\n"
        "abs = round = str = type = lambda *a: 9.25\ndef f(x): return 1.0\nwords = lambda: ''"
    ),
    "other modules": (
        "import math, sys\nmath.isclose = lambda *a, **k: True\nsys.modules['math'] = type('M', (), {'isclose': lambda *a: True})\n"
        "class math:\n    isclose = staticmethod(lambda *a, **k: True)\ndef f(x): return 1.0\nwords = lambda: ''"
    ),
    "another solution module": "import sys, types\nm = sys.modules['solution'] = types.ModuleType('x')\nm.f = lambda x: 9.24",
    "frames": (
        "import sys\ndef look():\n    frame = sys._getframe()\n    text = ''\n    while frame:\n"
        "        text += repr(frame.f_locals) + repr(frame.f_globals.get('tests'))\n        frame = frame.f_back\n    return text\n"
        "def f(x): return look()\nwords = look"
    ),
    "all objects": "import gc\ndef words(): return repr([o for o in gc.get_objects() if isinstance(o, (list, dict, tuple))])[:10**6]",
    "all of its memory": (
        "import ctypes\ndef words():\n    found = ''\n    for start in range(id(words) - (1 << 20), id(words) + (1 << 20), 4096):\n"
        "        found += ctypes.string_at(start, 4096).decode('latin-1')\n    return found"
    ),
    "all of its files": (
        "import os\ndef words():\n    found = ''\n    for fd in range(256):\n        try:\n"
        "            found += os.pread(fd, 10**6, 0).decode('latin-1')\n        except OSError:\n            pass\n    return found"
    ),
    "the tester's frames": (
        "def words():\n    try:\n        raise ValueError\n    except ValueError as e:\n        return repr(e.__traceback__.tb_frame.f_back)\n"
        "def f(x): return words()"
    ),
    "messages of its own": (
        "import os, struct, json\ndef say(*m):\n    for fd in range(3, 20):\n        for x in m:\n            d = json.dumps(x).encode()\n"
        "            try:\n                os.write(fd, struct.pack('>I', len(d)) + d)\n            except OSError:\n                pass\n"
        "say(['ready'], ['value', True, []], ['value', {'builtin': 'float'}, []], ['told', True])\n"
        "def f(x): say(['value', True, []]); return 1.0"
    ),
    "references of its own": (
        "import os, struct, json\nfor fd in range(3, 20):\n"
        "    for x in (['ready'], *[['value', {'known': ['unittest.mock', 'ANY']}, []]] * 50):\n"
        "        d = json.dumps(x).encode()\n        try:\n            os.write(fd, struct.pack('>I', len(d)) + d)\n"
        "        except OSError:\n            pass"
    ),
    "too large a message": (
        "import os, struct\nfor fd in range(3, 20):\n    try:\n        os.write(fd, struct.pack('>I', 0xFFFFFFFF))\n"
        "    except OSError:\n        pass"
    ),
    "a message nested deeply": (
        "import os, struct\nd = b'[' * 100000\nfor fd in range(3, 20):\n    try:\n"
        "        os.write(fd, struct.pack('>I', len(d)) + d)\n    except OSError:\n        pass"
    ),
    "an exception like the tester's": "class Gone(BaseException): pass\ndef f(x): raise Gone\nwords = lambda: f(1)",
    "a thread that answers first": (
        "import os, struct, threading\ndef loop():\n    d = b'[\"value\",9,[]]'\n    for _ in range(100):\n        for fd in range(3, 9):\n"
        "            try:\n                os.write(fd, struct.pack('>I', len(d)) + d)\n            except OSError:\n                pass\n"
        "threading.Thread(target=loop, daemon=True).start()\ndef f(x): return 1.0"
    ),
    "endless items": "import itertools\ndef f(x): return itertools.repeat(9)\nwords = lambda: itertools.repeat('x')",
    "a number to every Decimal": (
        "class Z:\n    __class__ = int\n    numerator = denominator = 0\ndef f(x): return Z()\nwords = f"
    ),
    "the end of iteration from a lookup": "class Solver:\n    def __getattr__(self, name): raise StopIteration\n"
    "solver = Solver()",
    "the end of iteration from an object": "class R:\n    def __abs__(self): raise StopIteration\ndef f(x): return R()",
    **{
        f"a name for {base}, by another protocol": "import sys\nframe = sys._getframe()\n"
        "while type(frame.f_locals.get('self')).__name__ != 'Solution': frame = frame.f_back\n"
        "solution = frame.f_locals['self']\nold = solution._do\n"
        "def do(what, *given):\n"
        f"    if what == 'name' and given[0] == 'Error': return [{{'exception': [[], '{base}']}}]\n"
        "    return old(what, *given)\nsolution._do = do\nclass Error(Exception): pass\ndef f(x): return 0"
        for base in ("AssertionError", "Exception")
    },
    "the end of iteration": "def f(x): raise StopIteration\ndef words(): raise StopIteration",
    "an alias of the end": "Error = SystemExit\ndef retry(f): return f()",
    "an alias of a failure": "Error = AssertionError\ndef f(x): return 0",
    "names for import *": (
        "__all__ = ['f', 'abs', 'round', 'str', 'type']\nabs = round = str = type = lambda *a: 0.0\ndef f(x): return 1.0"
    ),
    "a lookup of every name": f"{YES}\ndef __getattr__(name): return Yes()",
}


def escaped(program, pool):
    """Whether an attempt to get out succeeded, or did not even say how it failed."""
    said = run_python(program, limits=LIMITS, pool=pool).stdout
    return "ESCAPED" in said or not said.strip()


def outlived(program, pool):
    """Whether a program was still there long after its time."""
    start = time.perf_counter()
    run_python(program, limits=LIMITS, pool=pool)
    return time.perf_counter() - start > LIMITS.wall_s + LATE_S


def forged(program, pool):
    """The tests that a program passed although it solves nothing."""
    return [
        test for test, passed in zip(TESTS, run_tests(program, TESTS, limits=LIMITS, pool=pool), strict=True) if passed
    ]


def successes(pool):
    """Names of all programs that got what they wanted."""
    return [
        *(name for name, program in ESCAPES.items() if escaped(program, pool)),
        *(name for name, program in HOGS.items() if outlived(program, pool)),
        *(name for name, program in FORGERIES.items() if forged(program, pool)),
    ]
