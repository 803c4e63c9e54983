"""Faults against the real binary: a seeded peer that delays, splits, stalls, half-closes and resets at
byte N, a blackholed upstream in a network namespace, and a crowd that comes back at once."""
import bisect
import fcntl
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

from harness import BIN, Skip, Sluice, Suite, assert_within_100_ms, wait_until
from wire import (BINARY, CLOSE, KEY, PING, TEXT, Upstream, answer_101, close_payload, dial,
                  frame, pair, refusal, refusing_socket, request)

suite = Suite()


class Stream:
    """What a faulty peer sends: valid frames, where they end, and how the peer itself ends."""

    def __init__(self, rng, masked):
        self.bytes = b""
        self.boundaries = {0}
        for _ in range(rng.randrange(1, 8)):
            opcode = rng.choice((TEXT, BINARY, BINARY, PING))
            size = rng.randrange(126) if opcode == PING else rng.choice(
                (0, 1, 125, 126, 4000, 65535, 65536, 300_000))
            self.bytes += frame(opcode, bytes(size), masked)
            self.boundaries.add(len(self.bytes))
        if rng.random() < 0.4:
            self.bytes += frame(CLOSE, close_payload(rng.choice((1000, 4000))), masked)
            self.boundaries.add(len(self.bytes))
        self.cut = rng.choice((len(self.bytes), rng.randrange(len(self.bytes) + 1)))
        self.end = rng.choice(("reset", "close", "finish", "wait", "wait"))
        self.pieces = rng.choice((1 << 20, 1 << 20, 5000, 100))
        self.pause = rng.choice((0, 0, 0.001, 0.01))


class FaultyPeer(threading.Thread):
    """Plays a Stream over a wire and collects what comes."""

    def __init__(self, wire, stream, slow):
        super().__init__(daemon=True)
        self.wire, self.stream, self.slow = wire, stream, slow
        self.received = bytearray(wire.buffer)
        self.broken = False
        self.ended = None  # "end", "reset", "cut" (by ourselves), "late"

    def run(self):
        reader = threading.Thread(target=self.read, daemon=True)
        reader.start()
        try:
            self.write()
        except OSError:
            self.broken = True  # a reset is told once, and this call has taken it from the reader
        reader.join(15)

    def write(self):
        stream = self.stream
        at = 0
        while at < stream.cut:
            piece = min(stream.pieces, stream.cut - at)
            self.wire.send(stream.bytes[at:at + piece])
            at += piece
            if stream.pieces == 100 and at > 2000:
                stream.pieces = 50_000
            time.sleep(stream.pause)
        if stream.end == "finish":
            self.wire.finish()
        elif stream.end in ("reset", "close"):
            time.sleep(0.02)
            self.ended = "cut"
            if stream.end == "reset":
                self.wire.reset()
            else:
                self.wire.close()

    def read(self):
        try:
            while True:
                if self.slow:
                    time.sleep(0.002)
                data = self.wire.sock.recv(1 << 16)
                if not data:
                    self.ended = self.ended or "end"
                    break
                self.received += data
        except TimeoutError:
            self.ended = self.ended or "late"
        except OSError:
            self.ended = self.ended or "reset"
        if self.ended == "end":
            try:
                self.wire.finish()
            except OSError:
                pass


def is_close(data, masked):
    size = 8 if masked else 4
    return len(data) in (size, size - 2) and data[0] == 0x88


def judge(receiver, sender, what):
    """What came is a beginning of what was sent, and after an orderly end not cut inside a frame."""
    got, sent = bytes(receiver.received), sender.stream.bytes[:sender.stream.cut]
    common = bisect.bisect_left(range(min(len(got), len(sent))), True,
                                key=lambda n: got[:n + 1] != sent[:n + 1])
    if common < len(got):  # a Close of ours may share its first bytes with what was sent
        common = max(b for b in sender.stream.boundaries if b <= common)
    rest = got[common:]
    masked = sender.wire.masked
    assert not rest or is_close(rest, masked), f"{what}: {len(rest)} bytes that were never sent"
    assert receiver.ended != "late", f"{what}: no end within 20 s"
    if rest or (receiver.ended == "end" and not receiver.broken):
        assert common in sender.stream.boundaries, f"{what}: cut inside a frame, yet ended in order"


