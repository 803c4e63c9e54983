#!/usr/bin/env python3
"""Tests sluice-bench --http2 against sluice-echo --http2, and against servers that offer no
WebSockets over HTTP/2 or break off.

    load_http2_test.py BIN_FOLDER [PART_OF_A_TEST'S_NAME]
"""
import json
import re
import signal
import subprocess
import tempfile
import time

import load_test
from load_peers import Server, read_exactly
from load_test import Echo, bench, check_echoed, run_tests
from load_tls_test import TlsEcho

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, GOAWAY = 1, 3, 4, 7
CONNECT_OFFERED = b"\x00\x08\x00\x00\x00\x01"  # SETTINGS_ENABLE_CONNECT_PROTOCOL 1
REMEDY = "set http2 on there, or leave out --http2"


class CountedEcho(Echo):
    """Its count(name) is what it says at its end."""

    def __exit__(self, *outcome):
        self.process.send_signal(signal.SIGTERM)
        self.said = self.process.communicate(timeout=5)[0]
        assert self.process.returncode == 0, self.process.returncode

    def count(self, name):
        return int(re.search(rf"{name} (\d+)", self.said).group(1))


def http2(url, *options, **how):
    return bench(url, "--http2", *options, **how)


# --- against sluice-echo --------------------------------------------------------------------------

def test_echo_sizes():
    for make in (Echo, TlsEcho):
        with make("--http2") as echo:
            trust = getattr(echo, "trust", ())
            for payload in ("0", "125", "16383", "64k", "300k", "1m"):  # a window is 256k
                result = http2(echo.url(), "--payload", payload, "--messages", "53",
                               "--connections", "7", *trust)
                assert result["messages"] == 53, result
                assert result["http2_connections"] == 1 and result["opened"] == 7, result
                assert result["tls_handshakes"] == (1 if trust else 0), result
            check_echoed(http2(echo.url(), "--duration", "300ms", *trust))
            # More on its way than windows hold: both sides meet back-pressure.
            check_echoed(http2(echo.url(), "--pipeline", "16", "--payload", "300k",
                               "--connections", "6", "--messages", "200", "--threads", "2",
                               *trust))


def test_every_message_arrives_once():
    with CountedEcho("--http2", "--threads", "2") as echo:
        check_echoed(http2(echo.url(), "--pipeline", "16", "--connections", "20", "--threads", "2",
                           "--messages", "20000"))
    assert (echo.count("messages"), echo.count("streams")) == (20000, 20), echo.said
    assert echo.count("payload bytes received") == 20000 * 125, echo.said
    assert echo.count("refused") == echo.count("faults") == 0, echo.said


def test_streams_per_connection():
    for options, connections in ((("--streams-per-connection", "4"), 6),
                                 (("--streams-per-connection", "1"), 21),
                                 (("--streams-per-connection", "4", "--threads", "3"), 6),
                                 (("--streams-per-connection", "1000"), 1), ((), 1)):
        with CountedEcho("--http2") as echo:
            result = http2(echo.url(), "--connections", "21", "--messages", "210", *options)
            assert result["messages"] == 210 and result["opened"] == 21, result
            assert result["http2_connections"] == connections, (options, result)
        assert echo.count("connections") == connections, (options, echo.said)
        assert echo.count("streams") == 21, (options, echo.said)


def test_what_the_server_permits():
    with CountedEcho("--http2", "--http2-streams", "3") as echo:
        result = http2(echo.url(), "--connections", "10", "--messages", "100")
        assert result["messages"] == 100 and result["http2_connections"] == 4, result
    assert echo.count("connections") == 4 and echo.count("streams") == 10, echo.said
    with Echo("--http2", "--http2-streams", "3") as echo:  # streams' places are taken again
        result = http2(echo.url(), "--connect-rate", "0", "--duration", "300ms", "--connections",
                       "6")
        assert result["opened"] > 30 and result["http2_connections"] <= 3, result


