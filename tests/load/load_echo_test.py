#!/usr/bin/env python3
"""Tests sluice-echo against clients that send frame by frame.

    load_echo_test.py BIN_FOLDER [PART_OF_A_TEST'S_NAME]
"""
import socket
import struct
import time

from load_peers import frame, read_frame, read_head
from load_test import REQUEST, Echo, bench, run_tests



def test_echo_keeps_frames():
    key = b"\x01\x02\x03\x04"
    sent = [(0x01, b"frag"), (0x89, b"ping"), (0x00, b""), (0x80, b"ment" * 100), (0x82, b"x" * 200)]
    with Echo() as echo:
        for step in (1, 7, 10000):  # bytes a send
            peer, head = echo.connect("Sec-WebSocket-Protocol: a\r\n")
            assert "101" in head and "Protocol" not in head.replace("Protocols", ""), head
            assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
            data = b"".join(frame(first, payload, key) for first, payload in sent)
            for at in range(0, len(data), step):
                peer.sendall(data[at:at + step])
            for first, payload in sent:
                assert read_frame(peer) == (0x8A if first == 0x89 else first, payload)
            peer.sendall(frame(0x88, b"\x03\xe8bye", key))
            assert read_frame(peer) == (0x88, b"\x03\xe8bye")
            assert peer.recv(1) == b""  # FIN, not RST
            peer.close()


def test_echo_refuses():
    with Echo() as echo:
        for old, new in (("GET", "PUT"), ("Version: 13", "Version: 12"),
                         ("dGhlIHNhbXBsZSBub25jZQ==", "short"), ("Upgrade: websocket\r\n", ""),
                         ("Connection: Upgrade\r\n", ""), ("GET / HTTP/1.1", "GET / HTP")):
            host, port = echo.address.rsplit(":", 1)
            with socket.create_connection((host, int(port)), timeout=5) as peer:
                peer.sendall((REQUEST.replace(old, new) + "\r\n").encode())
                assert read_head(peer).startswith("HTTP/1.1 400 "), (old, new)
        for bad in (frame(0x81, b"no mask"), frame(0x83, b"", b"1234"), frame(0x80, b"", b"1234"),
                    frame(0xC1, b"", b"1234"), frame(0x09, b"", b"1234")):
            peer, _ = echo.connect()
            peer.sendall(bad)
            assert read_frame(peer) == (0x88, struct.pack(">H", 1002)), bad
            peer.close()


def test_sink_and_once_close():
    key = b"abcd"
    with Echo("--mode", "sink") as echo:
        peer, _ = echo.connect()
        peer.sendall(frame(0x82, b"x" * 1000, key) + frame(0x89, b"p", key))
        assert read_frame(peer) == (0x8A, b"p")
        peer.close()
    with Echo("--once-close", "1013", "--subprotocol", "b") as echo:
        peer, head = echo.connect("Sec-WebSocket-Protocol: a, b\r\n")
        assert "Sec-WebSocket-Protocol: b\r\n" in head, head
        peer.sendall(frame(0x81, b"one", key) + frame(0x81, b"two", key))
        assert read_frame(peer) == (0x81, b"one")
        assert read_frame(peer) == (0x88, struct.pack(">H", 1013))
        peer.sendall(frame(0x88, struct.pack(">H", 1013), key))
        assert peer.recv(1) == b""
        peer.close()


def test_flood_answers_between_frames():
    key = b"abcd"
    with Echo("--mode", "flood", "--payload", "1000") as echo:
        peer, _ = echo.connect()
        peer.sendall(frame(0x89, b"p", key))
        time.sleep(0.2)  # the flood stands still in the middle of a frame
        peer.sendall(frame(0x88, b"\x03\xe8", key))
        seen = []
        while not seen or seen[-1] != 0x88:
            first, payload = read_frame(peer)
            assert first != 0x82 or len(payload) == 1000
            seen.append(first)
        assert seen.count(0x8A) == 1 and seen.count(0x82) > 10
        assert peer.recv(1) == b""
        peer.close()


def ask(echo, request):
    """All that comes back for a request that is not upgraded."""
    host, port = echo.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as peer:
        peer.sendall(request.encode())
        return b"".join(iter(lambda: peer.recv(65536), b"")).decode()


def test_page():
    plain = "GET /any?thing HTTP/1.1\r\nHost: test\r\n\r\n"
    with Echo("--page") as echo:
        head, page = ask(echo, plain).split("\r\n\r\n", 1)
        assert head.startswith("HTTP/1.1 200 OK\r\n") and "text/html" in head, head
        assert f"Content-Length: {len(page)}\r\n" in head + "\r\n", (len(page), head)
        assert page.startswith("<!doctype html>") and page.endswith("</html>\n"), page
        assert "new WebSocket(" in page and "src=" not in page, page
        assert echo.connect()[1].startswith("HTTP/1.1 101 ")
        assert ask(echo, plain.replace("GET", "PUT")).startswith("HTTP/1.1 400 ")
    with Echo() as echo:
        assert ask(echo, plain).startswith("HTTP/1.1 400 ")


def test_refuse():
    with Echo("--refuse", "503", "--page") as echo:
        answer = ask(echo, REQUEST + "\r\n")
        assert answer.startswith("HTTP/1.1 503 Service Unavailable\r\n"), answer
        assert answer.endswith("\r\n\r\nrefused, as --refuse wants it\n"), answer


def test_send_head():
    with Echo("--send-head") as echo:
        peer, _ = echo.connect("X-Forwarded-For: 192.0.2.7\r\nX-Odd: caf\u00e9\r\n")
        first, payload = read_frame(peer)
        lines = payload.decode("ascii").split("\r\n")
        assert first == 0x81 and lines[0] == "GET / HTTP/1.1", payload
        assert "X-Forwarded-For: 192.0.2.7" in lines and "X-Odd: caf??" in lines, lines
        peer.sendall(frame(0x81, b"then echoes", b"abcd"))
        assert read_frame(peer) == (0x81, b"then echoes")
        peer.close()


def test_delays():
    with Echo("--delay", "300ms") as echo:
        begin = time.monotonic()
        peer, _ = echo.connect()
        peer.sendall(frame(0x81, b"one", b"abcd") + frame(0x81, b"two", b"abcd"))
        assert read_frame(peer) == (0x81, b"one") and read_frame(peer) == (0x81, b"two")
        assert time.monotonic() - begin >= 0.298  # of whole milliseconds
        peer.close()
        result = bench(echo.url(), "--messages", "2", "--connections", "2")
        assert result["latency_us"]["p50"] >= 250_000, result
    with Echo("--handshake-delay", "300ms") as echo:
        begin = time.monotonic()
        peer, head = echo.connect()
        assert head.startswith("HTTP/1.1 101 ") and time.monotonic() - begin >= 0.298  # of whole milliseconds
        peer.sendall(frame(0x88, b"\x03\xe8", b"abcd"))
        assert read_frame(peer) == (0x88, b"\x03\xe8") and peer.recv(1) == b""
        peer.close()


if __name__ == "__main__":
    run_tests(globals())
