"""WebSockets by hand, so that tests can send what no library would: heads, frames, peers on plain
blocking sockets. Standard library only."""
import base64
import contextlib
import fcntl
import hashlib
import os
import select
import socket
import struct
import termios
import threading

from harness import PATIENCE, wait_until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept_for(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def xor(payload, key):
    if not payload:
        return b""
    repeated = (key * (len(payload) // 4 + 1))[:len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


def header(first, length, masked):
    bit = 0x80 if masked else 0
    if length < 126:
        return struct.pack("!BB", first, bit | length)
    if length < 65536:
        return struct.pack("!BBH", first, bit | 126, length)
    return struct.pack("!BBQ", first, bit | 127, length)


def frame(opcode, payload=b"", masked=False, fin=True, rsv=0):
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if isinstance(payload, str):
        payload = payload.encode()
    if not masked:
        return header(first, len(payload), False) + payload
    key = os.urandom(4)
    return header(first, len(payload), True) + key + xor(payload, key)


def close_payload(code, reason=b""):
    return struct.pack("!H", code) + reason


def request(target="/", host="test.example", fields=(), line=None, key=KEY, drop=()):
    lines = [("Host", host), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
             ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key)]
    lines = [entry for entry in lines if entry[0] not in drop] + list(fields)
    head = (line or f"GET {target} HTTP/1.1") + "\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n").encode("latin-1")


def answer_101(key, fields=()):
    extra = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return (f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_for(key)}\r\n{extra}\r\n").encode("latin-1")


class Head:
    """A parsed HTTP head."""

    def __init__(self, raw):
        lines = raw.decode("latin-1").split("\r\n")
        self.raw = raw
        self.line = lines[0]
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]

    @property
    def status(self):
        return int(self.line.split(" ")[1])

    @property
    def target(self):
        return self.line.split(" ")[1]

    def all(self, name):
        return [value for other, value in self.fields if other.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None


class Reset(Exception):
    """The connection was reset instead of ended."""


class Wire:
    """One end of a connection, client's or upstream's."""

    def __init__(self, sock, masked):
        self.sock = sock
        self.masked = masked  # what this end sends
        self.buffer = bytearray()
        sock.settimeout(PATIENCE)

    def send(self, data):
        self.sock.sendall(data)

    def send_frame(self, opcode, payload=b"", **options):
        self.send(frame(opcode, payload, self.masked, **options))

    def fill(self):
        """More bytes into the buffer; False at the end of the stream."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            raise Reset() from None
        self.buffer += data
        return bool(data)

    def take(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise EOFError(f"{len(self.buffer)} of {count} bytes")
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(bytes(self.buffer))
        raw, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        self.buffer = bytearray(rest)
        return Head(raw)

    def frame(self):
        """(first byte, payload) of the next frame, unmasked."""
        first, second = self.take(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self.take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self.take(8))[0]
        assert bool(second & 0x80) != self.masked, "mask bit"
        key = self.take(4) if second & 0x80 else None
        payload = self.take(length)
        return first, xor(payload, key) if key else payload

    def expect(self, opcode, payload):
        got = self.frame()
        payload = payload.encode() if isinstance(payload, str) else payload
        assert got == (0x80 | opcode, payload), f"{got[0]:#x} {got[1][:80]!r}"

    def expect_close(self, code=None):
        first, payload = self.frame()
        assert first == 0x88, f"{first:#x} {payload[:80]!r} instead of a Close"
        got = struct.unpack("!H", payload[:2])[0] if payload else None
        assert got == code, f"Close {got}, not {code}"
        return payload[2:]

    def expect_end(self):
        """The stream ends in order, with nothing more in it."""
        while self.fill():
            pass
        assert not self.buffer, bytes(self.buffer[:80])

    def expect_reset(self):
        """An abort: everything up to it may come, then RST."""
        try:
            while self.fill():
                pass
        except Reset:
            return
        raise AssertionError("ended in order instead of being reset")

    def rest(self):
        while self.fill():
            pass
        return bytes(self.buffer)

    def finish(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset_once_acknowledged(self):
        """What was sent has arrived at the other end's kernel: the reset does not take it back."""
        def left():
            return struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4))[0]
        wait_until(lambda: left() == 0, "everything acknowledged")
        self.reset()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


