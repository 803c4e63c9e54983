#!/usr/bin/env python3
"""Tests sluice-echo and sluice-bench against each other over TLS.

    load_tls_test.py BIN_FOLDER [PART_OF_A_TEST'S_NAME]
"""
import socket
import ssl
import tempfile

import load_certificate
from load_peers import frame, read_frame, read_head
from load_test import REQUEST, Echo, bench, check_echoed, run_tests


class TlsEcho(Echo):
    """A sluice-echo that speaks TLS, with a certificate of its own; `trust` is for sluice-bench."""

    def __init__(self, *options, names="IP:127.0.0.1,DNS:localhost", **how):
        self.folder = tempfile.TemporaryDirectory()
        certificate, key = load_certificate.make(self.folder.name, names=names)
        self.trust = ("--tls-ca", certificate)
        super().__init__("--tls-certificate", certificate, "--tls-key", key, *options, **how)

    def __exit__(self, *outcome):
        super().__exit__(*outcome)
        self.folder.cleanup()


def test_tls_echo_sizes():
    with TlsEcho("--threads", "2") as echo:
        for payload in ("0", "125", "16383", "16k", "64k"):
            result = bench(echo.url(), "--payload", payload, "--messages", "503",
                           "--connections", "7", *echo.trust)
            assert result["messages"] == 503, result
            assert (result["tls_handshakes"], result["tls_resumed"]) == (7, 0), result
        check_echoed(bench(echo.url(), "--duration", "300ms", "--threads", "2", *echo.trust))
        # What was encrypted and not taken by the socket must come first, and once.
        check_echoed(bench(echo.url(), "--pipeline", "16", "--payload", "300k", "--connections",
                           "4", "--messages", "400", "--threads", "2", *echo.trust))


def test_tls_flood_is_received():
    with TlsEcho("--mode", "flood", "--payload", "100k") as echo:
        result = bench(echo.url(), "--receive", "--connections", "3", "--messages", "1000",
                       *echo.trust)
        assert result["messages"] == 1000, result


def test_tls_full_and_resumed_handshakes():
    with TlsEcho() as echo:
        for resumed in (False, True):
            result = bench(echo.url(), "--connect-rate", "0", "--duration", "500ms",
                           "--connections", "4", *echo.trust, *["--tls-resume"] * resumed)
            count = result["tls_handshakes"]
            assert count >= result["opened"] > 20, result
            assert result["tls_handshakes_per_second"] > 0, result
            # The first ones go without, until the server gave a session.
            assert count - 4 <= result["tls_resumed"] < count if resumed else \
                result["tls_resumed"] == 0, result


def test_tls_is_verified():
    with TlsEcho(names="DNS:elsewhere.example") as echo:
        result = bench(echo.url(), "--connections", "2", "--idle", "--duration", "100ms",
                       *echo.trust, status=1)
        assert result["errors_by_kind"]["handshake"] == 2, result
        assert "TLS: " in result["first_error"] and "mismatch" in result["first_error"], result
        result = bench(echo.url(), "--messages", "50", "--tls-insecure")
        assert result["messages"] == 50, result
    with TlsEcho() as echo:  # an authority that nobody knows
        result = bench(echo.url(), "--connections", "1", "--messages", "1", status=1)
        assert "TLS: self" in result["first_error"], result


def test_tls_against_a_plain_peer():
    with Echo() as plain, TlsEcho() as secured:
        url = plain.url().replace("ws://", "wss://")
        result = bench(url, "--connections", "1", "--messages", "1", "--tls-insecure", status=1)
        assert result["errors_by_kind"]["handshake"] == 1, result
        url = secured.url().replace("wss://", "ws://")
        result = bench(url, "--connections", "1", "--messages", "1", status=1)
        assert result["errors_by_kind"]["handshake"] == 1, result


def test_tls_ends_with_close_notify():
    key = b"\x01\x02\x03\x04"
    with TlsEcho() as echo:
        host, port = echo.address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=echo.trust[1])
        with context.wrap_socket(socket.create_connection((host, int(port)), timeout=5),
                                 server_hostname=host, suppress_ragged_eofs=False) as peer:
            peer.sendall((REQUEST + "\r\n").encode())
            assert " 101 " in read_head(peer)
            peer.sendall(frame(0x81, b"hello", key) + frame(0x88, b"\x03\xe8", key))
            assert read_frame(peer) == (0x81, b"hello")
            assert read_frame(peer) == (0x88, b"\x03\xe8")
            assert peer.recv(1) == b""  # raises where close_notify is missing


def test_tls_unix_socket():
    with tempfile.TemporaryDirectory() as folder:
        with TlsEcho(listen=f"unix:{folder}/echo.sock") as echo:
            check_echoed(bench(echo.url(), "--messages", "500", *echo.trust))


if __name__ == "__main__":
    run_tests(globals())
