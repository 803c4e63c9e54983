"""An HTTP/2 server for the integration tests, plain (by prior knowledge) or in TLS (by ALPN), that
counts who comes and does what a test tells it, right or wrong. Who speaks HTTP/1.1 to it gets a
Wire. Needs Debian's python3-hpack."""
import contextlib
import queue
import socket
import struct
import threading

from harness import PATIENCE, Sluice, wait_until
from http2_frames import (ACK, CANCEL, ENABLE_CONNECT_PROTOCOL, GOAWAY, NO_ERROR, PREFACE, SETTINGS,
                          Stream, ThreadedEndpoint)
from plain_http import plain
from tls import authority, server_context, server_wrap
from wire import CLOSE, TEXT, Wire, close_payload, dial, frame, request

WEBSOCKETS = (ENABLE_CONNECT_PROTOCOL, 1)


class PeerStream(Stream):
    """One stream of a connection, and what the test does with it."""

    def __init__(self, connection, number):
        super().__init__()
        self.connection, self.number = connection, number

    @property
    def fields(self):
        """The request's, by name; values that came more than once are joined."""
        found = {}
        for name, value in self.heads[0]:
            found[name] = f"{found[name]}; {value}" if name in found else value
        return found

    @property
    def path(self):
        return self.fields[":path"]

    @property
    def is_websocket(self):
        return self.fields.get(":protocol") == "websocket"

    # --- out
    def answer(self, status=200, fields=(), body=None, end=None):
        """The head, and the body where there is one. `end`: nothing follows; without it a
        WebSocket's stream stays open, another one's ends."""
        end = not self.is_websocket if end is None else end
        self.connection.fields(self.number, [(":status", str(status)), *fields],
                               end=end and not body)
        if body:
            self.send(body, end)

    def send(self, data=b"", end=False):
        self.connection.data(self.number, data, end)

    def send_frame(self, opcode, payload=b"", **options):
        self.send(frame(opcode, payload, **options))

    def trailers(self, fields):
        self.connection.fields(self.number, fields, end=True)

    def abort(self, code=CANCEL):
        self.connection.reset(self.number, code)

    # --- in
    def until(self, condition, seconds=PATIENCE):
        self.connection.until(condition, seconds)

    def body(self):
        """All that came, once the client has ended its half."""
        self.until(lambda: self.ended or self.reset is not None)
        assert self.ended, vars(self)
        return bytes(self.data)

    def wait_bytes(self, count):
        self.until(lambda: len(self.data) >= count or self.reset is not None)
        return self.take(count)

    def wait_reset(self, code=CANCEL):
        self.until(lambda: self.reset is not None)
        assert self.reset == code, vars(self)

    def wait_end(self):
        """The other half ends, in order."""
        self.until(lambda: self.ended or self.reset is not None)
        assert self.ended and self.reset is None, vars(self)

    def frame(self):
        return self.connection.frame_of(self.number)

    def expect(self, opcode, payload):
        got = self.frame()
        payload = payload.encode() if isinstance(payload, str) else payload
        assert got == (opcode, payload), (got[0], got[1][:80])

    def expect_close(self, code=None):
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload[:80])
        assert (struct.unpack("!H", payload[:2])[0] if payload else None) == code, payload


class PeerConnection(ThreadedEndpoint):
    """One connection of a server's."""

    def __init__(self, server, sock, buffer):
        super().__init__(sock, server.updates)
        self.server = server
        self.buffer = buffer
        if server.greets:
            self.greet()
        else:
            self.mute = True

    def greet(self):
        """Our settings, which come first; then theirs are acknowledged."""
        self.mute = False
        self.settings(self.server.settings)
        if self.peer:
            self.frame(SETTINGS, ACK)

    def new_stream(self, number):
        return PeerStream(self, number)

    def on_first_head(self, stream):
        self.server.on_request(self.streams[stream])

    def say_goaway(self, last, code=NO_ERROR):
        self.frame(GOAWAY, 0, 0, struct.pack("!II", last, code))

    def wait_gone(self, goaway=None):
        """Until the proxy has ended it; with `goaway`, behind a GOAWAY of that code."""
        wait_until(lambda: self.gone, lambda: f"end of the connection {self.state()}")
        if goaway is not None:
            assert self.goaway is not None and self.goaway[1] == goaway, self.goaway


