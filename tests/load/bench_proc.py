"""Processes of the benchmarks: starting and ending them, and what /proc says of them."""
import ctypes
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time

PAGE_KB = resource.getpagesize() // 1024
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
START_SECONDS = 10
END_SECONDS = 5
RUNNING = []  # every child that was started and not yet ended


class Failure(Exception):
    """Something that makes a benchmark's run worthless, in words for people."""


def raise_descriptor_limit():
    """Soft limit to the hard one, for this process and its children; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (int(read("/proc/sys/fs/nr_open") or hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, max(most, hard)))
            return most
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def read(path):
    """A file's text, "" where it cannot be read (the process may be gone)."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


# --- children -------------------------------------------------------------------------------------
def start(command, cpus=None, schedule=None, **options):
    """A child that ends with us, however we end. `schedule`, hurry or yield_to_all, is called in
    it, and what it starts has the same from it."""
    parent = os.getpid()

    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        if cpus:
            os.sched_setaffinity(0, cpus)
        if schedule is not None:
            schedule()

    options.setdefault("stdin", subprocess.DEVNULL)
    child = subprocess.Popen(command, preexec_fn=prepare, **options)
    RUNNING.append(child)
    return child


def end(child):
    """Ends a child by its pid: TERM, and KILL where that does not help."""
    if child in RUNNING:
        RUNNING.remove(child)
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        left = tree(child.pid)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        child.wait()
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def end_all():
    for child in reversed(list(RUNNING)):
        end(child)


def hurry():
    """The calling thread, which hardly ever runs, no longer waits for a processor (needs root)."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, OSError):
        pass


def yield_to_all():
    """The calling thread leaves a processor as soon as anybody else wants it. A nice value alone
    would let it finish its time slice, which is longer than most of what is measured."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):
        os.nice(19)


def end_with_signals():
    """TERM unwinds as Ctrl-C does, so that nothing is left behind."""
    def leave(number, _):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, leave)


# --- addresses ------------------------------------------------------------------------------------
def free_port():
    """A loopback port below those that the kernel gives to clients."""
    lowest = int((read("/proc/sys/net/ipv4/ip_local_port_range") or "32768 60999").split()[0])
    for _ in range(1000):
        low = 10240 if lowest > 12000 else 1025
        port = random.randrange(low, lowest if lowest > low + 100 else 65536)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failure("no free port on 127.0.0.1")


def await_listener(child, port, name):
    """Until somebody answers there; a connection without a byte is closed silently by all."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if child.poll() is not None:
            raise Failure(f"{name} did not start: exit status {child.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise Failure(f"{name} does not listen on port {port}")


def await_processes(child, count, name):
    """Until it has so many processes, itself counted: a listener is there before its workers."""
    until = time.monotonic() + START_SECONDS
    while len(tree(child.pid)) < count:
        if child.poll() is not None or time.monotonic() > until:
            raise Failure(f"{name} did not start its workers")
        time.sleep(0.01)


# --- what /proc says ------------------------------------------------------------------------------
def tree(pid):
    """The process and all its descendants that live."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = read(f"/proc/{entry}/stat")
            if stat:
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_ns(pids):
    """CPU time of all threads in ns: schedstat where the kernel keeps it, else ticks of 10 ms."""
    total = 0
    for pid in pids:
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for thread in threads:
            spent = read(f"/proc/{pid}/task/{thread}/schedstat").split()
            if not spent:
                return ticks(pids) * 10**9 // TICKS_PER_SECOND
            total += int(spent[0])
    return total


def ticks(pids):
    """utime + stime of the processes, in the kernel's coarse ticks."""
    total = 0
    for pid in pids:
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if fields:
            total += int(fields[11]) + int(fields[12])
    return total


def memory_kb(pids, field="Private_Dirty"):
    """Sum of one field of smaps_rollup; falls back to the resident set where that is not told."""
    total = 0
    for pid in pids:
        lines = read(f"/proc/{pid}/smaps_rollup").splitlines()
        values = [int(line.split()[1]) for line in lines if line.startswith(field + ":")]
        if values:
            total += values[0]
        else:
            pages = read(f"/proc/{pid}/statm").split()
            total += int(pages[1]) * PAGE_KB if pages else 0
    return total


def settle(pids, most_seconds=5.0, pause=0.2):
    """Waits until the processes do next to nothing."""
    until = time.monotonic() + most_seconds
    spent = cpu_ns(pids)
    while time.monotonic() < until:
        time.sleep(pause)
        now = cpu_ns(pids)
        if now - spent < pause * 1e9 / 50:
            return
        spent = now


def say(text):
    """Progress, for people; results go to stdout."""
    print(text, file=sys.stderr, flush=True)