def test_modes():
    with Echo("--http2") as echo:
        result = http2(echo.url(), "--idle", "--connections", "500", "--duration", "300ms")
        assert result["opened"] == result["open_at_end"] == 500, result
        assert result["http2_connections"] == 5, result
        result = http2(echo.url(), "--connect-rate", "200", "--duration", "1s")
        assert 150 <= result["opened"] <= 201, result
        assert result["http2_connections"] == 1, result
        result = http2(echo.url(), "--rate", "2000", "--duration", "1s", "--connections", "10",
                       "--threads", "2")
        assert 1500 <= result["messages"] <= 2001, result
        assert result["latency_us"]["p50"] < 100_000, result
        result = http2(echo.url(), "--expect", "nothing", "--messages", "5000", "--payload", "10k")
        assert result["messages"] == 5000, result
    for payload in ("1", "64k"):
        with Echo("--http2", "--mode", "flood", "--payload", payload) as echo:
            result = http2(echo.url(), "--receive", "--connections", "3", "--messages", "1000")
            assert result["messages"] == 1000, result
    with tempfile.TemporaryDirectory() as folder:
        with Echo("--http2", listen=f"unix:{folder}/echo.sock") as echo:
            check_echoed(http2(echo.url(), "--messages", "500"))


def test_subprotocol_and_header():
    with Echo("--http2", "--subprotocol", "mqtt") as echo:
        http2(echo.url(), "--messages", "50", "--subprotocol", "mqtt", "--header", "X-Test: 1")
        http2(echo.url(), "--messages", "50")
        result = http2(echo.url(), "--messages", "50", "--subprotocol", "amqp", status=1)
        assert result["errors_by_kind"]["handshake"] == 50, result
        assert "the subprotocol was not agreed on" in result["first_error"], result


def test_closes_and_refusals():
    with Echo("--http2", "--once-close", "1013") as echo:
        result = http2(echo.url(), "--messages", "100", "--connections", "5", status=1)
        assert result["errors_by_kind"]["closed"] == 5, result
        assert "the server closed with 1013" in result["first_error"], result
    with Echo("--http2", "--refuse", "503") as echo:
        result = http2(echo.url(), "--messages", "5", "--connections", "5", status=1)
        assert result["errors_by_kind"]["handshake"] == 5, result
        assert "the answer is 503" in result["first_error"], result