class Server:
    """Listens. Requests come one by one from next(), or go each to `handle` in a thread of its own.
    `greets`: it sends its settings without being told to."""

    def __init__(self, handle=None, secure=False, settings=(WEBSOCKETS,), greets=True, updates=True,
                 alpn=("h2",), backlog=100):
        self.handle = handle
        self.settings, self.greets, self.updates = settings, greets, updates
        self.wrap = server_wrap(server_context(alpn=alpn)) if secure else None
        self.connections = []   # those of HTTP/2
        self.requests = queue.Queue()
        self.wires = queue.Queue()  # those of HTTP/1.1
        self.http1 = 0          # how many came
        self.streams = 0        # requests, over all connections
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(backlog)
        threading.Thread(target=self.accept_all, daemon=True).start()

    @property
    def uri(self):
        return f"{'wss' if self.wrap else 'ws'}://127.0.0.1:{self.port}"

    def accept_all(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self.begin, args=(sock,), daemon=True).start()

    def begin(self, sock):
        """Finds out what it speaks."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, EOFError):
            sock = self.wrap(sock) if self.wrap else sock
            first = b""
            while len(first) < 4:
                got = sock.recv(65536)
                if not got:
                    return
                first += got
            if first.startswith(b"PRI "):
                connection = PeerConnection(self, sock, first)
                with self.lock:
                    self.connections.append(connection)
                connection.run(PREFACE)
            else:
                wire = Wire(sock, masked=False)
                wire.buffer += first
                with self.lock:
                    self.http1 += 1
                self.wires.put(wire)

    def on_request(self, stream):
        with self.lock:
            self.streams += 1
        if self.handle is None:
            self.requests.put(stream)
            return
        threading.Thread(target=self.handle_one, args=(stream,), daemon=True).start()

    def handle_one(self, stream):
        with contextlib.suppress(AssertionError, OSError):  # the proxy may be gone
            self.handle(stream)

    def next(self, seconds=PATIENCE):
        """The next request."""
        try:
            return self.requests.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no request came; {len(self.connections)} connections") from None

    def wire(self):
        """The next connection of HTTP/1.1."""
        try:
            return self.wires.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("nobody came in HTTP/1.1") from None

    def wait_connections(self, count):
        wait_until(lambda: len(self.connections) >= count, f"{count} connections")
        return self.connections[count - 1]

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # who accepts is woken
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        for connection in list(self.connections):
            connection.cut()


def echo(stream):
    """Lets a WebSocket in and sends each frame back, until a Close, which it answers. Of a plain
    request it sends the body back."""
    if not stream.is_websocket:
        stream.answer(fields=[("content-type", "text/plain")], body=stream.body() or b"ok")
        return
    protocols = stream.fields.get("sec-websocket-protocol")
    chosen = [("sec-websocket-protocol", protocols.split(",")[0].strip())] if protocols else []
    stream.answer(fields=chosen)
    opcode = None
    while opcode != CLOSE:
        stream.until(lambda: stream.whole_frame() or stream.ended or stream.reset is not None)
        if not stream.whole_frame():
            return stream.send(end=True)
        opcode, payload = stream.frame()
        stream.send(frame(opcode, payload), end=opcode == CLOSE)


def close_in_order(client, stream):
    """The client's Close, the server's answer, then both halves' ends."""
    client.send_frame(CLOSE, close_payload(1000))
    stream.expect_close(1000)
    stream.send(frame(CLOSE, close_payload(1000)), end=True)
    client.expect_close(1000)
    client.expect_end()
    client.close()
    stream.wait_end()


def before(servers, upstream="", top="", route="", http="2", listener="", **options):
    """A sluice before an upstream named `far` of these servers, to which it speaks HTTP/2."""
    servers = servers if isinstance(servers, (list, tuple)) else [servers]
    lines = "".join(f"  server {each if isinstance(each, str) else each.uri}\n" for each in servers)
    if "wss://" in lines:
        lines += f"  tls_ca {authority().path}\n"
    return Sluice(f"@http on\n{top}\n{listener}upstream far\n{lines}  upstream_http {http}\n"
                  f"{upstream}route /\n  proxy_pass far\n{route}", **options)


def ask(sluice, target="/", **options):
    """A client that has sent a WebSocket's request."""
    client = dial(sluice.port, wrap=sluice.wrap)
    client.send(request(target, **options))
    return client


def opened(sluice, server, target="/", answer=(), **options):
    """A new session: its client, and the server's stream."""
    client = ask(sluice, target, **options)
    stream = server.next()
    stream.answer(fields=answer)
    client.answer = client.head()
    assert client.answer.status == 101, client.answer.raw
    return client, stream


def works(client, stream):
    """Both ways."""
    client.send_frame(TEXT, "up")
    stream.expect(TEXT, "up")
    stream.send_frame(TEXT, "down")
    client.expect(TEXT, "down")
    return True


def get_through(sluice, server, target="/"):
    """A plain request that must be answered; its stream."""
    client = dial(sluice.port)
    client.send(plain(target))
    stream = server.next()
    stream.answer(200, [("content-length", "1")], b"x")
    head = client.head()
    assert head.status == 200 and client.take(1) == b"x", head.raw
    client.close()
    return stream
