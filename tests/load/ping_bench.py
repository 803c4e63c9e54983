#!/usr/bin/env python3
"""What pings of the proxy's own cost: CPU of an idle session, without them and with.

    ping_bench.py BIN_FOLDER [--sessions N] [--interval TIME] [--rounds N]

Opens that many sessions (100,000, or what the machine permits) anew for each row and round, lets
them rest, and measures sluice's processes over one whole interval, in which each side that is
pinged is pinged once. Where fewer sessions are permitted, the interval is shorter by as much, so
that as many pings are sent a second. Rows: off; client (client_ping_interval); both.
"""
import argparse
import os
import re
import signal
import statistics
import sys
import tempfile
import time

import bench_proc as proc
import bench_report as report
import many
import many_limits

SESSIONS, INTERVAL_S = 100_000, 30
ROWS = {"off": "", "client": "  client_ping_interval {0}\n",
        "both": "  client_ping_interval {0}\n  upstream_ping_interval {0}\n"}


class PingHolder(many.Holder):
    settle_seconds = 5  # with pings there is no rest
    log_level = "notice"

    def pings(self):
        """How many were sent so far, by what the workers say of themselves."""
        log = f"{self.folder}/sluice.log"
        before = proc.read(log).count(" notice sessions ")
        workers = self.pids[1:]
        for pid in workers:
            os.kill(pid, signal.SIGUSR2)
        until = time.monotonic() + proc.START_SECONDS
        while proc.read(log).count(" notice sessions ") < before + len(workers):
            if time.monotonic() > until:
                raise proc.Failure("a worker says nothing of itself")
            time.sleep(0.05)
        lines = re.findall(r" notice (sessions .*)", proc.read(log))[before:]
        return sum(int(number) for line in lines
                   for number in re.findall(r"pings to (?:client|upstream) (\d+)", line))


def measure(options, folder, plan, name):
    directives = ROWS[name].format(f"{options.interval_ms}ms")
    holder = PingHolder(options.bin, folder, plan, directives)
    holder.folder = folder
    try:
        begin = time.monotonic()
        holder.grow(options.sessions)
        proc.say(f"ping_bench: {name}: {options.sessions} sessions in "
                 f"{time.monotonic() - begin:.0f} s")
        pings, at = holder.pings(), time.monotonic()
        row = holder.measure(options.sessions, options.interval_ms / 1000)
        row["pings"] = (holder.pings() - pings) / (time.monotonic() - at)
        results, lived = holder.finish()
        row["errors"] = sum(result["errors"] for result in results) + (not lived)
        proc.say(f"ping_bench: {name}: {row}")
        return row
    finally:
        holder.end()


def median(rows, name):
    return statistics.median(row[name] for row in rows)


def print_results(measured):
    lines = [["", "CPU ns/session/s", "pings/s", "CPU us/ping", "user B/session", "failures"]]
    for name, rows in measured.items():
        cpu, pings = median(rows, "cpu_ns"), median(rows, "pings")
        sessions = rows[0]["sessions"]
        more_ns = (cpu - median(measured["off"], "cpu_ns")) * sessions if "off" in measured else 0
        lines.append([name, report.number(cpu), report.number(pings),
                      f"{more_ns / pings / 1000:.2f}" if pings and more_ns else "-",
                      report.number(median(rows, "user")),
                      str(sum(row["errors"] for row in rows))])
    print(report.table(lines))


def read_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("bin", metavar="BIN_FOLDER")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="default %(default)s")
    parser.add_argument("--interval", type=int, default=INTERVAL_S,
                        help="of pings, in seconds, default %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--rows", default=",".join(ROWS), help="default %(default)s")
    options = parser.parse_args(arguments)
    options.bin = os.path.abspath(options.bin)
    options.rows = options.rows.split(",")
    return options


def main(arguments):
    options = read_options(arguments)
    proc.end_with_signals()
    descriptors = proc.raise_descriptor_limit()
    most, stopper = many_limits.least(many_limits.find(descriptors))
    wanted = options.sessions
    options.sessions = min(wanted, most)
    options.interval_ms = options.interval * 1000 * options.sessions // wanted
    plan = many_limits.Plan(options.sessions, descriptors)
    print(f"{options.sessions} sessions of {wanted} that were asked for"
          + (f" (stopped by {stopper})" if most < wanted else "")
          + f", ping interval {options.interval_ms / 1000:g} s, {plan.workers} workers, "
          f"{options.rounds} rounds, medians:", flush=True)
    measured = {name: [] for name in options.rows}
    with tempfile.TemporaryDirectory(prefix="sluice-pings-") as folder:
        os.chmod(folder, 0o755)
        for number in range(options.rounds):
            for name in options.rows:
                row = measure(options, f"{folder}/{number}-{name}", plan, name)
                measured[name].append(row)
    print_results(measured)
    return 1 if any(row["errors"] for rows in measured.values() for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except proc.Failure as fault:
        proc.say(f"ping_bench: {fault}")
        sys.exit(1)
    finally:
        proc.end_all()
