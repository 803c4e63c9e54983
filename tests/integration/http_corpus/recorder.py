"""An upstream that keeps the bytes of every connection as they came, and answers each request that
it can read with a line that says what it read."""
import contextlib
import threading
import zlib

from http_corpus.strict import Incomplete, Malformed, Reader
from wire import Upstream


def receipt(method, target, body):
    """The body of the answer to such a request."""
    return f"{method} {target} {len(body)} {zlib.crc32(body):08x}\n".encode()


class Connection:
    """What came over one connection."""

    def __init__(self, wire):
        self.wire = wire
        self.data = bytearray()
        self.ended = False

    def run(self):
        with contextlib.suppress(OSError):
            self.serve()
        self.wire.close()
        self.ended = True

    def serve(self):
        read_to, continued, answering = 0, False, True
        while data := self.wire.sock.recv(1 << 18):
            self.data += data
            while answering and read_to < len(self.data):
                reader = Reader(bytes(self.data), read_to)
                try:
                    message = reader.message()
                except Malformed:
                    return
                except Incomplete:
                    continued = continued or self.encourage(read_to)
                    break
                read_to, continued = reader.at, False
                answering = self.answer(message)

    def encourage(self, begin):
        """An interim answer for who waits with the body, the final one where the target asks."""
        with contextlib.suppress(Incomplete):
            head = Reader(bytes(self.data), begin).head()
            if head.target == "/early":
                self.wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
            elif head.version == "1.1" and head.all("Expect"):
                self.wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            else:
                return False
            return True
        return False

    def answer(self, message):
        """False where it was the last one."""
        upgrade = any(value.lower() == "websocket" for value in message.all("Upgrade"))
        last = upgrade or message.version == "1.0" or "close" in message.all("Connection")
        body = receipt(message.method, message.target, message.body)
        self.wire.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
            b"403 No WebSockets" if upgrade else b"200 OK", len(body),
            b"Connection: close\r\n" if last else b"", b"" if message.method == "HEAD" else body))
        if last:
            self.wire.finish()  # and goes on reading: whatever still comes is kept, too
        return not last


class Recorder:
    """Listens, and hands out what came since it was asked last."""

    def __init__(self):
        self.upstream = Upstream()
        self.connections = []
        self.lock = threading.Lock()
        self.upstream.listener.settimeout(None)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection = Connection(self.upstream.accept())
                with self.lock:
                    self.connections.append(connection)
                threading.Thread(target=connection.run, daemon=True).start()

    def take(self):
        """The connections since the last call, in order."""
        with self.lock:
            taken, self.connections = self.connections, []
        return taken

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.upstream.close()
