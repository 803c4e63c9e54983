"""The workloads, and one measurement: one of them through one proxy, with the CPU time of everybody
involved between the moments at which sluice-bench begins and ends counting."""
import dataclasses
import json
import resource
import subprocess
import threading
import time

import bench_proc as proc

WARM_UP_SHARE = 0.2  # of the measured period, and at least this much:
LEAST_WARM_UP_SECONDS = 0.1
RUN_SECONDS = 60  # beyond what a run measures: then it hangs
PUSH_CONNECTIONS = 16  # what floods fill into their socket buffers has to be drained at the end
IDLE_SESSIONS = 5000
TLS_IDLE_SESSIONS = 2000
QUICK_TLS_IDLE_SESSIONS = 1000
DESCRIPTORS_BESIDES = 300  # of a proxy, for what is not a session


@dataclasses.dataclass(frozen=True)
class Workload:
    """What sluice-bench does, behind which sluice-echo; of kind http, what bench_http does."""
    name: str
    text: str
    payload: int = 125
    connections: int = 64
    pipeline: int = 1
    warm_up: float = 0.0  # seconds at least
    kind: str = "echo"  # echo, push, connect, rate, idle or http
    quick: bool = False  # belongs to the bounded variant
    tls: bool = False  # toward the client; the upstream is plain
    resume: bool = False  # TLS sessions, else every TLS handshake is a full one

    @property
    def upstream(self):
        """Options of the sluice-echo that it needs; runs with the same ones share it."""
        if self.kind == "http":
            return ("http",)
        return ("--mode", "flood", "--payload", str(self.payload)) if self.kind == "push" else ()

    @property
    def unit(self):
        units = {"connect": "connection", "idle": "session", "http": "request"}
        return units.get(self.kind, "message")


WORKLOADS = (
    Workload("echo-16", "echo, 16 B", 16),
    Workload("echo-125", "echo, 125 B", 125, quick=True),
    Workload("echo-1k", "echo, 1 KiB", 1 << 10),
    Workload("echo-16k", "echo, 16 KiB", 16 << 10),
    Workload("echo-64k", "echo, 64 KiB", 64 << 10, quick=True),
    Workload("echo-1m", "echo, 1 MiB", 1 << 20, warm_up=0.8),
    Workload("echo-125-1", "echo, 125 B", 125, connections=1),
    Workload("echo-125-8", "echo, 125 B", 125, connections=8),
    Workload("echo-125-256", "echo, 125 B", 125, connections=256),
    Workload("echo-125-1000", "echo, 125 B", 125, connections=1000),
    Workload("pipe-16", "echo, 16 B, 64 on their way each", 16, pipeline=64, quick=True),
    Workload("pipe-125", "echo, 125 B, 64 on their way each", 125, pipeline=64),
    Workload("push-125", "push, 125 B", 125, PUSH_CONNECTIONS, kind="push", quick=True),
    Workload("push-16k", "push, 16 KiB", 16 << 10, PUSH_CONNECTIONS, kind="push",
             quick=True),
    Workload("connect", "connect, shake hands, close", connections=32, kind="connect"),
    Workload("rate", "echo, 125 B, fixed rate", 125, kind="rate"),
    Workload("idle", "idle sessions after one echo each", connections=IDLE_SESSIONS, kind="idle",
             quick=True),
    Workload("tls-full", "TLS: full handshake, upgrade, close", connections=16, kind="connect",
             quick=True, tls=True),
    Workload("tls-resumed", "TLS: resumed handshake, upgrade, close", connections=16,
             kind="connect", quick=True, tls=True, resume=True),
    Workload("tls-125", "TLS: echo, 125 B", 125, quick=True, tls=True),
    Workload("tls-16k", "TLS: echo, 16 KiB", 16 << 10, quick=True, tls=True),
    Workload("tls-idle", "TLS: idle sessions after one echo each", connections=TLS_IDLE_SESSIONS,
             kind="idle", quick=True, tls=True),
    Workload("http-small", "HTTP: answers of 100 B, keep-alive", 100, kind="http", quick=True),
    Workload("http-1m", "HTTP: answers of 1 MiB, keep-alive", 1 << 20, connections=16, kind="http",
             quick=True),
)