def faulty_session(sluice, upstream, lock, seed):
    rng = random.Random(seed)
    streams = Stream(rng, True), Stream(rng, False)
    slow = rng.random() < 0.2, rng.random() < 0.2
    with lock:  # so that both ends are those of one session
        client, server = pair(sluice, upstream)
    peers = FaultyPeer(client, streams[0], slow[0]), FaultyPeer(server, streams[1], slow[1])
    for peer in peers:
        peer.start()
    for peer in peers:
        peer.join(30)
    judge(peers[1], peers[0], f"seed {seed}, toward the upstream")
    judge(peers[0], peers[1], f"seed {seed}, toward the client")


@suite.check
def seeded_faults_on_either_side():
    first = int(os.environ.get("SLUICE_FAULT_SEED", random.randrange(1 << 30)))
    count = 1 if "SLUICE_FAULT_SEED" in os.environ else 150
    problems = []
    conf = "@close_timeout 500ms\n@idle_timeout 1s\n@send_timeout 2s\nroute /\n  proxy_pass "
    with Upstream() as upstream, Sluice(conf + upstream.uri) as sluice:
        lock = threading.Lock()
        seeds = iter(range(first, first + count))

        def work():
            for seed in seeds_of(seeds, lock):
                try:
                    faulty_session(sluice, upstream, lock, seed)
                except Exception as error:
                    problems.append(f"seed {seed}: {error!r}")
        threads = [threading.Thread(target=work, daemon=True) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(200)
        assert not problems, "SLUICE_FAULT_SEED=N replays one: " + "; ".join(problems[:5])
        sluice.wait_idle()
        report = sluice.report()
        assert report["rings_lent"] == report["blocks_lent"] == report["transits_lent"] == 0, report


def seeds_of(seeds, lock):
    while True:
        with lock:
            seed = next(seeds, None)
        if seed is None:
            return
        yield seed


@suite.check
def reset_is_told_within_100_ms():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        waits = []
        for _ in range(20):
            client, server = pair(sluice, upstream)
            client.send_frame(TEXT, "x")
            server.expect(TEXT, "x")
            begin = time.monotonic()
            server.reset()
            client.expect_end()
            waits.append(time.monotonic() - begin)
            client.close()
        assert_within_100_ms(waits, "RST between frames was told as an end")


@suite.check
def refused_connections_are_told_within_100_ms():
    """By the next peer, where there is one, else by 502."""
    held = [refusing_socket() for _ in range(2)]
    dead = [f"  server ws://127.0.0.1:{sock.getsockname()[1]}\n" for sock in held]
    with Upstream() as upstream:
        conf = f"upstream dead\n{dead[0]}{dead[1]}upstream some\n{dead[0]}  server {upstream.uri}\n" \
               "route /dead\n  proxy_pass dead\nroute /\n  proxy_pass some"
        with Sluice(conf) as sluice:
            for target, what in (("/dead", "two dead peers were told as 502"),
                                 ("/", "a session began behind a dead peer")):
                waits = []
                for _ in range(20):
                    begin = time.monotonic()
                    if target == "/dead":
                        assert refusal(sluice, request(target))[0].status == 502
                    else:
                        pair(sluice, upstream)[0].reset()
                    waits.append(time.monotonic() - begin)
                assert_within_100_ms(waits, what)


@suite.check
def handshake_that_dies_at_every_byte():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        answer = answer_101(KEY)
        for cut in range(0, len(answer), 7):
            for how in ("close", "reset"):
                def handle(wire, cut=cut, how=how):
                    wire.head()
                    wire.send(answer[:cut])
                    getattr(wire, how)()
                thread = upstream.serve(handle)
                assert refusal(sluice, request())[0].status == 502, f"{how} at byte {cut}"
                thread.join()
        sluice.wait_sessions(0)


@suite.check
def log_pipe_that_is_closed():
    """The reader of the logs dies: lines are lost, traffic is not."""
    read_end, write_end = os.pipe()
    with Upstream() as upstream, Sluice(
            f"@access_log /proc/{os.getpid()}/fd/{write_end}\nroute /\n  proxy_pass {upstream.uri}",
            access=False) as sluice:
        pair(sluice, upstream)
        os.close(read_end)
        os.close(write_end)
        for _ in range(20):
            client, server = pair(sluice, upstream)
            client.send_frame(TEXT, "x")
            server.expect(TEXT, "x")
            client.reset()
        wait_until(lambda: "access log: " in sluice.errors(), "losses are told")


@suite.check
def error_log_that_takes_nothing():
    """stderr on a full disk, and on a pipe that nobody reads: neither traffic nor the end waits."""
    for target in ("/dev/full", "pipe"):
        ends = os.pipe()
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
        path = f"/proc/{os.getpid()}/fd/{ends[1]}" if target == "pipe" else target
        with Upstream() as upstream, refusing_socket() as dead:
            conf = f"route /dead\n  proxy_pass ws://127.0.0.1:{dead.getsockname()[1]}\nroute /\n" \
                   f"  proxy_pass {upstream.uri}"
            with Sluice(conf, wait=False, prefix=("sh", "-c", f'exec 2>{path}; exec "$0" "$@"')
                        ) as sluice:
                wait_until(lambda: may_dial(sluice.port), "listening")
                client, server = pair(sluice, upstream)
                for _ in range(100):  # each is a warning
                    assert refusal(sluice, request("/dead"))[0].status == 502
                client.send_frame(TEXT, "still here")
                server.expect(TEXT, "still here")
                begin = time.monotonic()
                sluice.signal(signal.SIGTERM)
                client.expect_close(1001)
                assert sluice.wait() == 0
                assert time.monotonic() - begin < 5
        for end in ends:
            os.close(end)


def may_dial(port):
    try:
        dial(port).reset()
        return True
    except ConnectionRefusedError:
        return False


@suite.check
def a_crowd_comes_back_at_once():
    """5,000 connections at once: each gets its 101 or a 503, and a live session's latency holds."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(5000, (hard - 300) // 2)
    with EchoServer() as echo, Sluice(f"route /\n  proxy_pass {echo.uri}", access=False) as sluice:
        client = dial(sluice.port)
        client.send(request())
        assert client.head().status == 101
        crowd = Crowd(sluice.port, count)
        crowd.start()
        waits = []
        while crowd.is_alive():
            begin = time.monotonic()
            client.send_frame(TEXT, "x")
            client.expect(TEXT, "x")
            waits.append(time.monotonic() - begin)
            time.sleep(0.005)
        assert sum(crowd.statuses.values()) == count, crowd.statuses
        assert set(crowd.statuses) <= {101, 503}, crowd.statuses
        waits.sort()
        print(f"faults: {count} at once: {crowd.statuses}; a live session's round trip p50 "
              f"{waits[len(waits) // 2] * 1000:.1f} ms, max {waits[-1] * 1000:.1f} ms")
        crowd.close()


class EchoServer:
    """A sluice-echo: takes a crowd as fast as it comes, where accepting one by one would not."""

    def __init__(self):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "sluice-echo"), "--listen", "127.0.0.1:0", "--quiet"],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.uri = f"ws://{line.split()[2]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=20)


class Crowd(threading.Thread):
    """Opens everything first and reads the answers afterwards."""

    def __init__(self, port, count):
        super().__init__(daemon=True)
        self.port, self.count = port, count
        self.statuses, self.wires = {}, []

    def run(self):
        for _ in range(self.count):
            wire = dial(self.port)
            wire.send(request())
            self.wires.append(wire)
        for wire in self.wires:
            status = wire.head().status
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def close(self):
        for wire in self.wires:
            wire.reset()


INSIDE = "SLUICE_INSIDE_NAMESPACE"


@suite.check
def blackholed_upstream():
    """In a network namespace of its own, with a route to nobody that swallows everything."""
    if os.environ.get(INSIDE):
        return blackholed_inside()
    setup = "ip link set lo up && ip route add 10.99.0.0/24 dev lo"
    unshare = shutil.which("unshare")
    if not unshare or not shutil.which("ip") or subprocess.run(
            [unshare, "-n", "sh", "-c", setup], capture_output=True, check=False).returncode != 0:
        raise Skip("network namespaces are not permitted here")
    done = subprocess.run([unshare, "-n", "sh", "-c", setup + ' && exec "$0" "$@"', sys.executable,
                           os.path.abspath(__file__), sys.argv[1], "blackholed_upstream"],
                          env={**os.environ, INSIDE: "1"}, capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return None


def blackholed_inside():
    hole = "ws://10.99.0.2:9"
    with Sluice(f"@connect_timeout 300ms\nroute /\n  proxy_pass {hole}") as sluice:
        begin = time.monotonic()
        assert refusal(sluice, request())[0].status == 504
        assert 0.25 < time.monotonic() - begin < 5
    with Upstream() as upstream:
        conf = f"@connect_timeout 300ms\nupstream both\n  server {hole}\n  server {upstream.uri}\n" \
               "route /\n  proxy_pass both"
        with Sluice(conf) as sluice:
            for _ in range(2):
                pair(sluice, upstream)


if __name__ == "__main__":
    suite.run()
