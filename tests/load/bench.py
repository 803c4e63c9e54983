#!/usr/bin/env python3
"""Compares sluice with a bare relay, nginx and haproxy: speed, CPU per message, latency, memory.

    bench.py BIN_FOLDER [--quick] [--only WORKLOAD,..] [--proxies NAME,..] [--rounds N] [--seconds S]

Prints a table, and writes bench.json and bench.html into BIN_FOLDER/../bench. Exit status 1 where
something went wrong (a changed message, a lost connection, a proxy that does not start), never
because something was slow.
"""
import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

import bench_goals
import bench_html
import bench_http
import bench_proc as proc
import bench_proxies
import bench_report
import bench_runner
from bench_workloads import WORKLOADS

ROUNDS, SECONDS = 5, 1.5
QUICK_ROUNDS, QUICK_SECONDS = 3, 0.5
QUICK_MOST_SECONDS = 150  # then no round is begun: with its end and the report under three minutes


def names_from(known):
    def read(text):
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return [name for name in known if name in names]
    return read


def read_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("bin", metavar="BIN_FOLDER", help="sluice, sluice-bench, sluice-echo, "
                                                          "bare-relay")
    parser.add_argument("--quick", action="store_true", help="fewer workloads, under three minutes")
    parser.add_argument("--only", metavar="WORKLOAD,..",
                        type=names_from([workload.name for workload in WORKLOADS]),
                        help="of " + ", ".join(workload.name for workload in WORKLOADS))
    parser.add_argument("--proxies", metavar="NAME,..", type=names_from(bench_proxies.NAMES),
                        default=list(bench_proxies.NAMES),
                        help="of " + ", ".join(bench_proxies.NAMES))
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, quick {QUICK_ROUNDS}")
    parser.add_argument("--seconds", type=float,
                        help=f"measured in each run, default {SECONDS}, quick {QUICK_SECONDS}")
    parser.add_argument("--pin", action="store_true",
                        help="the proxy on the first processor, everybody else on the others")
    parser.add_argument("--out", metavar="FOLDER", help="default BIN_FOLDER/../bench")
    options = parser.parse_args(arguments)
    options.rounds = max(1, options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS))
    options.seconds = max(0.1, options.seconds or (QUICK_SECONDS if options.quick else SECONDS))
    options.bin = os.path.abspath(options.bin)
    options.out = options.out or os.path.join(os.path.dirname(options.bin), "bench")
    return options


def chosen_workloads(options):
    if options.only:
        chosen = [workload for workload in WORKLOADS if workload.name in options.only]
    else:
        chosen = [workload for workload in WORKLOADS if workload.quick or not options.quick]
    missing = bench_http.missing()
    if not missing or all(workload.kind != "http" for workload in chosen):
        return chosen
    packages = " ".join(bench_http.PROGRAMS[program] for program in missing)
    proc.say(f"bench: {' and '.join(missing)} not found, going on without plain HTTP; to have what "
             f"is missing: `make bench-deps`, or: apt-get install {packages}")
    return [workload for workload in chosen if workload.kind != "http"]


def processor():
    for line in proc.read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def commit():
    """Of the source, and whether it has changed since; "" where it is no checkout."""
    def git(*words):
        return subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), *words],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              timeout=10, check=False).stdout.strip()
    try:
        name = git("rev-parse", "--short=12", "HEAD")
        return name + (", changed since" if name and git("status", "--porcelain") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def describe(options, runner):
    """What was measured where, in a few lines."""
    lines = [f"sluice bench: {runner.rounds_done} rounds of {options.seconds:g} s, one worker each; "
             f"medians (least..greatest over the rounds)",
             f"{processor()}, {os.cpu_count()} processors, {platform.system()} "
             f"{platform.release()}, load {os.getloadavg()[0]:.1f}, "
             f"{time.strftime('%Y-%m-%d %H:%M')}"]
    if found := commit():
        lines.append("commit " + found)
    if options.pin:
        lines.append("pinned: the proxy on one processor, load generator and upstream on the others")
    if runner.rate:
        lines.append(f"fixed rate: {runner.rate} messages a second in total")
    return "\n".join(lines)


def write_results(options, run, errors):
    os.makedirs(options.out, exist_ok=True)
    document = {"about": run["about"], "rounds": options.rounds, "seconds": options.seconds,
                "workloads": [dataclasses.asdict(workload) for workload in run["workloads"]],
                "proxies": run["proxies"], "software": run["software"], "fixed_rate": run["rate"], "errors": errors,
                "goals": run["goals"], "runs": run["records"]}
    bench_proxies.write(os.path.join(options.out, "bench.json"),
                        json.dumps(document, indent=1) + "\n")
    path = bench_proxies.write(os.path.join(options.out, "bench.html"), bench_html.page(run))
    proc.say("bench: wrote " + path)


def main(arguments):
    options = read_options(arguments)
    proc.end_with_signals()
    proc.raise_descriptor_limit()
    begin = time.monotonic()
    names = bench_proxies.present(options.proxies)
    deadline = begin + QUICK_MOST_SECONDS if options.quick else None
    chosen = chosen_workloads(options)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        os.chmod(folder, 0o755)
        runner = bench_runner.Runner(options, names, folder)
        try:
            runner.run(chosen, options.rounds, deadline)
        finally:
            proc.end_all()
    run = {"about": describe(options, runner), "workloads": chosen, "proxies": names,
           "software": bench_proxies.software(names, options.bin, runner.confs),
           "rate": runner.rate, "records": runner.records,
           "goals": bench_goals.judge(runner.records)}
    print(bench_report.text_report(run), end="", flush=True)
    write_results(options, run, runner.errors)
    for error in runner.errors:
        print(f"error: {error['proxy']}, {error['workload']}: {error['text']}")
    return 1 if runner.errors or not runner.records else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        proc.end_all()
        sys.exit(130)
    except proc.Failure as failure:
        proc.end_all()
        proc.say(f"bench: {failure}")
        sys.exit(1)
