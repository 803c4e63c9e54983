"""An HTTP/2 client for the integration tests. Needs Debian's python3-hpack."""
import contextlib
import socket
import ssl
import time

from harness import PATIENCE
from http2_frames import *  # tests have kinds, flags and codes from here
from http2_frames import ENABLE_CONNECT_PROTOCOL, PREFACE, Endpoint
from tls import authority


def client_context(protocols=("h2", "http/1.1")):
    context = ssl.create_default_context(cafile=authority().path)
    context.check_hostname = False
    context.set_alpn_protocols(list(protocols))
    return context


class Client(Endpoint):
    """One connection. Nothing is read but within a call that waits."""

    def __init__(self, port, secure=False, settings=(), updates=True, preface=PREFACE,
                 receive_buffer=0):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        if secure:
            sock = client_context().wrap_socket(sock, server_hostname="test.example")
            assert sock.selected_alpn_protocol() == "h2"
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, updates)
        self.next_id = 1
        self.send(preface)
        self.settings(settings)

    # --- out
    def request(self, fields, end=True, stream=None):
        """A head with these fields; returns the stream."""
        if stream is None:
            stream, self.next_id = self.next_id, self.next_id + 2
        self.streams.setdefault(stream, self.new_stream(stream))
        self.fields(stream, fields, end)
        return stream

    def get(self, path="/", fields=(), method="GET", end=True):
        scheme = "https" if isinstance(self.sock, ssl.SSLSocket) else "http"
        return self.request([(":method", method), (":scheme", scheme), (":path", path),
                             (":authority", "test.example"), *fields], end=end)

    def websocket(self, path="/", fields=(), open_=True):
        """An extended CONNECT (RFC 8441); with `open_` it must be let in."""
        self.until(lambda: ENABLE_CONNECT_PROTOCOL in self.peer)
        stream = self.request([(":method", "CONNECT"), (":protocol", "websocket"),
                               (":scheme", "https"), (":path", path),
                               (":authority", "test.example"), ("sec-websocket-version", "13"),
                               *fields], end=False)
        if open_:
            self.until(lambda: self.streams[stream].heads or self.streams[stream].reset is not None)
            assert self.streams[stream].status == 200, vars(self.streams[stream])
        return stream

    # --- in
    def until(self, condition, seconds=PATIENCE):
        """Reads frames until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            if self.gone:
                raise AssertionError(f"the connection ended; {self.state()}")
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {seconds} s; {self.state()}")
            self.read_one(left)

    def ended(self):
        """Reads up to the end of the connection."""
        with contextlib.suppress(ConnectionResetError):
            while not self.gone:
                self.read_one(PATIENCE)
        return self.goaway

    def quiet(self, seconds=0.3):
        """Reads what comes within that time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.gone:
            with contextlib.suppress(TimeoutError):
                self.read_one(left)

    def answer(self, stream):
        """The whole answer on that stream."""
        self.until(lambda: self.streams[stream].ended or self.streams[stream].reset is not None)
        return self.streams[stream]