def test_signal_ends_bench_cleanly():
    with Echo("--http2") as echo:
        process = subprocess.Popen([load_test.BIN + "/sluice-bench", echo.url(), "--json",
                                    "--quiet", "--http2"], stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        result = json.loads(process.communicate(timeout=5)[0])
        assert process.returncode == 0 and result["errors"] == 0, result
        assert result["seconds"] < 4 and result["messages"] > 0, result


def test_command_line():
    for options in (("--streams-per-connection", "4"), ("--http2", "--streams-per-connection", "0")):
        done = subprocess.run([load_test.BIN + "/sluice-bench", "ws://127.0.0.1:1/", *options],
                              stderr=subprocess.PIPE, text=True, timeout=20)
        assert done.returncode == 2 and "--streams-per-connection" in done.stderr, done
    done = subprocess.run([load_test.BIN + "/sluice-echo", "--listen", "127.0.0.1:0",
                           "--http2-streams", "4"], stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 2 and "--http2-streams is for --http2" in done.stderr, done


# --- against servers that are not what they should be ---------------------------------------------

def frame(kind, payload=b"", stream=0, flags=0):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + \
        payload


def saying(first, answer=lambda stream: b"", then_ends=False):
    """A server that says `first` behind the preface, and answer(stream) to each request."""
    def serve(peer):
        assert read_exactly(peer, len(PREFACE)) == PREFACE
        peer.sendall(first)
        while not then_ends:
            head = read_exactly(peer, 9)
            read_exactly(peer, int.from_bytes(head[:3], "big"))
            if head[3] == HEADERS:
                peer.sendall(answer(int.from_bytes(head[5:], "big")))
    return Server(serve)


def refused(url, *options, count=5, kind="handshake"):
    """The first error, which all connections met."""
    result = http2(url, "--connections", "5", "--messages", "5", *options, status=1)
    assert result["errors_by_kind"][kind] == result["errors"] == count, result
    return result["first_error"]


def test_servers_without_it():
    with saying(frame(SETTINGS)) as url:
        error = refused(url)
        assert "does not offer WebSockets over HTTP/2 (SETTINGS_ENABLE_CONNECT_PROTOCOL, " \
            "RFC 8441)" in error and REMEDY in error, error
    with Echo() as echo:  # HTTP/1.1 alone
        error = refused(echo.url())
        assert "answers in HTTP/1.1" in error and REMEDY in error, error
    with TlsEcho() as echo:
        error = refused(echo.url(), *echo.trust)
        assert "ALPN" in error and REMEDY in error, error
    with saying(frame(SETTINGS, CONNECT_OFFERED + b"\x00\x03\x00\x00\x00\x00")) as url:
        assert "SETTINGS_MAX_CONCURRENT_STREAMS 0" in refused(url)


def test_servers_that_break_off():
    settings = frame(SETTINGS, CONNECT_OFFERED)
    with saying(b"", then_ends=True) as url:
        assert "ended before the server's SETTINGS" in refused(url)
    with saying(frame(SETTINGS, b"\x00\x05\x00\x00\x00\x00")) as url:  # no such frame size
        assert "HTTP/2: " in refused(url)
    with saying(settings, lambda stream: frame(RST_STREAM, b"\0\0\0\x07", stream)) as url:
        assert "RST_STREAM REFUSED_STREAM" in refused(url)
    with saying(settings, lambda stream: frame(HEADERS, b"\x8d", stream, 4)) as url:
        assert "the answer is 404" in refused(url)
    good = frame(HEADERS, b"\x88", 1, 4)  # :status 200
    with saying(settings, lambda stream: good + frame(0, b"\x81\x01x", 1, 1) if stream == 1
                else frame(RST_STREAM, b"\0\0\0\x02", stream)) as url:
        # A message that answers nothing ends the first, the others are reset.
        result = http2(url, "--connections", "3", "--idle", "--duration", "300ms", status=1)
        assert result["errors_by_kind"]["handshake"] == 2, result
        assert result["errors_by_kind"]["lost"] == 1, result
    with saying(settings, lambda stream: frame(HEADERS, b"\x88", stream, 4)
                + frame(GOAWAY, bytes(3) + bytes([stream]) + bytes(4))) as url:
        result = http2(url, "--connections", "1", "--idle", "--duration", "300ms", status=1)
        assert result["errors_by_kind"]["no_close"] == 1, result  # it stayed, and nothing answered
    with tempfile.TemporaryDirectory() as folder:
        result = http2(f"ws://unix:{folder}/none:/", "--connections", "3", "--messages", "3",
                       status=1)
        assert result["errors_by_kind"]["connect"] == 3, result


def test_a_connection_that_is_lost():
    def serve(peer):
        assert read_exactly(peer, len(PREFACE)) == PREFACE
        peer.sendall(frame(SETTINGS, CONNECT_OFFERED))
        streams = 0
        while streams < 7:
            head = read_exactly(peer, 9)
            read_exactly(peer, int.from_bytes(head[:3], "big"))
            if head[3] == HEADERS:
                streams += 1
                peer.sendall(frame(HEADERS, b"\x88", int.from_bytes(head[5:], "big"), 4))
        time.sleep(0.2)
    with Server(serve) as url:  # all its streams are, and each counts
        result = http2(url, "--connections", "7", "--idle", "--duration", "1s", status=1)
        assert result["errors_by_kind"]["lost"] == 7 and result["open_at_end"] == 0, result
        assert "the HTTP/2 connection ended" in result["first_error"], result


if __name__ == "__main__":
    run_tests(globals())
