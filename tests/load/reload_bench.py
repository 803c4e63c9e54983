#!/usr/bin/env python3
"""Reloads under load: sluice beside nginx and HAProxy.

    reload_bench.py BIN_FOLDER [--proxies NAME,..] [--reloads N] [--sessions N] [--rate N]

Half of the sessions in TLS, all with messages both ways whose content is checked, beside new
connections at a steady rate, and beside clients that stay from one reload to the end. Each reload
changes a listener, a route, an upstream's server and the certificate. Exit status 1 where sluice
loses anything; what the others do is told.
"""
import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import bench_proc as proc
import bench_proxies
import load_certificate

NGINX = """worker_processes 2;
pid {folder}/nginx.pid;
user root;
error_log {folder}/nginx.log error;
events {{ worker_connections 8000; }}
http {{
  access_log off;
""" + bench_proxies.NGINX_PATHS + """  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection "upgrade";
  proxy_read_timeout 1h;
  server {{
    listen 127.0.0.1:{port} reuseport;
    {extra}
    listen 127.0.0.1:{tls_port} ssl reuseport;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
    {route}
  }}
}}
"""
HAPROXY = """global
  nbthread 2
  maxconn 8000
defaults
  mode http
  maxconn 8000
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend front
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{tls_port} ssl crt {pem}
  {extra}
  {route}
  default_backend b
backend b
  server s 127.0.0.1:{upstream}
"""
SLUICE = """workers 2
error_log {folder}/sluice.log info
control unix:{folder}/control.sock
listen 127.0.0.1:{port}
{extra}
listen 127.0.0.1:{tls_port}
  tls_certificate {certificate}
  tls_key {key}
{route}
upstream chat
  server ws://127.0.0.1:{upstream}
route /
  proxy_pass chat
"""
WORDS = {  # what stands there in every other conf
    "nginx": ("listen 127.0.0.1:{};", "location /extra {{ proxy_pass http://127.0.0.1:{}; }}"),
    "haproxy": ("bind 127.0.0.1:{}", "use_backend b if {{ path_beg /extra/{} }}"),
    "sluice": ("listen 127.0.0.1:{}", "route /extra\n  proxy_pass ws://127.0.0.1:{}"),
}


