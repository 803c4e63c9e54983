#!/usr/bin/env python3
"""All clients come back at once: what it costs those who are there, beside nginx and HAProxy.

    storm_bench.py BIN_FOLDER [--proxies NAME,..] [--clients N] [--rate N] [--rounds N]

100 quiet sessions are measured for some seconds before the storm, half of them for as long from its
first client on ("storm"), the others for ten seconds from then on ("then"), while clients that were
refused come again. The proxy has one processor to itself and one worker; all else shares the rest,
quiet sessions and upstream first. "-limited" is the same proxy told to let in so many a second;
nginx has no such thing before the TLS handshake.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import bench_proc as proc
import bench_proxies
import load_certificate

NAMES = ("sluice", "sluice-limited", "nginx", "haproxy", "haproxy-limited")
BACKLOG = 4096  # sluice's default, for all
QUIET = 100
QUIET_RATE = 1000  # messages a second of all of them
BACK_WITHIN_S = 9  # clients that were refused come again
THREADS = 20  # each has 256 handshakes under way at a time


def conf_lines(name, rate, text):
    """What the storm needs beside the proxy's ordinary conf."""
    kind = name.split("-")[0]
    limited = name.endswith("-limited")
    if kind == "nginx":
        return text.replace(" ssl;", f" ssl backlog={BACKLOG};", 1)
    if kind == "haproxy":
        text = text.replace(" ssl crt", f" backlog {BACKLOG} ssl crt", 1)
        limit = f"  rate-limit sessions {rate}\n" if limited else ""
        return text.replace("  default_backend", limit + "  default_backend", 1)
    return (f"handshake_rate {rate}/s\n" if limited else "") + text


class StormProxy(bench_proxies.Proxy):
    def __init__(self, name, rate, *words, **how):
        self.rate = rate
        self.full_name = name
        super().__init__(name.split("-")[0], *words, **how)

    def note(self, path, text):
        return super().note(path, conf_lines(self.full_name, self.rate, text))


def bench(options, cpus, schedule, *words):
    return proc.start([options.bin + "/sluice-bench", "--json", "--quiet", "--tls-insecure",
                       *map(str, words)], cpus=cpus, schedule=schedule, stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE, text=True)


def result(child):
    out, err = child.communicate(timeout=120)
    proc.RUNNING.remove(child)
    try:
        return json.loads(out)
    except ValueError:
        raise proc.Failure("sluice-bench: " + (err or out)) from None


def quiet(options, cpus, url, sessions, seconds, warm_up=1):
    return bench(options, cpus, proc.hurry, "--connections", sessions, "--rate",
                 QUIET_RATE * sessions // QUIET, "--payload", 125, "--warm-up",
                 f"{warm_up * 1000:.0f}ms", "--duration", f"{seconds:.0f}s", "--marks", url)


def await_mark(child):
    for line in child.stderr:
        if line.strip() == "begin":
            return
    raise proc.Failure("sluice-bench began nothing")


def storm(options, cpus, url):
    """The clients, again and again until all are in; what each wave came to."""
    waves, left = [], options.clients
    while left and len(waves) < options.waves:
        words = ("--ramp", f"{BACK_WITHIN_S}s") if waves else ()
        if waves:
            time.sleep(1)
        done = result(bench(options, cpus, None, "--idle", "--connections", left, "--threads",
                            THREADS, "--duration", "500ms", *words, url))
        waves.append({"came": left, "in": done["opened"], "refused": done["errors"],
                      "seconds": done["opening_seconds"],
                      "opening p99 ms": (done["opening_us"] or {}).get("p99", 0) / 1000,
                      "first error": done["first_error"]})
        left = min(done["errors"], left - done["opened"])
    return waves


def microseconds(done):
    """Nothing where not one message came back."""
    return {each: (done["latency_us"] or {}).get(each) for each in ("p50", "p99", "max")}


def run(name, options, folder, certificate):
    all_cpus = sorted(os.sched_getaffinity(0))
    own, others = ({all_cpus[0]}, set(all_cpus[1:])) if len(all_cpus) > 1 else (None, None)
    upstream = bench_proxies.Upstream(options.bin, cpus=others, schedule=proc.hurry)
    proxy = StormProxy(name, options.rate, options.bin, folder, [upstream.port], cpus=own,
                       certificate=certificate)
    for pid in proxy.pids():
        os.setpriority(os.PRIO_PROCESS, pid, -10)
    try:
        url = proxy.url()
        alone = result(quiet(options, others, url, QUIET, options.seconds))
        # Both open before the storm: a client of it may be held back.
        first = quiet(options, others, url, QUIET // 2, options.seconds, 2)
        later = quiet(options, others, url, QUIET // 2, BACK_WITHIN_S + 1, 2 + options.seconds)
        await_mark(first)
        began = time.monotonic()
        waves = storm(options, others, url)
        took = time.monotonic() - began
        during, after = result(first), result(later)
        return {"proxy": name, "alone us": microseconds(alone), "storm us": microseconds(during),
                "then us": microseconds(after), "quiet errors": during["errors"] + after["errors"],
                "waves": waves, "took s": round(took, 1)}
    finally:
        proxy.end()
        upstream.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("bin", metavar="BIN_FOLDER")
    parser.add_argument("--proxies", default=",".join(NAMES))
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=100, help="of the limited ones, a second")
    parser.add_argument("--seconds", type=int, default=4, help="of the storm that are measured")
    parser.add_argument("--waves", type=int, default=6, help="times that refused clients come")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    proc.raise_descriptor_limit()
    wanted = bench_proxies.present([name.strip() for name in options.proxies.split(",")])
    with tempfile.TemporaryDirectory(prefix="sluice-storm-") as folder:
        os.chmod(folder, 0o755)
        certificate = load_certificate.make(folder)
        for number in range(options.rounds):
            for name in wanted:
                print(json.dumps(run(name, options, f"{folder}/{number}-{name}", certificate)),
                      flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except proc.Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    finally:
        proc.end_all()
