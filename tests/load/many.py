#!/usr/bin/env python3
"""Holds as many proxied idle sessions as this machine permits, and says what stopped it.

    many.py BIN_FOLDER [--sessions N] [--steps N,..] [--seconds S]

Several sluice workers, sluice-bench and sluice-echo processes; clients come from 127.0.0.x. Each
session echoes one message. Prints sessions held, memory and CPU of an idle session, and failures;
exit status 1 where sessions failed below the limit that was expected.
"""
import argparse
import math
import os
import sys
import tempfile
import time

import bench_proc as proc
import bench_proxies
import bench_report as report
import many_limits
from bench_workloads import Generator

STEPS = (1000, 10_000)  # before the most
SECONDS = 3.0           # in which CPU is measured at rest
SETTLE_SECONDS = 60
OPEN_PER_SECOND = 300  # at the very least, before a step is given up
PAYLOAD = 125


class Holder:
    """sluice, its upstreams, and the load generators that were started so far. `directives`: more
    lines of the upstream section."""

    settle_seconds = SETTLE_SECONDS
    log_level = "warn"

    def __init__(self, bin_folder, folder, plan, directives=""):
        self.bin = bin_folder
        self.plan = plan
        self.upstreams = [bench_proxies.Upstream(bin_folder) for _ in range(plan.upstreams)]
        self.proxy = ManyProxy(directives, self.log_level, bin_folder, folder,
                               [up.port for up in self.upstreams], plan.workers)
        self.pids = self.proxy.pids()
        self.generators = []  # with how many sessions each was to open
        self.sources = 0
        proc.settle(self.pids)
        self.user_kb = proc.memory_kb(self.pids)
        self.kernel_kb = many_limits.kernel_kb()

    def wanted(self):
        return sum(count for _, count in self.generators)

    def grow(self, sessions):
        """Opens what is missing to that many; waits until every session echoed its message."""
        while self.wanted() < sessions:
            count = min(sessions - self.wanted(), self.plan.per_generator)
            generator = Generator(
                self.bin, self.proxy.url(), "--idle", "--idle-messages", "1", "--payload",
                str(PAYLOAD), "--connections", str(count), "--source", self.next_sources(count),
                "--duration", "24h")
            self.generators.append((generator, count))
            generator.await_mark("begin", 30 + count / OPEN_PER_SECOND)
        proc.settle(self.pids, self.settle_seconds, pause=0.5)

    def next_sources(self, count):
        """Addresses of 127.0.0.0/8 that nobody used yet, enough for that many ports."""
        first = self.sources
        self.sources += math.ceil(count / many_limits.PORTS_USED_PER_ADDRESS)
        return ",".join(f"127.0.{1 + i // 250}.{1 + i % 250}" for i in range(first, self.sources))

    def measure(self, sessions, seconds):
        """Memory and CPU of an idle session now."""
        before_ns, at = proc.cpu_ns(self.pids), time.monotonic()
        time.sleep(seconds)
        spent_ns = (proc.cpu_ns(self.pids) - before_ns) / (time.monotonic() - at)
        user_kb = proc.memory_kb(self.pids)
        return {"sessions": sessions, "user_kb": user_kb,
                "user": (user_kb - self.user_kb) * 1024 / sessions,
                "kernel": (many_limits.kernel_kb() - self.kernel_kb) * 1024 / sessions,
                "cpu_ns": spent_ns / sessions}

    def finish(self):
        """Ends all sessions; what sluice-bench says of them. One after another: what is proven here
        is that they are held, not that so many can leave at once within Close's timeouts."""
        results = []
        for generator, _ in self.generators:
            generator.stop()
            results.append(generator.result(120))
        lived = self.proxy.pids() == self.pids
        return results, lived

    def end(self):
        for generator, _ in self.generators:
            proc.end(generator.child)
        self.proxy.end()
        for upstream in self.upstreams:
            upstream.end()


class ManyProxy(bench_proxies.Proxy):
    """sluice with one group of all upstreams, in turn."""

    def __init__(self, directives, log_level, bin_folder, folder, ports, workers):
        self.directives = directives
        self.log_level = log_level
        super().__init__("sluice", bin_folder, folder, ports, workers=workers)

    def command(self, bin_folder, folder, workers):
        conf = bench_proxies.listening(self, folder, workers)
        conf = conf.replace("sluice.log warn", f"sluice.log {self.log_level}", 1)
        servers = "".join(f"  server ws://127.0.0.1:{port}\n" for port in self.ports)
        conf += f"upstream many\n  idle_timeout 1h\n{self.directives}{servers}"
        conf += "route /\n  proxy_pass many\n"
        return [bin_folder + "/sluice", "-c", bench_proxies.write(folder + "/sluice.conf", conf)]


