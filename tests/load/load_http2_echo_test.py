#!/usr/bin/env python3
"""Tests sluice-echo --http2 against clients that are not ours: python3-h2 and curl.

    /usr/bin/python3 load_http2_echo_test.py BIN_FOLDER [PART_OF_A_TEST'S_NAME]
"""
import os
import socket
import ssl
import struct
import subprocess
import time

from load_http2_client import Http2Client, SettingCodes, masked_frame
from load_peers import frame, read_frame, read_head
from load_test import REQUEST, Echo, run_tests
from load_tls_test import TlsEcho

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CLOSE = struct.pack(">H", 1000)
CANCEL, PROTOCOL_ERROR = 8, 1


def check_echo(client, number, payload=b"hello"):
    client.send(number, masked_frame(0x82, payload))
    assert client.frame(number) == (0x82, payload)


def test_streams_are_websockets():
    for make in (Echo, TlsEcho):
        with make("--http2") as echo, \
                Http2Client(echo.address, getattr(echo, "trust", (None, None))[1]) as client:
            assert client.settle()[SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1
            numbers = [client.connect() for _ in range(3)]
            for number in numbers:
                head = client.answer(number)
                assert head[":status"] == "200" and "sec-websocket-accept" not in head, head
            for payload in (b"", b"x" * 125, b"y" * 126, os.urandom(65536)):
                for number in numbers:
                    client.send(number, masked_frame(0x82, payload))
                for number in reversed(numbers):
                    assert client.frame(number) == (0x82, payload)
            first, *others = numbers
            client.send(first, masked_frame(0x89, b"ping") + masked_frame(0x88, CLOSE + b"bye"))
            assert client.frame(first) == (0x8A, b"ping")
            assert client.frame(first) == (0x88, CLOSE + b"bye")
            assert client.until_ended(first).reset is None  # END_STREAM is RFC 8441's FIN
            client.end(first)
            for number in others:
                check_echo(client, number)


def test_message_beyond_the_windows():
    payload = os.urandom(3 << 20)
    with Echo("--http2") as echo, Http2Client(echo.address) as client:
        number = client.connect()
        client.answer(number)
        client.send(number, masked_frame(0x82, payload))  # h2 checks that windows are kept
        assert client.frame(number) == (0x82, payload)


def test_a_slow_stream_holds_up_nobody():
    with Echo("--http2") as echo, Http2Client(echo.address) as client:
        slow, quick = client.connect(), client.connect()
        client.answer(slow), client.answer(quick)
        client.hold.add(slow)
        payload = b"z" * 200_000
        client.send(slow, masked_frame(0x82, payload))
        client.until(lambda: len(client.streams[slow].data) == 65535)  # all of its window
        for _ in range(20):
            check_echo(client, quick, b"q" * 10_000)
        assert len(client.streams[slow].data) == 65535
        client.release(slow)
        assert client.frame(slow) == (0x82, payload)


def test_streams_take_turns():
    with Echo("--http2", "--mode", "flood", "--payload", "64k") as echo, \
            Http2Client(echo.address) as client:
        numbers = [client.connect() for _ in range(8)]
        client.until(lambda: all(client.streams[number].head for number in numbers))
        client.until(lambda: sum(len(client.streams[number].data) for number in numbers) > 4 << 20)
        got = [len(client.streams[number].data) for number in numbers]
        assert min(got) > 200_000, got


def test_refusals():
    with Echo("--http2") as echo, Http2Client(echo.address) as client:
        client.settle()
        for number in (client.request(end=True), client.connect(protocol="connect-udp"),
                       client.connect(version=""), client.connect(version="12")):
            assert client.answer(number)[":status"] == "400"
            stream = client.until_ended(number)
            assert stream.data.endswith(b"\n") and stream.reset in (None, 0), vars(stream)
        good = client.connect()
        assert client.answer(good)[":status"] == "200"
        client.send(good, frame(0x81, b"no mask"))
        assert client.frame(good) == (0x88, struct.pack(">H", 1002))
    with Echo("--http2", "--refuse", "503") as echo, Http2Client(echo.address) as client:
        assert client.answer(client.connect())[":status"] == "503"


def test_options():
    with Echo("--http2", "--subprotocol", "b", "--send-head", "--once-close", "1013") as echo, \
            Http2Client(echo.address) as client:
        number = client.connect(("sec-websocket-protocol", "a, b"), ("x-odd", "caf\u00e9"))
        assert client.answer(number)["sec-websocket-protocol"] == "b"
        first, payload = client.frame(number)
        lines = payload.decode("ascii").split("\r\n")
        assert first == 0x81 and lines[0] == "CONNECT /chat?a=1 HTTP/2", lines
        assert ":protocol: websocket" in lines and "x-odd: caf??" in lines, lines
        client.send(number, masked_frame(0x81, b"one") + masked_frame(0x81, b"two"))
        assert client.frame(number) == (0x81, b"one")
        assert client.frame(number) == (0x88, struct.pack(">H", 1013))
        client.send(number, masked_frame(0x88, struct.pack(">H", 1013)))
        assert client.until_ended(number).reset is None
        assert "sec-websocket-protocol" not in client.answer(client.connect())
    with Echo("--http2", "--handshake-delay", "300ms", "--delay", "200ms") as echo, \
            Http2Client(echo.address) as client:
        client.settle()
        begin = time.monotonic()
        number = client.connect()
        client.answer(number)
        assert time.monotonic() - begin >= 0.298  # of whole milliseconds
        begin = time.monotonic()
        check_echo(client, number)
        assert time.monotonic() - begin >= 0.198
    with Echo("--http2", "--mode", "flood", "--payload", "100k") as echo, \
            Http2Client(echo.address) as client:
        number = client.connect()
        for _ in range(20):
            assert len(client.frame(number)[1]) == 100 << 10


def test_so_many_streams():
    with Echo("--http2", "--http2-streams", "3") as echo, Http2Client(echo.address) as client:
        assert client.settle()[SettingCodes.MAX_CONCURRENT_STREAMS] == 3
        numbers = [client.connect() for _ in range(3)]
        for number in numbers:
            client.answer(number)
            check_echo(client, number)
        client.send(numbers[0], masked_frame(0x88, CLOSE))
        client.until_ended(numbers[0])
        client.end(numbers[0])
        number = client.connect()  # there is room again
        client.answer(number)
        check_echo(client, number)
        client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 100  # never mind
        client.h2.remote_settings.acknowledge()
        client.connect()
        while client.ended is None:
            client.receive()
        assert client.ended == PROTOCOL_ERROR, client.ended


def test_streams_that_are_reset():
    with Echo("--http2") as echo, Http2Client(echo.address) as client:
        for _ in range(5):
            number, other = client.connect(), client.connect()
            client.answer(number), client.answer(other)
            client.send(number, masked_frame(0x82, b"x" * 60_000)[:30_000])
            client.h2.reset_stream(number, CANCEL)
            client.flush()
            check_echo(client, other)
        client.h2.end_stream(other)  # FIN without a Close
        client.flush()
        client.until_ended(other)


def test_what_is_no_http2():
    with Echo("--http2") as echo:
        host, port = echo.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(PREFACE + b"\xff" * 100)
            received = b"".join(iter(lambda: peer.recv(4096), b""))
            assert received[3] == 4, received  # SETTINGS
            goaway = received[received.index(b"\x07\x00\x00\x00\x00\x00"):]
            assert goaway[10:14] == b"\x00\x00\x00\x01", received  # PROTOCOL_ERROR
        for first in (b"P", b"PRI * HTTP/2.", b""):  # not taken for a preface before it is one
            with socket.create_connection((host, int(port)), timeout=5) as peer:
                peer.sendall(first)
                time.sleep(0.1)
                peer.sendall(b"UT / HTTP/1.1\r\n\r\n")
                assert read_head(peer).startswith("HTTP/1.1 400 "), first
        peer, head = echo.connect()
        assert head.startswith("HTTP/1.1 101 "), head
        peer.sendall(frame(0x81, b"as ever", b"abcd"))
        assert read_frame(peer) == (0x81, b"as ever")
        peer.close()
        with Http2Client(echo.address) as client:  # the preface in pieces
            number = client.connect()
            client.answer(number)
            check_echo(client, number)
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            for at in range(0, len(PREFACE), 5):
                peer.sendall(PREFACE[at:at + 5])
                time.sleep(0.02)
            peer.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
            assert peer.recv(4)[3] == 4  # SETTINGS
    with Echo() as echo:
        host, port = echo.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(PREFACE)
            assert read_head(peer).startswith("HTTP/1.1 400 ")


def test_alpn():
    with TlsEcho("--http2") as echo, TlsEcho() as without:
        for server, offered, chosen in ((echo, ["h2"], "h2"), (echo, ["http/1.1", "h2"], "h2"),
                                        (echo, ["http/1.1"], "http/1.1"), (echo, [], None),
                                        (without, ["h2", "http/1.1"], "http/1.1")):
            host, port = server.address.rsplit(":", 1)
            context = ssl.create_default_context(cafile=server.trust[1])
            if offered:
                context.set_alpn_protocols(offered)
            with context.wrap_socket(socket.create_connection((host, int(port)), timeout=5),
                                     server_hostname=host) as peer:
                assert peer.selected_alpn_protocol() == chosen, offered
                if chosen == "h2":
                    continue
                peer.sendall((REQUEST + "\r\n").encode())
                assert " 101 " in read_head(peer)


def curl(*arguments):
    done = subprocess.run(["curl", "-s", "-S", "-w", "\n%{http_code} %{http_version}", "--max-time",
                           "10", *arguments], stdout=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 0, done
    page, _, said = done.stdout.rpartition("\n")
    return page, said


def test_page_for_curl():
    with Echo("--http2", "--page") as plain, TlsEcho("--http2", "--page") as secured:
        url = f"http://{plain.address}/any"
        trust = ("--cacert", secured.trust[1])
        secured_url = f"https://{secured.address}/any"
        pages = set()
        for arguments, version in (((url,), "1.1"), (("--http2-prior-knowledge", url), "2"),
                                   (("--http2", url), "1.1"),  # Upgrade: h2c is no more
                                   (("--http2", *trust, secured_url), "2"),
                                   (("--http1.1", *trust, secured_url), "1.1")):
            page, said = curl(*arguments)
            assert said == "200 " + version, (arguments, said)
            assert page.startswith("<!doctype html>") and page.endswith("</html>\n"), page
            pages.add(page)
        assert len(pages) == 1
        # Two requests over one connection; without TLS Debian's curl 7.88.1 cannot do that.
        page, said = curl("--http2", *trust, secured_url, secured_url)
        assert page.count("<!doctype html>") == 2 and said == "200 2", said
    with Echo("--http2") as plain:
        assert curl("--http2-prior-knowledge", f"http://{plain.address}/")[1] == "400 2"


if __name__ == "__main__":
    run_tests(globals())
