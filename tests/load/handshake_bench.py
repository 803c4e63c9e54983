#!/usr/bin/env python3
"""What a handshake costs sluice's worker by the number of routes in its conf, in one run.

    handshake_bench.py BIN_FOLDER [--routes N,..] [--seconds N] [--rounds N]

Handshakes follow each other over sluice-echo, each to the last route of the conf. Told is the user
CPU time of the worker for each, median over the rounds and their spread, and its ratio to the first
number of routes, round by round.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import bench_proc as proc


def conf_of(routes, port, echo_port, user):
    """A third of the routes each: for a host, for a path of any host, for a path of some host."""
    lines = ["workers 1", "error_log off", "access_log off", *user, f"listen 127.0.0.1:{port}"]
    for i in range(routes - 1):
        lines.append(f"route /{'' if i % 3 == 0 else f'app-{i}'}")
        if i % 3 != 1:
            lines.append(f"  match_host host-{i}.example")
        lines.append(f"  proxy_pass ws://127.0.0.1:{echo_port}")
    lines += ["route /chat/room", f"  proxy_pass ws://127.0.0.1:{echo_port}"]
    return "\n".join(lines) + "\n"


class Sluice:
    def __init__(self, options, folder, routes, echo_port):
        self.port = proc.free_port()
        path = os.path.join(folder, f"{routes}.conf")
        user = ["user root"] if os.getuid() == 0 else []
        with open(path, "w", encoding="utf-8") as file:
            file.write(conf_of(routes, self.port, echo_port, user))
        self.process = proc.start([options.bin + "/sluice", "-c", path])
        proc.await_listener(self.process, self.port, "sluice")
        proc.await_processes(self.process, 2, "sluice")

    def user_ticks(self):
        """utime of the worker, which alone works, and of those beside it."""
        total = 0
        for pid in proc.tree(self.process.pid):
            fields = proc.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            total += int(fields[11]) if fields else 0
        return total


def measure(options, sluice):
    before = sluice.user_ticks()
    generator = proc.start(
        [options.bin + "/sluice-bench", f"ws://127.0.0.1:{sluice.port}/chat/room", "-c", "16",
         "--connect-rate", "0", "-d", f"{options.seconds}s", "--json", "-q"],
        stdout=subprocess.PIPE, text=True)
    result = json.loads(generator.communicate()[0])
    if result["errors"]:
        raise proc.Failure(result["first_error"])
    seconds = (sluice.user_ticks() - before) / proc.TICKS_PER_SECOND
    return seconds * 1e6 / result["opened"]


def main():
    parser = argparse.ArgumentParser(description="user CPU of a handshake by the number of routes")
    parser.add_argument("bin")
    parser.add_argument("--routes", default="10,1000,10000")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    counts = [int(each) for each in options.routes.split(",")]
    echo_port = proc.free_port()
    echo = proc.start([options.bin + "/sluice-echo", "--quiet", "--listen",
                       f"127.0.0.1:{echo_port}"], stdout=subprocess.DEVNULL)
    proc.await_listener(echo, echo_port, "sluice-echo")
    with tempfile.TemporaryDirectory(prefix="sluice-handshakes-") as folder:
        sluices = [Sluice(options, folder, each, echo_port) for each in counts]
        rounds = [[measure(options, each) for each in sluices] for _ in range(options.rounds)]
        proc.end_all()
    for i, count in enumerate(counts):
        spent = [each[i] for each in rounds]
        ratios = [each[i] / each[0] for each in rounds]
        print(f"{count:6} routes: {statistics.median(spent):6.1f} us of user CPU a handshake "
              f"({min(spent):.1f}..{max(spent):.1f}), ratio {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f}..{max(ratios):.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