def refusing_socket():
    """Bound and never listening, so that nobody else can come to listen on its port."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def dial(port, host="127.0.0.1", receive_buffer=0, wrap=None):
    """A client's end; `wrap` makes a socket in TLS of the connected one."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE)
    sock.connect((host, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(wrap(sock) if wrap else sock, masked=True)


def dial_or_none(port):
    try:
        return dial(port)
    except OSError:
        return None


def push_until_blocked(wire, data, sent=0, seconds=1.0):
    """Sends `data` again and again, from where it stopped, until nothing moves for so long; the bytes
    that went since its beginning."""
    wire.sock.setblocking(False)
    try:
        while True:
            try:
                sent += wire.sock.send(data[sent % len(data):])
            except BlockingIOError:
                if not select.select([], [wire.sock], [], seconds)[1]:
                    return sent
    finally:
        wire.sock.settimeout(PATIENCE)


class Upstream:
    """A listening peer; accept() gives connections one by one, in TLS where `wrap` makes it so."""

    def __init__(self, unix_path=None, receive_buffer=0, wrap=None, listener=None):
        """`listener`: a bound socket to listen on."""
        self.unix_path = unix_path
        self.wrap = wrap
        if listener:
            self.listener, self.port = listener, listener.getsockname()[1]
        elif unix_path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(unix_path)
            os.chmod(unix_path, 0o777)
        else:
            self.listener = socket.socket()
            if receive_buffer:
                self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.listener.bind(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(1024)
        self.listener.settimeout(PATIENCE)

    @property
    def uri(self):
        scheme = "wss" if self.wrap else "ws"
        if self.unix_path:
            return f"{scheme}://unix:{self.unix_path}"
        return f"{scheme}://127.0.0.1:{self.port}"

    def accept(self):
        sock, _ = self.listener.accept()
        if not self.unix_path:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE)
        return Wire(self.wrap(sock) if self.wrap else sock, masked=False)

    def upgrade(self, fields=()):
        """Accepts a connection and its handshake."""
        wire = self.accept()
        wire.request = wire.head()
        wire.send(answer_101(wire.request.get("Sec-WebSocket-Key"), fields))
        return wire

    def serve(self, handle, times=1):
        """Lets handle(wire) deal with the next connections in a thread; returns it. `times` None: with
        all until this is closed, side by side, and however each ends."""
        def loop():
            for _ in range(times):
                wire = self.accept()
                handle(wire)

        def quietly(wire):
            with contextlib.suppress(Exception):  # the proxy may be gone
                handle(wire)

        def loop_for_ever():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=quietly, args=(self.accept(),), daemon=True).start()
        thread = threading.Thread(target=loop if times else loop_for_ever, daemon=True)
        thread.start()
        return thread

    def close(self):
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def pair(sluice, upstream, target="/", fields=(), answer_fields=(), **options):
    """Both ends of a new session that relays."""
    client = dial(sluice.port, **{"wrap": sluice.wrap, **options})
    client.send(request(target, fields=fields))
    server = upstream.upgrade(answer_fields)
    client.answer = client.head()
    assert client.answer.status == 101, client.answer.line
    return client, server


def close_in_order(client, server):
    """The client's Close, the upstream's answer, then both connections' ends."""
    client.send_frame(CLOSE, close_payload(1000))
    server.expect_close(1000)
    server.send_frame(CLOSE, close_payload(1000))
    client.expect_close(1000)
    client.expect_end()
    server.close()
    client.close()


def refusal(sluice, data):
    """Sends bytes that will be refused; the answer's head and body, to the connection's end."""
    client = dial(sluice.port, wrap=sluice.wrap)
    client.send(data)
    head = client.head()
    body = client.rest()
    client.close()
    return head, body


def answered(upstream, sluice, answer, end=True):
    """The client's answer to a request that the upstream answers with those bytes."""
    def handle(wire):
        wire.head()
        wire.send(answer)
        if end:
            wire.close()
        else:
            handle.kept = wire
    thread = upstream.serve(handle)
    head, body = refusal(sluice, request(fields=[("Sec-WebSocket-Protocol", "chat")]))
    thread.join()
    return head, body
