"""Raw peers for the load tools' tests: a server in this process, heads and frames by hand."""
import base64
import hashlib
import socket
import struct
import threading

HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Server:
    """A server in this process: calls serve(peer) in a thread for each connection."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.serve = serve
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.guard, args=(peer,), daemon=True).start()

    def guard(self, peer):
        try:
            with peer:
                self.serve(peer)
        except (OSError, EOFError):
            pass

    def __enter__(self):
        return "ws://127.0.0.1:%d/" % self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.listener.close()


def read_exactly(peer, count):
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_head(peer):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(peer, 1)
    return head.decode()


def read_frame(peer):
    """First byte and payload, unmasked."""
    first, second = read_exactly(peer, 2)
    length = second & 0x7F
    if length == 126:
        length, = struct.unpack(">H", read_exactly(peer, 2))
    elif length == 127:
        length, = struct.unpack(">Q", read_exactly(peer, 8))
    key = read_exactly(peer, 4) if second & 0x80 else bytes(4)
    payload = read_exactly(peer, length)
    return first, bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def frame(first, payload, key=None):
    """A frame of up to 65,535 bytes."""
    size = len(payload)
    head = bytes([size]) if size < 126 else bytes([126]) + struct.pack(">H", size)
    if key is None:
        return bytes([first]) + head + payload
    masked = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    return bytes([first, head[0] | 0x80]) + head[1:] + key + masked


def upgrade(peer):
    head = read_head(peer)
    key = next(line.split(": ")[1] for line in head.split("\r\n")
               if line.startswith("Sec-WebSocket-Key"))
    accept = base64.b64encode(hashlib.sha1((key + HANDSHAKE_GUID).encode()).digest()).decode()
    peer.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"
                  f"\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").encode())
