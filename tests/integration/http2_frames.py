"""One end of an HTTP/2 connection, written frame by frame, so that a test can send what no library
would: what clients (http2.py) and servers (http2_peer.py) have in common. Needs Debian's
python3-hpack."""
import contextlib
import socket
import struct
import threading
import time

import hpack

from harness import PATIENCE
from wire import xor

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, ENABLE_CONNECT_PROTOCOL = 0x3, 0x4, 0x8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, \
    REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0, 1, 2, 3, 5, 6, 7, 8, 9, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIRST_WINDOW = 65_535  # before anybody has said another one (RFC 9113 6.9.2)


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

    def whole_frame(self):
        """Where the WebSocket frame that came first has its payload, and how long that is; None
        where it is not whole."""
        data = self.data
        if len(data) < 2:
            return None
        length, at = data[1] & 127, 2
        if length > 125:
            size = 2 if length == 126 else 8
            if len(data) < 2 + size:
                return None
            length, at = int.from_bytes(data[2:2 + size], "big"), 2 + size
        if data[1] & 0x80:
            at += 4
        return (at, length) if len(data) >= at + length else None


class Endpoint:
    """One end. How frames come to on_frame() is whose end it is: until() waits for them."""

    def __init__(self, sock, updates=True):
        self.sock = sock
        self.updates = updates  # windows are opened again as bytes come
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer = b""
        self.streams = {}
        self.peer = {}       # its settings
        self.goaway = None   # (last stream, code)
        self.pings = []      # payloads of answers
        self.gone = False
        self.acknowledged = 0
        self.opened = {}     # by updates of the peer's, for each stream
        self.sent = {}       # DATA, of each stream
        self.block = None

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

    def settings(self, settings=()):
        self.frame(SETTINGS, payload=b"".join(struct.pack("!HI", *each) for each in settings))

    def fields(self, stream, fields, end=False):
        """A HEADERS frame with these, and CONTINUATION as it takes."""
        block = self.encoder.encode(list(fields), huffman=False)
        pieces = [block[at:at + 16_384] for at in range(0, len(block), 16_384)] or [b""]
        packed = b""
        for number, piece in enumerate(pieces):
            last = END_HEADERS if number == len(pieces) - 1 else 0
            flags = END_STREAM if end and number == 0 else 0
            packed += self.pack(CONTINUATION if number else HEADERS, flags | last, stream, piece)
        self.send(packed)

    def window(self, stream):
        return min(self.peer.get(INITIAL_WINDOW_SIZE, FIRST_WINDOW) + self.opened.get(stream, 0)
                   - self.sent.get(stream, 0),
                   FIRST_WINDOW + self.opened.get(0, 0) - self.sent.get(0, 0))

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
        """Waits until frames have come that make it true."""
        raise NotImplementedError

    def state(self):
        return {"goaway": self.goaway,
                "streams": {key: vars(each) for key, each in list(self.streams.items())[-3:]}}

    def new_stream(self, number):
        return Stream()

    def read_one(self, seconds):
        """A frame, or as much of one as comes within that time."""
        head = self.take(9, seconds)
        if head is None:
            return
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        payload = self.take(length, PATIENCE) if length else b""
        if payload is None:
            return
        if stream not in self.streams:
            self.streams[stream] = self.new_stream(stream)
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

    def frame_of(self, stream):
        """One WebSocket frame of the other end's: (opcode, payload)."""
        said = self.streams[stream]
        self.until(lambda: said.whole_frame() or said.reset is not None)
        assert said.whole_frame(), vars(said)
        at, length = said.whole_frame()
        head = said.take(at)
        payload = said.take(length)
        return head[0] & 15, xor(payload, head[-4:]) if head[1] & 0x80 else payload

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class ThreadedEndpoint(Endpoint):
    """An end that a thread of its own reads, which opens windows again and answers pings and
    settings; while it is mute it says nothing. Others may send and wait beside it."""

    def __init__(self, sock, updates=True):
        super().__init__(sock, updates)
        self.sending = threading.RLock()  # one lock for both, so that their order is none
        self.changed = threading.Condition(self.sending)
        self.reader = None
        self.mute = False
        self.failure = None
        self.frames = []     # (kind, flags, stream, length) of each that came

    def send(self, data):
        with self.sending:
            self.sock.sendall(data)

    def fields(self, stream, fields, end=False):
        with self.sending:  # blocks are sent in the order in which they were encoded
            super().fields(stream, fields, end)

    def frame(self, kind, flags=0, stream=0, payload=b""):
        if not self.mute or threading.current_thread() is not self.reader:
            super().frame(kind, flags, stream, payload)

    def until(self, condition, seconds=PATIENCE):
        end = time.monotonic() + seconds
        with self.changed:
            while not condition():
                left = end - time.monotonic()
                assert left > 0, f"not within {seconds} s; {self.state()}"
                assert not self.gone, f"the connection ended; {self.failure} {self.state()}"
                self.changed.wait(left)

    def run(self, preface=b""):
        """The thread's. `preface` comes before everything else."""
        self.reader = threading.current_thread()
        try:
            assert self.take(len(preface), PATIENCE) == preface, "no preface"
            while not self.gone:
                with contextlib.suppress(TimeoutError):
                    self.read_one(3600)
        except Exception as failure:  # the test finds it out by what does not come
            self.failure = failure
        with self.changed:
            self.gone = True
            self.changed.notify_all()

    def on_frame(self, kind, flags, stream, payload):
        with self.changed:
            self.frames.append((kind, flags, stream, len(payload)))
            with contextlib.suppress(OSError):
                super().on_frame(kind, flags, stream, payload)
            self.changed.notify_all()
        if kind in (HEADERS, CONTINUATION) and flags & END_HEADERS:
            if len(self.streams[stream].heads) == 1:
                self.on_first_head(stream)

    def on_first_head(self, stream):
        pass

    def count(self, kind):
        return sum(1 for each in self.frames if each[0] == kind)

    def cut(self):
        """Ends it at once."""
        with contextlib.suppress(OSError):
            getattr(self.sock, "sock", self.sock).shutdown(socket.SHUT_RDWR)