def read_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("bin", metavar="BIN_FOLDER")
    parser.add_argument("--sessions", type=int, help="at most; default: what the machine permits")
    parser.add_argument("--steps", default=",".join(map(str, STEPS)),
                        help="sessions at which it is measured before that, default %(default)s")
    parser.add_argument("--seconds", type=float, default=SECONDS,
                        help="in which CPU is measured at rest, default %(default)s")
    options = parser.parse_args(arguments)
    options.bin = os.path.abspath(options.bin)
    options.steps = sorted(int(step) for step in options.steps.split(",") if step)
    return options


def climb(holder, targets, seconds):
    """Rows of what was measured, and the failure that ended it, if any."""
    rows = []
    for target in targets:
        begin = time.monotonic()
        proc.say(f"many: opening {target} sessions")
        try:
            holder.grow(target)
        except proc.Failure as failure:
            return rows, str(failure)
        proc.say(f"many: opened in {time.monotonic() - begin:.1f} s, measuring at rest")
        rows.append(holder.measure(target, seconds))
    return rows, ""


def print_results(rows, results, failure, lived, out=print):
    out("")
    lines = [["", "user B/session", "each one more", "kernel B/session", "CPU ns/session/s"]]
    for before, row in zip([None] + rows, rows):
        more = "-"  # without what the first ones made it take once and for all
        if before is not None:
            more = report.number((row["user_kb"] - before["user_kb"]) * 1024
                                 / (row["sessions"] - before["sessions"]))
        lines.append([f"{row['sessions']} sessions", report.number(row["user"]), more,
                      report.number(row["kernel"]), report.number(row["cpu_ns"])])
    out(report.table(lines))
    out("  user: Private_Dirty of all of sluice's processes; kernel: slab and socket memory of all "
        "four sockets\n  of a session, those of client and upstream included")
    held = sum(result["open_at_end"] for result in results)
    echoed = sum(result["messages"] for result in results)
    errors = sum(result["errors"] for result in results)
    out(f"\nsessions held at the end: {held}; messages echoed: {echoed}; failures: {errors}")
    for result in results:
        if result["errors"]:
            kinds = {kind: count for kind, count in result["errors_by_kind"].items() if count}
            out(f"  {kinds}, first: {result['first_error']}")
    if failure:
        out("ended early: " + failure)
    if not lived:
        out("a process of sluice ended")
    return held > 0 and held == echoed and errors == 0 and not failure and lived


def main(arguments):
    options = read_options(arguments)
    proc.end_with_signals()
    descriptors = proc.raise_descriptor_limit()
    limits = many_limits.find(descriptors)
    most, stopper = many_limits.least(limits)
    if options.sessions and options.sessions < most:
        most, stopper = options.sessions, "what was asked for (--sessions)"
    print("limits, in sessions:")
    print(report.table([["", "sessions"]] + [[name, str(count)] for count, name in limits]))
    print(f"{most} sessions are tried; stopped by: {stopper}", flush=True)

    plan = many_limits.Plan(most, descriptors)
    targets = [step for step in options.steps if step < most] + [most]
    with tempfile.TemporaryDirectory(prefix="sluice-many-") as folder:
        os.chmod(folder, 0o755)
        try:
            proc.say(f"many: {plan.workers} sluice workers, {plan.upstreams} sluice-echo, "
                     f"{plan.per_generator} sessions a sluice-bench")
            holder = Holder(options.bin, folder + "/sluice", plan)
            rows, failure = climb(holder, targets, options.seconds)
            results, lived = holder.finish()
            log = proc.read(folder + "/sluice/sluice.log").strip()
        finally:
            proc.end_all()
    good = print_results(rows, results, failure, lived)
    if log:
        print("sluice logged: " + "\n".join(log.splitlines()[:10]))
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        proc.end_all()
        sys.exit(130)
    except proc.Failure as fault:
        proc.end_all()
        proc.say(f"many: {fault}")
        sys.exit(1)
