#!/usr/bin/env python3
"""A drain under load: how proxies end the sessions that they have when they are told to quit.

    drain_bench.py BIN_FOLDER [--proxies NAME,..] [--sessions N] [--window SECONDS]

Half of the sessions in TLS, all with messages both ways, in two fragments each so that a Close may
come inside one. Told of each proxy: how many sessions saw a Close, at a message's boundary or
inside a message, or were cut without one; how many ended in each tenth of the window; messages that
a peer had begun to get and did not get whole, and messages of clients that the upstream never got.
Exit status 1 where sluice cuts anything, or its tenths are more than 30 % apart from even.
"""
import argparse
import asyncio
import json
import os
import resource
import signal
import ssl
import struct
import subprocess
import sys
import tempfile
import time

import bench_proc as proc
import bench_proxies
import load_certificate

NGINX = """daemon off;
worker_processes 2;
worker_shutdown_timeout {window}s;
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
    listen 127.0.0.1:{tls_port} ssl reuseport;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
  }}
}}
"""
HAPROXY = """global
  nbthread 2
  maxconn 8000
  hard-stop-after {window}s
  close-spread-time {window}s
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
  default_backend b
backend b
  server s 127.0.0.1:{upstream}
"""
SLUICE = """workers 2
error_log {folder}/sluice.log info
drain_timeout {window}s
listen 127.0.0.1:{port}
listen 127.0.0.1:{tls_port}
  tls_certificate {certificate}
  tls_key {key}
route /
  proxy_pass ws://127.0.0.1:{upstream}
"""
# Its own words for a graceful end are SIGTERM and SIGINT; QUIT ends it at once.
CADDY = """{{
  admin off
  auto_https off
  grace_period {window}s
  storage file_system {folder}/caddy
  log {{
    level ERROR
  }}
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{upstream}
}}
https://:{tls_port} {{
  bind 127.0.0.1
  tls {certificate} {key}
  reverse_proxy 127.0.0.1:{upstream}
}}
"""
CONFS = {"nginx": NGINX, "haproxy": HAPROXY, "caddy": CADDY, "sluice": SLUICE}
QUIT = {"nginx": signal.SIGQUIT, "haproxy": signal.SIGUSR1, "caddy": signal.SIGTERM,
        "sluice": signal.SIGQUIT}
