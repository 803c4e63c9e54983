#!/usr/bin/env python3
"""A peer fails under load: what its upstream's clients notice, beside nginx and HAProxy.

    peers_bench.py BIN_FOLDER [--proxies NAME,..] [--faults NAME,..] [--rate N] [--rounds N]

Three peers, one of them in a network namespace; so many handshakes a second. One peer is killed,
stopped (SIGSTOP), or its answers are dropped on the way (blackholed: its namespace has no way back),
for some seconds, and comes back. Told: handshakes that failed, the times that handshakes took before
and during the fault, for how long after it began handshakes were slow or failed, and how long after
its end the peer had a session again. connect_timeout is 5 s for all, nobody has active checks.
Needs root.
"""
import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import bench_proc as proc
import bench_proxies

NAMES = ("sluice", "nginx", "haproxy")
FAULTS = ("killed", "stopped", "blackholed")
SLOW_S = 0.1
NGINX = """daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
user root;
error_log {folder}/nginx.log error;
events {{ worker_connections 8000; }}
http {{
  access_log off;
""" + bench_proxies.NGINX_PATHS + """  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection "upgrade";
  proxy_connect_timeout 5s;
  proxy_read_timeout 10s;
  upstream all {{
{servers}  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://all; }}
  }}
}}
"""
HAPROXY = """global
  nbthread 1
  maxconn 8000
defaults
  mode http
  maxconn 8000
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response response-timeout
  timeout connect 5s
  timeout client 1h
  timeout server 10s
  timeout tunnel 1h
frontend front
  bind 127.0.0.1:{port}
  default_backend all
backend all
{servers}"""
SLUICE = """workers 1
error_log {folder}/sluice.log info
listen 127.0.0.1:{port}
upstream all
{servers}{more}route /
  proxy_pass all
"""
UPSTREAM = """
import asyncio, base64, hashlib, sys
async def serve(reader, writer):
    try:
        head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
        key = next(l.split(": ")[1] for l in head.split("\\r\\n")
                   if l.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        writer.write(("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n"
                      "Connection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\nX-Peer: "
                      + sys.argv[3] + "\\r\\n\\r\\n").encode())
        await reader.read(1)
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()
async def main():
    server = await asyncio.start_server(serve, sys.argv[1], int(sys.argv[2]), backlog=4096)
    await server.serve_forever()
asyncio.run(main())
"""
REQUEST = (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def ip(*words, check=True):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise proc.Failure(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Network:
    """A namespace behind a link, whose way back can be taken."""

    def __init__(self):
        self.name, self.link = f"peers{os.getpid()}", f"prs{os.getpid()}"
        self.near, self.far = "198.18.7.1", "198.18.7.2"

    def __enter__(self):
        ip("netns", "add", self.name)
        ip("link", "add", self.link, "type", "veth", "peer", "name", "far", "netns", self.name)
        ip("addr", "add", self.near + "/30", "dev", self.link)
        ip("link", "set", self.link, "up")
        ip("-n", self.name, "addr", "add", self.far + "/30", "dev", "far")
        ip("-n", self.name, "link", "set", "far", "up")
        return self

    def drop(self, verb):
        ip("-n", self.name, "route", verb, "blackhole", self.near + "/32")

    def __exit__(self, *_):
        ip("link", "del", self.link, check=False)
        ip("netns", "del", self.name, check=False)


class Peers:
    """Three upstreams; the last one is in the namespace, and is the one that fails."""

    def __init__(self, network):
        self.network = network
        self.places = [("127.0.0.1", proc.free_port()), ("127.0.0.1", proc.free_port()),
                       (network.far, 9000)]
        self.children = [self.start(number) for number in range(3)]

    def start(self, number):
        address, port = self.places[number]
        prefix = ["ip", "netns", "exec", self.network.name] if number == 2 else []
        return proc.start([*prefix, sys.executable, "-c", UPSTREAM, address, str(port),
                           str(number)])

    def fail(self, fault):
        child = self.children[2]
        if fault == "killed":
            proc.end(child)
        elif fault == "stopped":
            os.kill(child.pid, signal.SIGSTOP)
        else:
            self.network.drop("add")

    def mend(self, fault):
        if fault == "killed":
            self.children[2] = self.start(2)
        elif fault == "stopped":
            os.kill(self.children[2].pid, signal.SIGCONT)
        else:
            self.network.drop("del")

    def end(self):
        for child in self.children:
            proc.end(child)


def start_proxy(name, options, folder, peers):
    os.makedirs(folder)
    port = proc.free_port()
    kind = name.split("-")[0]
    form = {"nginx": "    server {}:{};\n", "haproxy": "  server s{} {}:{}\n",
            "sluice": "  server ws://{}:{}\n"}[kind]
    servers = "".join(form.format(number, *place) if kind == "haproxy" else form.format(*place)
                      for number, place in enumerate(peers.places))
    more = "  hedge_after 200ms\n" if name.endswith("-hedged") else ""
    text = {"nginx": NGINX, "haproxy": HAPROXY, "sluice": SLUICE}[kind].format(
        folder=folder, port=port, servers=servers, more=more)
    path = bench_proxies.write(folder + "/conf", text)
    command = {"nginx": [bench_proxies.find("nginx"), "-c", path, "-p", folder],
               "haproxy": [bench_proxies.find("haproxy"), "-q", "-db", "-f", path],
               "sluice": [options.bin + "/sluice", "-c", path]}[kind]
    child = proc.start(command)
    proc.await_listener(child, port, name)
    return child, port


class Load:
    """Handshakes at a fixed rate, each on its own time."""

    def __init__(self, port, rate):
        self.port, self.rate = port, rate
        self.done = []  # begin, seconds, what: 101's peer, or an error
        self.tasks = set()

    async def shake_hands(self):
        begin, what = time.monotonic(), "no answer"
        writer = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(REQUEST)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            what = head.split(b"\r\n", 1)[0].decode()
            if " 101 " in what:
                what = int(head.lower().split(b"x-peer: ")[1][:1])
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            what = type(error).__name__
        finally:
            self.done.append((begin, time.monotonic() - begin, what))
            if writer:
                writer.close()

    async def run_for(self, seconds):
        end = time.monotonic() + seconds
        due = time.monotonic()
        while due < end:
            task = asyncio.create_task(self.shake_hands())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            due += 1 / self.rate
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def finish(self):
        await asyncio.gather(*self.tasks)


def milliseconds(times, percent):
    times = sorted(times)
    return round(1000 * times[min(len(times) - 1, len(times) * percent // 100)], 1) if times else None


async def measure(fault, options, peers, port):
    load = Load(port, options.rate)
    await load.run_for(3)
    failed = time.monotonic()
    peers.fail(fault)
    await load.run_for(options.seconds)
    mended = time.monotonic()
    peers.mend(fault)
    await load.run_for(options.back)
    await load.finish()
    before = [took for begin, took, _ in load.done if begin < failed]
    during = [each for each in load.done if failed <= each[0] < mended]
    noticed = [begin - failed for begin, took, what in during
               if took > SLOW_S or not isinstance(what, int)]
    back = [begin + took - mended for begin, took, what in load.done
            if what == 2 and begin > mended]
    errors = {}
    for _, _, what in load.done:
        if not isinstance(what, int):
            errors[what] = errors.get(what, 0) + 1
    return {"fault": fault, "handshakes": len(load.done), "failed": sum(errors.values()),
            "errors": errors, "before p99 ms": milliseconds(before, 99),
            "during p50 ms": milliseconds([each[1] for each in during], 50),
            "during p99 ms": milliseconds([each[1] for each in during], 99),
            "during max ms": milliseconds([each[1] for each in during], 100),
            "slow or failed": len(noticed),
            "noticed for s": round(max(noticed), 2) if noticed else 0,
            "back after s": round(min(back), 2) if back else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("bin", metavar="BIN_FOLDER")
    parser.add_argument("--proxies", default=",".join(NAMES))
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20, help="that the fault lasts")
    parser.add_argument("--back", type=int, default=25, help="that are waited for its return")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    proc.raise_descriptor_limit()
    proxies = bench_proxies.present([name.strip() for name in options.proxies.split(",")])
    with tempfile.TemporaryDirectory(prefix="sluice-peers-") as folder, Network() as network:
        os.chmod(folder, 0o755)
        for number in range(options.rounds):
            for fault in options.faults.split(","):
                for name in proxies:
                    peers = Peers(network)
                    time.sleep(1)
                    child, port = start_proxy(name, options, f"{folder}/{number}-{fault}-{name}",
                                              peers)
                    try:
                        told = asyncio.run(measure(fault, options, peers, port))
                        print(json.dumps({"proxy": name, **told}), flush=True)
                    finally:
                        proc.end(child)
                        peers.end()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except proc.Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    finally:
        proc.end_all()
