"""What bounds the number of proxied sessions on one machine, each bound counted in sessions."""
import math
import resource
import socket

import bench_proc as proc

SOCKETS = 4  # of a session here: client, both of sluice, upstream
DESCRIPTORS_BESIDES = 100  # of a process, for what is not a session
UNEVEN = 0.85  # the kernel deals connections to workers by hash: none may run full early
# Of a source address toward one destination. connect() tries every second port of the range
# (28,232 by default) first: with more than half of them taken it tries 14,116 in vain each time.
PORTS_USED_PER_ADDRESS = 12_000
BYTES_PER_SESSION = 24_000  # all four sockets and both ends, a little more than was measured
MEMORY_SHARE = 0.7  # of what is available
PROCESSES_MOST = 64  # of a kind; a machine with a low descriptor limit needs many
TRACKED_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"
CONTROL_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Plan:
    """How many processes of each kind hold that many sessions."""

    def __init__(self, sessions, descriptors):
        self.workers = max(2, workers_for(sessions, descriptors))
        self.upstreams = max(2, math.ceil(sessions * 1.05 / min(descriptors - DESCRIPTORS_BESIDES,
                                                                PORTS_USED_PER_ADDRESS)))
        self.per_generator = min(descriptors - DESCRIPTORS_BESIDES, PORTS_USED_PER_ADDRESS)


def per_worker(descriptors):
    """Sessions that a worker takes by default, less what hashing leaves unused."""
    return int((descriptors - 64) / 2 * UNEVEN)


def workers_for(sessions, descriptors):
    return math.ceil(sessions / per_worker(descriptors))


def number_in(path, default):
    words = proc.read(path).split()
    return int(words[0]) if words and words[0].isdigit() else default


def meminfo_kb(field):
    for line in proc.read("/proc/meminfo").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def kernel_kb():
    """Slab and the buffers of TCP sockets."""
    pages = 0
    for line in proc.read("/proc/net/sockstat").splitlines():
        words = line.split()
        if words[0] == "TCP:" and "mem" in words:
            pages = int(words[words.index("mem") + 1])
    return meminfo_kb("Slab") + pages * proc.PAGE_KB


def memory_bytes():
    """What may be used: of the machine, or of a control group that has a limit."""
    available = meminfo_kb("MemAvailable") * 1024
    return min([available] + [number_in(path, available) for path in CONTROL_GROUPS])


def loopback_is_tracked():
    """Whether connections on 127.0.0.1 take up places of netfilter's table."""
    before = number_in(TRACKED_COUNT, 0)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        peers = [socket.create_connection(listener.getsockname()) for _ in range(32)]
        rise = number_in(TRACKED_COUNT, 0) - before
        for peer in peers:
            peer.close()
    return rise >= len(peers) // 2


def find(descriptors):
    """(sessions, name) of every limit."""
    limits = [
        (per_worker(descriptors) * PROCESSES_MOST,
         f"descriptors of a process ({descriptors}) with at most {PROCESSES_MOST} workers"),
        (int(memory_bytes() * MEMORY_SHARE / BYTES_PER_SESSION),
         f"memory ({memory_bytes() >> 20} MiB available, {MEMORY_SHARE:.0%} of it used, "
         f"about {BYTES_PER_SESSION} bytes a session)"),
        (PROCESSES_MOST * PORTS_USED_PER_ADDRESS,
         f"ports of 127.0.0.1 toward {PROCESSES_MOST} upstreams"),
    ]
    files = proc.read("/proc/sys/fs/file-nr").split()
    if len(files) == 3:
        free = int(files[2]) - int(files[0])
        limits.append((free // SOCKETS - 1000, f"open files of the machine (fs.file-max {files[2]})"))
    tracked = number_in("/proc/sys/net/netfilter/nf_conntrack_max", 0)
    if tracked and loopback_is_tracked():
        free = tracked - number_in(TRACKED_COUNT, 0)
        limits.append((free // 2 - 1000, f"tracked connections (nf_conntrack_max {tracked})"))
    watches = number_in("/proc/sys/fs/epoll/max_user_watches", 0)
    if watches:
        limits.append((watches // SOCKETS - 1000, f"epoll watches of a user ({watches})"))
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if processes not in (resource.RLIM_INFINITY, -1):
        limits.append((processes // 4 * per_worker(descriptors), f"processes of a user ({processes})"))
    return [(max(0, count), name) for count, name in limits]


def least(limits):
    return min(limits)