class Generator:
    """A sluice-bench: calls at_mark("begin" or "end") where its counting begins and ends."""

    def __init__(self, bin_folder, url, *options, at_mark=None, **how):
        command = [bin_folder + "/sluice-bench", url, "--json", "--quiet", "--marks", *options]
        self.child = proc.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                **how)
        self.marks = {"begin": threading.Event(), "end": threading.Event()}
        self.said = []
        self.at_mark = at_mark
        self.reader = threading.Thread(target=self.follow, daemon=True)
        self.reader.start()

    def follow(self):
        proc.hurry()
        for line in self.child.stderr:
            mark = line.strip()
            if mark not in self.marks:
                self.said.append(mark)
                continue
            if self.at_mark is not None:
                self.at_mark(mark)
            self.marks[mark].set()

    def await_mark(self, mark, seconds=RUN_SECONDS):
        until = time.monotonic() + seconds
        while not self.marks[mark].wait(0.05):
            if self.child.poll() is not None or time.monotonic() > until:
                raise proc.Failure("sluice-bench came to no " + mark + ": " + " ".join(self.said))

    def stop(self):
        """Ends it before its time; result() follows."""
        if self.child.poll() is None:
            self.child.terminate()

    def result(self, seconds=RUN_SECONDS):
        try:
            self.child.wait(timeout=seconds)
            text = self.child.stdout.read()
        except subprocess.TimeoutExpired:
            raise proc.Failure("sluice-bench did not end") from None
        finally:
            proc.end(self.child)
            self.reader.join(timeout=1)
        try:
            return json.loads(text)
        except ValueError:
            raise proc.Failure("sluice-bench failed: " + " ".join(self.said)) from None


class Sample:
    """CPU time of proxy, load generator and upstream at one moment."""

    def __init__(self, proxy, generator, upstream):
        self.proxy_ns = proc.cpu_ns(proxy)
        self.others_ns = proc.cpu_ns(generator) + proc.cpu_ns(upstream)
        self.proxy_ticks = proc.ticks(proxy)
        self.at = time.monotonic()


def options_of(workload, seconds, rate=0):
    words = ["--payload", str(workload.payload), "--connections", str(workload.connections),
             "--duration", f"{max(1, round(seconds * 1000))}ms"]
    if workload.kind == "connect":
        return words + ["--connect-rate", "0"] + ["--tls-resume"] * workload.resume
    warm_up = max(LEAST_WARM_UP_SECONDS, workload.warm_up, seconds * WARM_UP_SHARE)
    words += ["--warm-up", f"{round(warm_up * 1000)}ms"]
    if workload.kind == "push":
        return words + ["--receive"]
    words += ["--pipeline", str(workload.pipeline)]
    return words + (["--rate", str(rate)] if rate else [])


def measure(bin_folder, workload, proxy, upstream, seconds, rate=0, cpus=None):
    """One run of any workload but idle, as a flat record."""
    pids = proxy.pids()
    samples = {}

    def sample(mark):
        samples[mark] = Sample(pids, [generator.child.pid], [upstream.child.pid])

    ready = threading.Event()
    generator = Generator(bin_folder, proxy.url(), *proxy.trust,
                          *options_of(workload, seconds, rate), cpus=cpus,
                          at_mark=lambda mark: (ready.wait(), sample(mark)))
    ready.set()
    result = generator.result()
    if len(samples) < 2:
        raise proc.Failure("no connection: " + result["first_error"])
    record = {"seconds": result["seconds"],
              "bytes_per_second": result["megabytes_per_second"] * 1e6,
              "errors": result["errors"], "first_error": result["first_error"],
              "memory_kb": proc.memory_kb(pids)}
    latency = result["latency_us"] or {}  # none where messages are only received
    for name in ("p50", "p99", "p99_9"):
        record[name + "_us"] = latency.get(name, 0.0)
    if proxy.pids() != pids:
        record["errors"] += 1
        record["first_error"] = record["first_error"] or "a process of the proxy ended"
    check_resumed(workload, result, record)
    if workload.kind == "connect":
        count = result["opened"]
    else:
        count = result["bytes"] / workload.payload  # parts of large messages count, too
    if not count or not result["seconds"]:
        raise proc.Failure("nothing came back: " + result["first_error"])
    record.update(cpu_figures(samples, bool(pids), count / result["seconds"]))
    return record


