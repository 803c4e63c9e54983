#!/usr/bin/env python3
"""Tests sluice-bench against sluice-echo and against servers that misbehave.

    load_test.py BIN_FOLDER [PART_OF_A_TEST'S_NAME]
"""
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from load_peers import Server, frame, read_frame, read_head, upgrade

BIN = ""
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
REQUEST = ("GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")


class Echo:
    """A sluice-echo that lives as long as the `with` block; ended by its pid."""

    def __init__(self, *options, listen="127.0.0.1:0"):
        self.process = subprocess.Popen(
            [BIN + "/sluice-echo", "--listen", listen, "--quiet", "--print-stats", *options],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.address = line.split()[2]
        self.scheme = "wss" if "--tls-key" in options else "ws"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        stats = self.process.communicate(timeout=5)[0]
        assert self.process.returncode == 0, self.process.returncode
        assert stats.startswith("connections "), stats
        assert time.monotonic() - begin < 3, "sluice-echo took long to end"

    def url(self):
        return f"{self.scheme}://{self.address}:/x" if self.address.startswith("unix:") else \
            f"{self.scheme}://{self.address}/x"

    def connect(self, fields=""):
        """A raw connection, upgraded."""
        host, port = self.address.rsplit(":", 1)
        peer = socket.create_connection((host, int(port)), timeout=5)
        peer.sendall((REQUEST + fields + "\r\n").encode())
        return peer, read_head(peer)


def bench(url, *options, status=0):
    """The JSON object that sluice-bench prints, which must exit with that status."""
    done = subprocess.run([BIN + "/sluice-bench", url, "--json", "--quiet", *options],
                          stdout=subprocess.PIPE, text=True, timeout=20)
    result = json.loads(done.stdout)
    assert done.returncode == status, (done.returncode, result)
    assert (result["errors"] == 0) == (status == 0), result
    assert result["errors"] == sum(result["errors_by_kind"].values()), result
    return result


def check_echoed(result):
    assert result["messages"] > 0 and result["messages_per_second"] > 0, result
    partial = result["bytes"] - result["messages"] * result["payload"]
    on_their_way = result["connections"] * result["pipeline"] * result["payload"]
    assert 0 <= partial <= on_their_way, result
    latency = result["latency_us"]
    assert latency["count"] == result["messages"], result
    order = [latency[key] for key in ("p50", "p90", "p99", "p99_9", "max")]
    assert order == sorted(order) and order[0] > 0, result


# --- sluice-bench against sluice-echo -------------------------------------------------------------

def test_echo_sizes():
    with Echo() as echo:
        for payload in ("0", "3", "16", "125", "126", "65535", "64k"):
            result = bench(echo.url(), "--payload", payload, "--messages", "503",
                           "--connections", "7")
            assert result["messages"] == 503, result
        for payload, connections in (("16", "50"), ("125", "50"), ("64k", "8"), ("1m", "4")):
            result = bench(echo.url(), "--payload", payload, "--connections", connections,
                           "--duration", "500ms")
            check_echoed(result)
            assert result["open_at_end"] == int(connections), result


def test_pipelined():
    with Echo("--threads", "2") as echo:
        check_echoed(bench(echo.url(), "--pipeline", "16", "--connections", "20", "--threads", "2",
                           "--messages", "100000"))
        # More on its way than socket buffers hold: both sides meet back-pressure.
        check_echoed(bench(echo.url(), "--pipeline", "64", "--payload", "256k", "--connections",
                           "4", "--messages", "1000"))


def test_fixed_rate():
    with Echo() as echo:
        result = bench(echo.url(), "--rate", "2000", "--duration", "1s", "--connections", "10",
                       "--threads", "2")
        assert 1500 <= result["messages"] <= 2001, result
        assert result["latency_us"]["p50"] < 100_000, result


def test_rate_counts_from_the_intended_time():
    """A server that pauses half a second must show in many latencies, not in one."""
    def serve(peer):
        upgrade(peer)
        count = 0
        while True:
            first, payload = read_frame(peer)
            count += 1
            if count == 50:
                time.sleep(0.5)
            peer.sendall(frame(first, payload))
            if first == 0x88:
                return
    with Server(serve) as url:
        result = bench(url, "--rate", "500", "--connections", "1", "--messages", "500")
        assert result["latency_us"]["max"] > 450_000, result
        assert result["latency_us"]["p90"] > 100_000, result


def test_connect_rate():
    with Echo() as echo:
        result = bench(echo.url(), "--connect-rate", "200", "--duration", "1s")
        assert 150 <= result["opened"] <= 201, result
        result = bench(echo.url(), "--connect-rate", "0", "--duration", "500ms", "--connections",
                       "20", "--threads", "2", "--source", "127.0.0.2,127.0.0.3")
        assert result["opened"] > 100 and result["latency_us"]["p50"] > 0, result


def test_idle():
    with Echo() as echo:
        result = bench(echo.url(), "--idle", "--connections", "500", "--duration", "500ms")
        assert result["opened"] == result["open_at_end"] == 500, result


def test_idle_counts_losses():
    def serve(peer):
        upgrade(peer)
        time.sleep(0.3)
    with Server(serve) as url:
        result = bench(url, "--idle", "--connections", "5", "--duration", "1s", status=1)
        assert result["errors_by_kind"]["lost"] == 5 and result["open_at_end"] == 0, result


def test_receive_from_flood():
    for payload in ("1", "64k"):
        with Echo("--mode", "flood", "--payload", payload) as echo:
            result = bench(echo.url(), "--receive", "--connections", "4", "--duration", "500ms")
            assert result["messages"] > 100, result
            result = bench(echo.url(), "--receive", "--connections", "3", "--messages", "1000")
            assert result["messages"] == 1000, result


def test_unix_socket():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/echo.sock"
        with Echo("--threads", "2", listen="unix:" + path) as echo:
            check_echoed(bench(echo.url(), "--messages", "20000", "--threads", "2"))
            assert os.path.exists(path)
        assert not os.path.exists(path)


def test_subprotocol_and_header():
    with Echo("--subprotocol", "mqtt") as echo:
        bench(echo.url(), "--messages", "50", "--subprotocol", "mqtt", "--header", "X-Test: 1")
        bench(echo.url(), "--messages", "50")
        result = bench(echo.url(), "--messages", "50", "--subprotocol", "amqp", status=1)
        assert result["errors_by_kind"]["handshake"] == 50, result


def test_signal_ends_bench_cleanly():
    with Echo() as echo:
        process = subprocess.Popen([BIN + "/sluice-bench", echo.url(), "--json", "--quiet"],
                                   stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        result = json.loads(process.communicate(timeout=5)[0])
        assert process.returncode == 0 and result["errors"] == 0, result
        assert result["seconds"] < 4 and result["messages"] > 0, result


# --- sluice-bench against servers that misbehave --------------------------------------------------

def answering(change):
    """A server that answers each frame with what `change` makes of it; None: hangs up."""
    def serve(peer):
        upgrade(peer)
        while True:
            first, payload = read_frame(peer)
            answer = (first, payload) if first == 0x88 else change(first, payload)
            if answer is None:
                return
            peer.sendall(frame(*answer))
            if first == 0x88:
                return
    return serve


def check_caught(serve, kind, *options):
    with Server(serve) as url:
        result = bench(url, "--connections", "2", "--messages", "40", *options, status=1)
        assert result["errors_by_kind"][kind] > 0, (kind, result)


def test_corrupted_echo():
    for at in (0, 8, 99):
        check_caught(answering(lambda first, payload: (
            first, payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1:])), "mismatch")
    check_caught(answering(lambda first, payload: (first, payload[:-1])), "mismatch")
    check_caught(answering(lambda first, payload: (first, payload + b"x")), "mismatch")
    check_caught(answering(lambda first, payload: (0x81, payload)), "mismatch")
    seen = []
    check_caught(answering(lambda first, payload: (first, (seen.append(payload), seen[0])[1])),
                 "mismatch", "--connections", "1")


def test_protocol_errors():
    check_caught(answering(lambda first, payload: (first | 0x40, payload)), "protocol")
    check_caught(answering(lambda first, payload: (0x83, payload)), "protocol")
    check_caught(answering(lambda first, payload: (0x80, payload)), "protocol")
    check_caught(answering(lambda first, payload: (0x09, b"")), "protocol")
    check_caught(answering(lambda first, payload: (first, payload, b"1234")), "protocol")


def test_bad_endings():
    check_caught(answering(lambda first, payload: None), "lost")
    check_caught(answering(lambda first, payload: (0x88, b"\x03\xf5")), "closed")

    def silent_after_close(peer):
        upgrade(peer)
        while True:
            first, payload = read_frame(peer)
            if first != 0x88:
                peer.sendall(frame(first, payload))
    check_caught(silent_after_close, "no_close")

    def hungry(peer):  # answers the Close but no message
        upgrade(peer)
        while True:
            first, payload = read_frame(peer)
            if first == 0x88:
                peer.sendall(frame(first, payload))
                return
    with Server(hungry) as url:
        result = bench(url, "--connections", "2", "--duration", "300ms", status=1)
        assert result["errors_by_kind"]["unanswered"] == 2, result


def test_bad_handshakes():
    def answer_with(answer):
        def serve(peer):
            read_head(peer)
            peer.sendall(answer)
            time.sleep(0.2)
        return serve
    switching = b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    check_caught(answer_with(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), "handshake")
    check_caught(answer_with(switching + b"\r\n"), "handshake")
    check_caught(answer_with(switching + b"Sec-WebSocket-Accept: " + b"a" * 27 + b"=\r\n\r\n"),
                 "handshake")
    check_caught(answer_with(b"nonsense\r\n\r\n"), "handshake")
    check_caught(answer_with(b""), "handshake")


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = bench(f"ws://127.0.0.1:{port}/", "--connections", "3", status=1)
    assert result["errors_by_kind"]["connect"] == 3 and result["opened"] == 0, result


def test_fragmented_echo_and_pings():
    """Echoes may come in fragments, with pings between them that are to be answered."""
    pongs = []

    def serve(peer):
        upgrade(peer)
        while True:
            first, payload = read_frame(peer)
            if first == 0x8A:
                pongs.append(payload)
            elif first == 0x88:
                peer.sendall(frame(first, payload))
                return
            else:
                answer = frame(0x02, payload[:10]) + frame(0x89, b"hello") + frame(0x00, b"")
                for byte in answer + frame(0x80, payload[10:]):
                    peer.sendall(bytes([byte]))
    with Server(serve) as url:
        result = bench(url, "--connections", "1", "--messages", "5")
    assert result["messages"] == 5 and pongs[:4] == [b"hello"] * 4, (result, pongs)


# --- command lines --------------------------------------------------------------------------------

def test_bad_options():
    url = "ws://127.0.0.1:1/"
    cases = [["sluice-bench", *rest] for rest in (
        [], ["nonsense"], ["ftp://127.0.0.1/"], [url, url], [url, "--bogus"], [url, "--threads"],
        [url, "--threads", "0"], [url, "--payload", "x"], [url, "--duration", "5"],
        [url, "--idle", "--receive"], [url, "--duration", "1s", "--messages", "1"],
        [url, "--header", "nonsense"], [url, "--header", "A: b\r\nC: d"], [url, "--source", "x"],
        [url, "--source", "::1"], [url, "--rate", "5", "--idle"], [url, "--tls-resume"],
        ["wss://127.0.0.1:1/", "--tls-ca", "/nowhere"],
        ["wss://127.0.0.1:1/", "--tls-ca", "/nowhere", "--tls-insecure"])]
    cases += [["sluice-echo", *rest] for rest in (
        [], ["--listen", "nonsense"], ["--listen", "127.0.0.1:0", "--mode", "x"],
        ["--listen", "127.0.0.1:0", "--once-close", "1005"], ["--listen"], ["word"],
        ["--listen", "127.0.0.1:0", "--refuse", "200"],
        ["--listen", "127.0.0.1:0", "--mode", "flood", "--delay", "1s"],
        ["--listen", "127.0.0.1:0", "--tls-key", "/nowhere"],
        ["--listen", "127.0.0.1:0", "--tls-key", "/nowhere", "--tls-certificate", "/nowhere"])]
    for program, *options in cases:
        done = subprocess.run([f"{BIN}/{program}", *options], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=5)
        assert done.returncode == 2 and done.stdout == "", (program, options, done)
        assert done.stderr.startswith(program + ": "), done
        assert done.stderr.count("\n") == 1, done
    for program in ("sluice-bench", "sluice-echo"):
        done = subprocess.run([f"{BIN}/{program}", "--help"], stdout=subprocess.PIPE, text=True,
                              timeout=5)
        assert done.returncode == 0 and "--threads" in done.stdout, done


def test_address_in_use():
    with Echo("--threads", "2") as echo:
        done = subprocess.run([BIN + "/sluice-echo", "--listen", echo.address, "--threads", "2"],
                              stderr=subprocess.PIPE, text=True, timeout=5)
        assert done.returncode == 1 and "in use" in done.stderr, done


def test_source_ports_serve_every_destination():
    """In a network of its own with 16 ports, which two times 12 sessions from one source share."""
    if subprocess.run(["unshare", "--net", "true"], check=False).returncode != 0:
        print("skipped, no network of its own is permitted: ", end="")
    elif "SMALL_NETWORK" not in os.environ:
        subprocess.run(["unshare", "--net", sys.executable, *sys.argv[:2], "source_ports"],
                       env={**os.environ, "SMALL_NETWORK": "1"}, timeout=30, check=True)
    else:
        with socket.socket() as any_socket:  # the loopback device comes up
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="utf-8") as ports:
            ports.write("40000 40015")
        options = ("--source", "127.0.0.2", "--connections", "12", "--idle", "--duration")
        with Echo(listen="127.0.0.1:50001") as first, Echo(listen="127.0.0.1:50002") as second:
            held = subprocess.Popen([BIN + "/sluice-bench", first.url(), "--marks", *options, "9s"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            assert "begin" in iter(lambda: held.stderr.readline().strip(), "")
            assert bench(second.url(), *options, "100ms")["open_at_end"] == 12
            held.terminate()
            held.communicate()


def test_text_output():
    with Echo() as echo:
        done = subprocess.run([BIN + "/sluice-bench", echo.url(), "--duration", "1200ms"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=9)
        assert done.returncode == 0, done
        for word in ("messages ", "/s, ", " MB/s", "p50 ", "p90 ", "p99 ", "p99.9 ", "max ",
                     "errors    0"):
            assert word in done.stdout, (word, done.stdout)
        assert "messages/s" in done.stderr, done


def run_tests(of_file):
    """Every test among a file's globals, or those with the command line's word in their names."""
    global BIN
    BIN = os.path.abspath(sys.argv[1])
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    tests = [(name, test) for name, test in of_file.items()
             if name.startswith("test_") and wanted in name]
    begin = time.monotonic()
    for name, test in tests:
        started = time.monotonic()
        test()
        print(f"{name} {time.monotonic() - started:.1f} s", flush=True)
    print(f"{len(tests)} passed in {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    run_tests(globals())
