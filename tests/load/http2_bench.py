#!/usr/bin/env python3
"""What WebSockets over HTTP/2 cost, in one run: CPU a message beside HTTP/1.1, HAProxy and nghttpx,
and memory of idle sessions by the number of streams on a connection.

    http2_bench.py BIN_FOLDER [--seconds N] [--rounds N] [--sessions N]

Between sluice-bench and sluice-echo, without TLS. Told are medians over the rounds with their
spread, and ratios to sluice over HTTP/2, round by round. HAProxy (2.4 or newer) and nghttpx are left
out where they are missing.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import bench_proc as proc

STREAMS = 100
HAPROXY = """global
  maxconn 4000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend in
  bind 127.0.0.1:{port} proto h2
  default_backend out
backend out
  server one 127.0.0.1:{echo}
"""


class Proxy:
    """One that is running; `options` are what sluice-bench needs to speak with it."""

    def __init__(self, name, port, command, streams):
        self.name, self.port = name, port
        self.options = ["--http2", "--streams-per-connection", str(streams)] if streams else []
        self.process = proc.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        proc.await_listener(self.process, port, name)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/"

    def pids(self):
        return proc.tree(self.process.pid)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def sluice(options, folder, echo, name, streams):
    port = proc.free_port()
    user = "user root\n" if os.getuid() == 0 else ""
    conf = write(f"{folder}/{name}.conf",
                 f"workers 1\nerror_log off\naccess_log off\n{user}http2 cleartext\n"
                 f"listen 127.0.0.1:{port}\nroute /\n  proxy_pass ws://127.0.0.1:{echo}\n")
    proxy = Proxy(name, port, [options.bin + "/sluice", "-c", conf], streams)
    proc.await_processes(proxy.process, 2, name)
    return proxy


def proxies(options, folder, echo):
    yield sluice(options, folder, echo, "sluice h2", STREAMS)
    yield sluice(options, folder, echo, "sluice h1", 0)
    program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    if program:
        port = proc.free_port()
        conf = write(f"{folder}/haproxy.cfg", HAPROXY.format(port=port, echo=echo))
        yield Proxy("haproxy h2", port, [program, "-db", "-f", conf], STREAMS)
    program = shutil.which("nghttpx", path=os.environ["PATH"] + ":/usr/sbin")
    if program:
        port = proc.free_port()
        yield Proxy("nghttpx h2", port,
                    [program, "--workers=1", "--errorlog-file=/dev/null", "--no-ocsp", "--conf=/dev/null",
                     f"--frontend=127.0.0.1,{port};no-tls", f"--backend=127.0.0.1,{echo}",
                     "--backend-connections-per-host=10000"], STREAMS)


def bench(options, proxy, *words):
    generator = proc.start([options.bin + "/sluice-bench", proxy.url, *proxy.options, "--json",
                            "-q", *words], stdout=subprocess.PIPE, text=True)
    return generator


def cpu_a_message(options, proxy, payload):
    before = proc.cpu_ns(proxy.pids())
    generator = bench(options, proxy, "-c", str(STREAMS), "-d", f"{options.seconds}s",
                      "--payload", str(payload))
    result = json.loads(generator.communicate()[0])
    if result["errors"]:
        raise proc.Failure(f"{proxy.name}: {result['first_error']}")
    return (proc.cpu_ns(proxy.pids()) - before) / 1e3 / result["messages"]


def bytes_a_session(options, folder, echo, streams):
    proxy = sluice(options, folder, echo, f"idle {streams}", streams)
    proc.settle(proxy.pids())
    before = proc.memory_kb(proxy.pids())
    generator = bench(options, proxy, "-c", str(options.sessions), "-d", "1h", "--idle",
                      "--idle-messages", "1")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        proc.settle(proxy.pids(), 10)
        held = len(os.listdir(f"/proc/{proxy.pids()[-1]}/fd"))
        if held > options.sessions:
            break
    else:
        raise proc.Failure(f"only {held} descriptors with {options.sessions} sessions")
    after = proc.memory_kb(proxy.pids())
    proc.end(generator)
    proc.end(proxy.process)
    return (after - before) * 1024 / options.sessions


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description="WebSockets over HTTP/2")
    parser.add_argument("bin")
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=4000)
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    proc.raise_descriptor_limit()
    echo = proc.free_port()
    server = proc.start([options.bin + "/sluice-echo", "--quiet", "--listen", f"127.0.0.1:{echo}"],
                        stdout=subprocess.DEVNULL)
    proc.await_listener(server, echo, "sluice-echo")
    with tempfile.TemporaryDirectory(prefix="sluice-http2-") as folder:
        running = list(proxies(options, folder, echo))
        for payload in (125, 16_384):
            rounds = [[cpu_a_message(options, each, payload) for each in running]
                      for _ in range(options.rounds)]
            for i, proxy in enumerate(running):
                print(f"{payload:6} bytes  {proxy.name:10}  {spread([r[i] for r in rounds])} us of "
                      f"CPU a message, sluice h2 {spread([r[0] / r[i] for r in rounds])} of it")
        for proxy in running:
            proc.end(proxy.process)
        for streams in (0, 1, 10, 100):
            cost = bytes_a_session(options, folder, echo, streams)
            what = f"{streams:3} streams a connection" if streams else "HTTP/1.1"
            print(f"idle  {what}: {cost:.0f} bytes a session")
        proc.end_all()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except proc.Failure as failure:
        sys.exit(f"http2_bench: {failure}")
