#!/usr/bin/env python3
"""What a scrape costs the sessions beside it: /metrics of many routes and peers, under load.

    scrape_bench.py BIN_FOLDER [--routes N] [--peers N] [--seconds N] [--rate N] [--rounds N]

Two workers relay echoes at a steady rate, in rounds without and with a scrape a second; told are
the size and time of a scrape, and of both kinds of rounds the latency of messages and, by
sluice_worker_loop_lag_seconds, how long the longest turn of a worker's loop took.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import bench_proc as proc

PEERS_AN_UPSTREAM = 100


class Sluice:
    """A sluice with that many routes and peers, of which one of each has traffic."""

    def __init__(self, options, folder):
        self.echo_port, self.port, self.admin = (proc.free_port() for _ in range(3))
        lines = ["workers 2", f"error_log {folder}/sluice.log warn",
                 f"admin 127.0.0.1:{self.admin}", f"listen 127.0.0.1:{self.port}",
                 "upstream busy", f"  server ws://127.0.0.1:{self.echo_port}"]
        upstreams = -(-options.peers // PEERS_AN_UPSTREAM)
        for number in range(upstreams):
            lines.append(f"upstream idle{number}")
            lines += [f"  server ws://127.1.{number}.{peer + 1}:1" for peer in range(
                min(PEERS_AN_UPSTREAM, options.peers - number * PEERS_AN_UPSTREAM))]
        for number in range(options.routes - 1):
            lines += [f"route /service-{number}/socket", f"  proxy_pass idle{number % upstreams}"]
        lines += ["route /", "  proxy_pass busy", ""]
        conf = folder + "/sluice.conf"
        with open(conf, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        os.chmod(folder, 0o755)
        self.echo = proc.start([options.bin + "/sluice-echo", "--quiet", "--listen",
                                f"127.0.0.1:{self.echo_port}"], stdout=subprocess.DEVNULL)
        proc.await_listener(self.echo, self.echo_port, "sluice-echo")
        self.process = proc.start([options.bin + "/sluice", "-c", conf])
        proc.await_listener(self.process, self.port, "sluice")

    def scrape(self):
        """(seconds, text)"""
        begin = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        return time.monotonic() - begin, text

    def end(self):
        for process in (self.process, self.echo):
            proc.end(process)


def turns(text):
    """How many turns of the workers' loops were at least as long as each bound, by that bound."""
    counts = {}
    for bound, count in re.findall(
            r'^sluice_worker_loop_lag_seconds_bucket\{(?:[^}]*,)?le="([^"]+)"[^}]*\} (\d+)', text,
            re.MULTILINE):
        counts[float(bound)] = counts.get(float(bound), 0) + int(count)
    return counts


def longest(before, after):
    """The bound that all turns between two scrapes were below, in seconds."""
    of = {bound: after[bound] - before.get(bound, 0) for bound in after}
    every = of[float("inf")]
    return min(bound for bound, count in of.items() if count == every)


def measure(options, sluice, scraping):
    _, before = sluice.scrape()
    generator = proc.start(
        [options.bin + "/sluice-bench", f"ws://127.0.0.1:{sluice.port}/", "-c", "50", "-r",
         str(options.rate), "-d", f"{options.seconds}s", "--json", "-q"],
        stdout=subprocess.PIPE, text=True)
    scrapes = []
    while generator.poll() is None:
        if scraping:
            scrapes.append(sluice.scrape())
        time.sleep(1)
    result = json.loads(generator.communicate()[0])
    if result["errors"]:
        raise proc.Failure(result["first_error"])
    _, after = sluice.scrape()
    return {"latency": result["latency_us"], "turn": longest(turns(before), turns(after)),
            "scrapes": scrapes}


def told(name, rounds):
    p99 = [each["latency"]["p99"] for each in rounds]
    most = [each["latency"]["max"] for each in rounds]
    print(f"{name:18} p99 {statistics.median(p99):7.0f} us ({min(p99):.0f}..{max(p99):.0f})  "
          f"max {statistics.median(most):7.0f} us ({min(most):.0f}..{max(most):.0f})  "
          f"turns below {max(each['turn'] for each in rounds) * 1000:g} ms")


def main():
    parser = argparse.ArgumentParser(description="what a scrape costs the sessions beside it")
    parser.add_argument("bin")
    parser.add_argument("--routes", type=int, default=1000)
    parser.add_argument("--peers", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    with tempfile.TemporaryDirectory(prefix="sluice-scrape-") as folder:
        sluice = Sluice(options, folder)
        try:
            rounds = {False: [], True: []}
            for _ in range(options.rounds):
                for scraping in rounds:
                    rounds[scraping].append(measure(options, sluice, scraping))
        finally:
            sluice.end()
    scrapes = [scrape for each in rounds[True] for scrape in each["scrapes"]]
    seconds = sorted(each[0] * 1000 for each in scrapes)
    print(f"{options.routes} routes, {options.peers} peers: a scrape has "
          f"{len(scrapes[-1][1].encode()) / 1000:.0f} kB and takes "
          f"{statistics.median(seconds):.1f} ms ({seconds[0]:.1f}..{seconds[-1]:.1f}, "
          f"{len(seconds)} scrapes)")
    told("without scrapes", rounds[False])
    told("a scrape a second", rounds[True])
    return 0


if __name__ == "__main__":
    sys.exit(main())
