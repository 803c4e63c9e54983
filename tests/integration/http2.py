"""An HTTP/2 client for the integration tests, written frame by frame, so that a test can send what
no library would. Needs Debian's python3-hpack."""
import contextlib
import socket
import ssl
import struct
import time

import hpack

from harness import PATIENCE
from tls import authority

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, ENABLE_CONNECT_PROTOCOL = 0x3, 0x4, 0x8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, \
    REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0, 1, 2, 3, 5, 6, 7, 8, 9, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def client_context(protocols=("h2", "http/1.1")):
    context = ssl.create_default_context(cafile=authority().path)
    context.check_hostname = False
    context.set_alpn_protocols(list(protocols))
    return context


class Stream:
    """What came on one stream."""

    def __init__(self):
        self.heads = []      # each a list of (name, value): interim answers, the answer, trailers
        self.data = bytearray()
        self.ended = False
        self.reset = None    # the code

    @property
    def status(self):
        return int(dict(self.heads[-1]).get(":status", 0)) if self.heads else None

    def get(self, name):
        return dict(self.heads[-1]).get(name)

    def take(self, count):
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken


class Client:
    """One connection. Nothing is read but within a call that waits."""

    def __init__(self, port, secure=False, settings=(), updates=True, preface=PREFACE,
                 receive_buffer=0):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", port))
        if secure:
            self.sock = client_context().wrap_socket(self.sock, server_hostname="test.example")
            assert self.sock.selected_alpn_protocol() == "h2"
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.updates = updates  # windows are opened again as bytes come
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer = b""
        self.streams, self.next_id = {}, 1
        self.peer = {}       # its settings
        self.goaway = None   # (last stream, code)
        self.pings = []      # payloads of answers
        self.gone = False
        self.acknowledged = 0
        self.opened = {}     # by updates of the peer's, for each stream
        self.sent = {}       # DATA, of each stream
        self.block = None
        self.send(preface)
        self.frame(SETTINGS, payload=b"".join(struct.pack("!HI", *each) for each in settings))

    # --- out
    def send(self, data):
        self.sock.settimeout(PATIENCE)  # the latest read may have had less
        self.sock.sendall(data)

    @staticmethod
    def pack(kind, flags=0, stream=0, payload=b""):
        return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) \
            + payload

    def frame(self, kind, flags=0, stream=0, payload=b""):
        self.send(self.pack(kind, flags, stream, payload))

    def request(self, fields, end=True, stream=None):
        """A HEADERS frame with these fields; returns the stream."""
        if stream is None:
            stream, self.next_id = self.next_id, self.next_id + 2
        self.streams.setdefault(stream, Stream())
        block = self.encoder.encode(list(fields), huffman=False)
        pieces = [block[at:at + 16_384] for at in range(0, len(block), 16_384)]
        for number, piece in enumerate(pieces):
            last = END_HEADERS if number == len(pieces) - 1 else 0
            flags = END_STREAM if end and number == 0 else 0
            self.frame(CONTINUATION if number else HEADERS, flags | last, stream, piece)
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

    def window(self, stream):
        return min(self.peer.get(INITIAL_WINDOW_SIZE, 65_535) + self.opened.get(stream, 0)
                   - self.sent.get(stream, 0), 65_535 + self.opened.get(0, 0) - self.sent.get(0, 0))

    def data(self, stream, payload=b"", end=False):
        """DATA as the windows let it, and waits for them."""
        at = 0
        while True:
            if at < len(payload):
                self.until(lambda: self.window(stream) > 0 or self.streams[stream].reset is not None)
                if self.streams[stream].reset is not None:
                    return
            piece = payload[at:at + max(min(16_384, self.window(stream)), 0)]
            at += len(piece)
            for which in (stream, 0):
                self.sent[which] = self.sent.get(which, 0) + len(piece)
            last = at == len(payload)
            self.frame(DATA, END_STREAM if end and last else 0, stream, piece)
            if last:
                return

    def reset(self, stream, code=CANCEL):
        self.frame(RST_STREAM, 0, stream, struct.pack("!I", code))

    def update(self, stream, amount):
        self.frame(WINDOW_UPDATE, 0, stream, struct.pack("!I", amount))

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

    def state(self):
        return {"goaway": self.goaway,
                "streams": {key: vars(each) for key, each in list(self.streams.items())[-3:]}}

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

    def read_one(self, seconds):
        head = self.take(9, seconds)
        if head is None:
            return
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        payload = self.take(length, PATIENCE) if length else b""
        if payload is None:
            return
        self.streams.setdefault(stream, Stream())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # of what answers it
            self.on_frame(kind, flags, stream, payload)

    def take(self, count, seconds):
        self.sock.settimeout(max(seconds, 0.001))
        while len(self.buffer) < count:
            got = self.sock.recv(65536)
            if not got:
                self.gone = True
                return None
            self.buffer += got
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def on_frame(self, kind, flags, stream, payload):
        if kind == SETTINGS:
            if flags & ACK:
                self.acknowledged += 1
                return
            for at in range(0, len(payload), 6):
                key, value = struct.unpack("!HI", payload[at:at + 6])
                self.peer[key] = value
            self.frame(SETTINGS, ACK)
        elif kind == PING:
            if flags & ACK:
                self.pings.append(payload)
            else:
                self.frame(PING, ACK, 0, payload)
        elif kind == GOAWAY:
            self.goaway = struct.unpack("!II", payload[:8])
        elif kind in (HEADERS, CONTINUATION):
            self.block = payload if kind == HEADERS else self.block + payload
            if flags & END_HEADERS:
                self.streams[stream].heads.append(self.decoder.decode(self.block))
            if kind == HEADERS and flags & END_STREAM:
                self.streams[stream].ended = True
        elif kind == DATA:
            self.streams[stream].data += payload
            self.streams[stream].ended = bool(flags & END_STREAM)
            if payload and self.updates:
                self.update(0, len(payload))
                if not flags & END_STREAM:
                    self.update(stream, len(payload))
        elif kind == WINDOW_UPDATE:
            self.opened[stream] = self.opened.get(stream, 0) + struct.unpack("!I", payload)[0]
        elif kind == RST_STREAM:
            self.streams[stream].reset = struct.unpack("!I", payload)[0]

    def answer(self, stream):
        """The whole answer on that stream."""
        self.until(lambda: self.streams[stream].ended or self.streams[stream].reset is not None)
        return self.streams[stream]

    def frame_of(self, stream):
        """One WebSocket frame of the server's: (opcode, payload)."""
        data = self.streams[stream].data
        def whole():
            if len(data) < 2:
                return None
            length, at = data[1] & 127, 2
            if length > 125:
                size = 2 if length == 126 else 8
                if len(data) < 2 + size:
                    return None
                length, at = int.from_bytes(data[2:2 + size], "big"), 2 + size
            return (at, length) if len(data) >= at + length else None
        self.until(lambda: whole() or self.streams[stream].reset is not None)
        assert whole(), vars(self.streams[stream])
        opcode = data[0] & 15
        at, length = whole()
        self.streams[stream].take(at)
        return opcode, self.streams[stream].take(length)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