TEXT, CLOSE = 1, 8
HANDSHAKE = ("GET /{} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
ACCEPTED = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
GONE = (OSError, asyncio.IncompleteReadError, ssl.SSLError)


def frame(opcode, payload, masked, fin=True):
    """Payloads are short; the mask is zero."""
    head = bytes([(0x80 if fin else 0) | opcode, (0x80 if masked else 0) | len(payload)])
    return head + (bytes(4) if masked else b"") + payload


async def read_frame(reader):
    """Whether it is the last of its message, its opcode and its payload."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        length = struct.unpack("!H", await reader.readexactly(2))[0]
    if second & 0x80:
        await reader.readexactly(4)
    return bool(first & 0x80), first & 0xF, await reader.readexactly(length)


async def send_message(writer, payload, masked, pause):
    """In two frames, with a pause between them."""
    half = len(payload) // 2
    writer.write(frame(TEXT, payload[:half], masked, fin=False))
    await asyncio.sleep(pause)
    writer.write(frame(0, payload[half:], masked))


class Session:
    """A client's, and what became of it."""

    def __init__(self, number, port, tls):
        self.number, self.port, self.tls = number, port, tls
        self.sent = self.got = 0
        self.inside = False  # a message has begun to come
        self.ended = None    # when its Close came, or its connection's end
        self.code = None
        self.cut_inside = False

    async def run(self, options, ready):
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        writer.write(HANDSHAKE.format(self.number).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head:
            raise proc.Failure(head.decode())
        ready.append(self)
        talking = asyncio.create_task(self.talk(writer, options))
        try:
            while self.code is None:
                fin, opcode, payload = await read_frame(reader)
                if opcode == CLOSE:
                    self.code = int.from_bytes(payload[:2], "big")
                    self.cut_inside = self.inside
                else:
                    self.inside = not fin
                    self.got += fin
        except GONE:
            self.cut_inside = self.inside
        self.ended = time.monotonic()
        with_close = self.code is not None
        try:
            await talking  # the message that has begun is finished
            if with_close:
                writer.write(frame(CLOSE, struct.pack("!H", self.code), True))
                await writer.drain()
                while await reader.read(4096):
                    pass
        except GONE:
            pass
        writer.close()

    async def talk(self, writer, options):
        await asyncio.sleep(self.number % 1000 / 1000 * options.every)
        while self.ended is None:
            try:
                await send_message(writer, b"message %08d of %05d" % (self.sent, self.number), True,
                                   options.pause)
            except GONE:
                return
            self.sent += 1
            began = time.monotonic()
            while self.ended is None and time.monotonic() - began < options.every:
                await asyncio.sleep(0.05)


async def serve(port_file):
    """The upstream: answers each message by one of two frames, and a Close. At SIGTERM it tells how
    many messages it got whole from each session."""
    got = {}

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        number = int(head.split(b" ", 2)[1][1:])
        writer.write(ACCEPTED)
        try:
            while True:
                fin, opcode, payload = await read_frame(reader)
                if opcode == CLOSE:
                    writer.write(frame(CLOSE, payload, False))
                    break
                if fin:
                    got[number] = got.get(number, 0) + 1
                    await send_message(writer, b"answer to %05d, which is longer" % number, False,
                                       0.02)
        except GONE:
            pass
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    with open(port_file, "w", encoding="ascii") as file:
        file.write(str(server.sockets[0].getsockname()[1]) + "\n")
    await ended.wait()
    print(json.dumps(got), flush=True)


def start_upstream(folder):
    path = folder + "/port"
    child = proc.start([sys.executable, os.path.abspath(__file__), "--serve", path],
                       stdout=subprocess.PIPE, text=True)
    for _ in range(500):
        if os.path.exists(path) and proc.read(path).endswith("\n"):
            return child, int(proc.read(path))
        time.sleep(0.02)
    raise proc.Failure("the upstream did not start")


def start_proxy(name, options, folder, upstream):
    ports = proc.free_port(), proc.free_port()
    certificate, key = load_certificate.make(folder, name)
    pem = folder + "/site.pem"
    bench_proxies.write_private(pem, proc.read(certificate) + proc.read(key))
    conf = bench_proxies.write(folder + "/conf", CONFS[name].format(
        folder=folder, port=ports[0], tls_port=ports[1], certificate=certificate, key=key, pem=pem,
        upstream=upstream, window=options.window))
    command = {"nginx": [bench_proxies.find("nginx"), "-c", conf, "-p", folder, "-e",
                         folder + "/nginx.log"],
               "haproxy": [bench_proxies.find("haproxy"), "-db", "-f", conf],
               "caddy": [bench_proxies.find("caddy"), "run", "--config", conf, "--adapter",
                         "caddyfile"],
               "sluice": [options.bin + "/sluice", "-c", conf]}[name]
    with open(folder + "/output", "w", encoding="utf-8") as output:
        child = proc.start(command, stdout=output, stderr=output)
    proc.await_listener(child, ports[1], name)
    return child, ports


async def drain(options, child, ports, quit_signal):
    """All sessions, from their handshakes to the last one's end, and when it was told to quit."""
    sessions = [Session(n, ports[n % 2], n % 2 == 1) for n in range(options.sessions)]
    ready, tasks = [], []
    for begin in range(0, len(sessions), 50):
        batch = sessions[begin:begin + 50]
        tasks += [asyncio.create_task(each.run(options, ready)) for each in batch]
        for _ in range(1000):
            if len(ready) >= begin + len(batch):
                break
            await asyncio.sleep(0.01)
    await asyncio.sleep(2)
    if len(ready) != len(sessions):
        raise proc.Failure(f"{len(ready)} of {len(sessions)} sessions were opened")
    began = time.monotonic()
    child.send_signal(quit_signal)
    await asyncio.wait(tasks, timeout=options.window + 30)
    return sessions, began


def run(name, options, folder):
    os.makedirs(folder)
    os.chmod(folder, 0o755)
    upstream, port = start_upstream(folder)
    child, ports = start_proxy(name, options, folder, port)
    sessions, began = asyncio.run(drain(options, child, ports, QUIT[name]))
    left = time.monotonic()
    while child.poll() is None and time.monotonic() - left < 15:
        time.sleep(0.05)
    gone_after = round(time.monotonic() - began, 1)
    proc.end(child)
    upstream.send_signal(signal.SIGTERM)
    got = {int(n): count for n, count in json.loads(upstream.communicate(timeout=30)[0]).items()}
    proc.RUNNING.remove(upstream)
    tenths = [0] * 11
    for each in sessions:
        if each.ended is not None:
            tenths[min(int((each.ended - began) * 10 / options.window), 10)] += 1
    closed = [each for each in sessions if each.code is not None]
    return {
        "proxy": name, "sessions": len(sessions), "window s": options.window,
        "closed at a boundary": sum(not each.cut_inside for each in closed),
        "closed inside a message": sum(each.cut_inside for each in closed),
        "codes": sorted({each.code for each in closed}),
        "cut without a close": len(sessions) - len(closed),
        "of them inside a message": sum(each.cut_inside for each in sessions if each.code is None),
        "messages from clients": sum(each.sent for each in sessions),
        "lost": sum(each.sent - got.get(each.number, 0) for each in sessions),
        "messages to clients": sum(each.got for each in sessions),
        "by tenth": tenths[:10], "later": tenths[10], "process gone s": gone_after,
    }


def even(figures):
    share = figures["sessions"] / 10
    return all(abs(each - share) <= 0.3 * share for each in figures["by tenth"])


def good(figures):
    return (figures["closed at a boundary"] == figures["sessions"] and figures["lost"] == 0
            and even(figures))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("bin", metavar="BIN_FOLDER", nargs="?")
    parser.add_argument("--proxies", default="sluice,nginx,haproxy,caddy")
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--window", type=int, default=10, help="seconds")
    parser.add_argument("--every", type=float, default=2, help="seconds between messages")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds inside a message")
    parser.add_argument("--serve", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        asyncio.run(serve(options.serve))
        return 0
    options.bin = os.path.abspath(options.bin)
    proc.raise_descriptor_limit()
    status = 0
    with tempfile.TemporaryDirectory(prefix="sluice-drain-") as folder:
        os.chmod(folder, 0o755)
        for name in bench_proxies.present([each.strip() for each in options.proxies.split(",")]):
            figures = run(name, options, f"{folder}/{name}")
            print(json.dumps(figures), flush=True)
            if name == "sluice" and not good(figures):
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