class Proxy:
    def __init__(self, name, bin_folder, folder, upstreams, certificates):
        self.name, self.bin, self.folder = name, bin_folder, folder
        self.upstreams, self.certificates = upstreams, certificates
        self.ports = [proc.free_port() for _ in range(3)]
        self.round = 0
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        self.conf = folder + "/conf"
        self.write()
        command = {"nginx": [bench_proxies.find("nginx"), "-c", self.conf, "-p", folder, "-e",
                             folder + "/nginx.log", "-g", "daemon off;"],
                   "haproxy": [bench_proxies.find("haproxy"), "-W", "-db", "-f", self.conf],
                   "sluice": [bin_folder + "/sluice", "-c", self.conf]}[name]
        with open(folder + "/output", "w", encoding="utf-8") as output:
            self.child = proc.start(command, stdout=output, stderr=output)
        proc.await_listener(self.child, self.ports[1], name)
        time.sleep(0.5)

    def write(self):
        odd = self.round % 2
        extra, route = WORDS[self.name]
        certificate, key = self.certificates[odd]
        pem = self.folder + f"/site-{odd}.pem"
        bench_proxies.write_private(pem, proc.read(certificate) + proc.read(key))
        text = {"nginx": NGINX, "haproxy": HAPROXY, "sluice": SLUICE}[self.name]
        bench_proxies.write(self.conf, text.format(
            folder=self.folder, port=self.ports[0], tls_port=self.ports[1],
            extra=extra.format(self.ports[2]) if odd else "",
            route=route.format(self.upstreams[0]) if odd else "",
            certificate=certificate, key=key, pem=pem, upstream=self.upstreams[odd]))

    def reload(self):
        """The next conf; how long its own command took, where there is one that waits."""
        self.round += 1
        self.write()
        began = time.monotonic()
        if self.name == "sluice":
            done = subprocess.run([self.bin + "/sluice", "-s", "reload", "-c", self.conf],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise proc.Failure("sluice -s reload: " + done.stderr)
            return (time.monotonic() - began) * 1000
        self.child.send_signal(signal.SIGHUP if self.name == "nginx" else signal.SIGUSR2)
        return None

    def pids(self):
        return proc.tree(self.child.pid)

    def held(self):
        """Processes, KiB of resident memory, descriptors."""
        pids = self.pids()
        descriptors = 0
        for pid in pids:
            try:
                descriptors += len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:
                pass
        return len(pids), proc.memory_kb(pids, "Rss"), descriptors


def lasting_client(port):
    """A session that stays, or None."""
    try:
        sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(4096)
            if not piece:
                return None
            head += piece
        return sock if b" 101 " in head else None
    except OSError:
        return None


def alive(sock):
    try:
        sock.sendall(b"\x89\x80\0\0\0\0")  # a ping
        sock.settimeout(10)
        return sock.recv(16).startswith(b"\x8a")
    except OSError:
        return False


def bench(bin_folder, *words):
    return proc.start([bin_folder + "/sluice-bench", "--json", "--quiet", *map(str, words)],
                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(child):
    out, err = child.communicate(timeout=300)
    proc.RUNNING.remove(child)
    try:
        return json.loads(out)
    except ValueError:
        raise proc.Failure("sluice-bench: " + (err or out)) from None


def run(name, options, folder):
    certificates = [load_certificate.make(folder, f"{name}-{i}") for i in range(2)]
    upstreams = [bench_proxies.Upstream(options.bin) for _ in range(2)]
    proxy = Proxy(name, options.bin, f"{folder}/{name}", [each.port for each in upstreams],
                  certificates)
    half = options.sessions // 2
    seconds = options.reloads * options.every + 10
    common = ("--connections", half, "--duration", f"{seconds:.0f}s", "--payload", 200)
    plain, tls = (f"{scheme}://127.0.0.1:{port}/" for scheme, port in
                  (("ws", proxy.ports[0]), ("wss", proxy.ports[1])))
    loads = [bench(options.bin, *common, "--rate", options.messages, "--ramp", "3s", plain),
             bench(options.bin, *common, "--rate", options.messages, "--ramp", "3s",
                   "--tls-insecure", tls)]
    time.sleep(5)
    fresh = bench(options.bin, "--connect-rate", options.rate, "--connections", 50, "--duration",
                  f"{options.reloads * options.every + 2:.0f}s", plain)
    before = proxy.held()
    lasting, times, most = [], [], before[0]
    for _ in range(options.reloads):
        began = time.monotonic()
        took = proxy.reload()
        if took is not None:
            times.append(took)
        lasting.append(lasting_client(proxy.ports[0]))
        most = max(most, len(proxy.pids()))
        time.sleep(max(0, options.every - (time.monotonic() - began)))
    results = [result(each) for each in (*loads, fresh)]
    cut = sum(1 for each in lasting if each is None or not alive(each))
    after = proxy.held()
    for each in lasting:
        if each is not None:
            each.close()
    proxy.reload()
    time.sleep(4)
    last = proxy.held()
    proc.end(proxy.child)
    for each in upstreams:
        each.end()
    return {
        "proxy": name, "reloads": options.reloads, "sessions": options.sessions,
        "messages": sum(each["messages"] for each in results[:2]),
        "session errors": sum(each["errors"] for each in results[:2]),
        "first": next((each["first_error"] for each in results if each["first_error"]), ""),
        "new connections": results[2]["opened"], "new failed": results[2]["errors"],
        "lasting": len(lasting), "lasting cut": cut,
        "p99 us": max(each["latency_us"]["p99"] for each in results[:2]),
        "max us": max(each["latency_us"]["max"] for each in results[:2]),
        "processes": (before[0], most, after[0], last[0]),
        "rss kb": (before[1], after[1], last[1]), "descriptors": (before[2], after[2], last[2]),
        "reload ms": sorted(times)[len(times) // 2] if times else None,
    }


def time_large(options, folder):
    """How long a large conf takes, and what it costs the sessions of a worker meanwhile."""
    routes, upstreams, certificates = 1000, 200, 100
    folder += "/large"
    os.makedirs(folder)
    os.chmod(folder, 0o755)
    made = [load_certificate.make(folder, f"c{n}", f"DNS:c{n}.example") for n in range(certificates)]
    ports = [proc.free_port(), proc.free_port()]
    lines = [f"workers 2\nerror_log {folder}/log info\nlisten 127.0.0.1:{ports[0]}\n"
             f"listen 127.0.0.1:{ports[1]}"]
    lines += [f"  tls_certificate {path}\n  tls_key {key}" for path, key in made]
    for n in range(upstreams):
        lines.append(f"upstream u{n}\n  server ws://127.0.0.1:{10000 + n}\n"
                     f"  server ws://127.0.0.1:{20000 + n}")
    lines += [f"route /r{n}\n  set_header X-Route {n}\n  proxy_pass u{n % upstreams}"
              for n in range(routes)]
    conf = bench_proxies.write(folder + "/conf", "\n".join(lines) + "\n")
    child = proc.start([options.bin + "/sluice", "-c", conf], stderr=subprocess.DEVNULL)
    proc.await_listener(child, ports[1], "sluice")

    def said(pattern, count):
        for _ in range(2000):
            found = re.findall(pattern, proc.read(folder + "/log"))
            if len(found) >= count:
                return found
            time.sleep(0.01)
        raise proc.Failure(f"{pattern}: {proc.read(folder + '/log')[-1000:]}")

    workers = [pid for pid in proc.tree(child.pid) if pid != child.pid]
    reports = generation = 0

    def turns():
        nonlocal reports
        for pid in workers:
            os.kill(pid, signal.SIGUSR2)
        reports += len(workers)
        return max(map(int, said(r"longest turn us (\d+)", reports)[-len(workers):]))

    time.sleep(0.5)
    turns()
    for what, renewed in (("nothing changed", 0), ("one certificate renewed", 1),
                          ("all certificates renewed", certificates)):
        figures = []
        for _ in range(7):
            for n in range(renewed):
                made[n] = load_certificate.make(folder, f"c{n}", f"DNS:c{n}.example")
            time.sleep(0.3)
            turns()
            generation += 1
            child.send_signal(signal.SIGHUP)
            took = int(said(r"in use as generation \d+, after (\d+) ms", generation)[-1])
            figures.append((took, turns()))
        print(f"{routes} routes, {upstreams} upstreams, {certificates} certificates, {what}: "
              f"{sorted(each[0] for each in figures)} ms from HUP to the last acknowledgement, "
              f"longest turn of a worker {sorted(each[1] for each in figures)} us", flush=True)
    proc.end(child)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("bin", metavar="BIN_FOLDER")
    parser.add_argument("--proxies", default="sluice,nginx,haproxy")
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--every", type=float, default=0.5, help="seconds between reloads")
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--messages", type=int, default=2000, help="a second, plain and TLS each")
    parser.add_argument("--rate", type=int, default=500, help="new connections a second")
    parser.add_argument("--large", action="store_true", help="times a large conf instead")
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    proc.raise_descriptor_limit()
    wanted = bench_proxies.present([name.strip() for name in options.proxies.split(",")])
    status = 0
    with tempfile.TemporaryDirectory(prefix="sluice-reload-") as folder:
        os.chmod(folder, 0o755)
        if options.large:
            time_large(options, folder)
            return 0
        for name in wanted:
            figures = run(name, options, folder)
            print(json.dumps(figures), flush=True)
            if name == "sluice" and (figures["session errors"] or figures["new failed"]
                                     or figures["lasting cut"]):
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