def check_resumed(workload, result, record):
    """What was measured must be what the workload's name says."""
    if workload.kind != "connect" or not workload.tls or not result["tls_handshakes"]:
        return
    resumed = record["resumed"] = result["tls_resumed"]
    full = record["full"] = result["tls_handshakes"] - resumed
    # Those that began before the first session came could not be resumed.
    if full > 2 * workload.connections if workload.resume else resumed > 0:
        record["errors"] += 1
        record["first_error"] = record["first_error"] or f"{full} handshakes were full ones, " \
                                                         f"{resumed} resumed"


def cpu_figures(samples, proxied, per_second):
    """CPU time per message: both per second, each in its own period, should a sample be late."""
    begin, end = samples["begin"], samples["end"]
    messages = per_second * (end.at - begin.at)
    others_ns = end.others_ns - begin.others_ns
    figures = {"per_second": per_second, "others_cpu_us": others_ns / 1e3 / messages}
    if proxied:
        spent_ns = end.proxy_ns - begin.proxy_ns
        spent_ticks = end.proxy_ticks - begin.proxy_ticks
        figures.update(
            cpu_us=spent_ns / 1e3 / messages,
            cpu_us_by_ticks=spent_ticks * 1e6 / proc.TICKS_PER_SECOND / messages,
            cpu_share=spent_ns / 1e9 / (end.at - begin.at),
            cpu_to_others=spent_ns / others_ns if others_ns else 0.0)
    return figures


def idle_sessions(workload, quick):
    """How many of them the descriptor limit permits: a session costs a proxy two."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    wanted = QUICK_TLS_IDLE_SESSIONS if quick and workload.tls else workload.connections
    return min(wanted, (limit - DESCRIPTORS_BESIDES) // 2)


def measure_idle(bin_folder, workload, proxy, sessions):
    """Memory of a proxy that was just started, before and with that many sessions, each of which
    has echoed one message. They come in two halves: what the second one adds is free of what the
    first made the proxy take once and for all."""
    pids = proxy.pids()
    proc.settle(pids, pause=0.1)
    memory_kb = [proc.memory_kb(pids)]
    generators = []
    for count in (sessions // 2, sessions - sessions // 2):
        generators.append(Generator(
            bin_folder, proxy.url(), *proxy.trust, "--idle", "--idle-messages", "1", "--payload",
            str(workload.payload), "--connections", str(count), "--duration", "1m"))
        generators[-1].await_mark("begin")
        proc.settle(pids)
        memory_kb.append(proc.memory_kb(pids))
    for generator in generators:
        generator.stop()
    results = [generator.result() for generator in generators]
    held = sum(result["open_at_end"] for result in results)
    missing = sessions - sum(result["messages"] for result in results)
    first_error = next((result["first_error"] for result in results if result["first_error"]), "")
    if missing and not first_error:
        first_error = f"{missing} sessions without an echo"
    before, half, whole = memory_kb
    return {"count": held, "sessions": sessions, "first_error": first_error,
            "errors": sum(result["errors"] for result in results) + max(0, missing),
            "memory_before_kb": before, "memory_kb": whole,
            "bytes_per_session": (whole - before) * 1024 / sessions,
            "bytes_of_one_more": (whole - half) * 1024 / (sessions - sessions // 2)}
