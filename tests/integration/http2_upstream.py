"""What tests of HTTP/2 clients share: an upstream that counts, a sluice before it, requests' fields."""
import threading

from harness import Sluice, conf_for, simple
from plain_http import answer
from tls import site
from wire import CLOSE, Upstream, answer_101


class Counting:
    """An upstream that answers plain requests and counts what came."""

    def __init__(self):
        self.upstream = Upstream()
        self.heads = []

    def handle(self, wire):
        self.heads.append(wire.head())
        wire.send(answer(b"ok"))
        wire.close()

    def __enter__(self):
        self.upstream.__enter__()
        self.upstream.serve(self.handle, times=None)
        return self

    def __exit__(self, *_):
        self.upstream.close()


def serving(counting, top=""):
    return simple(counting.upstream, f"@http on\n@http2 cleartext\n{top}")


def fields(method="GET", path="/", scheme="http", authority="test.example", more=()):
    return [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority),
            *more]


def head(client, more=(), method="GET"):
    return client.encoder.encode(fields(method, more=more), huffman=False)


def before(upstream, top="", route="", secure=False, **options):
    """A sluice whose clients may speak HTTP/2 before that upstream."""
    listener = site().lines if secure else ""
    return Sluice(f"@http on\n@http2 cleartext\n{top}\n{listener}{conf_for(upstream)}\n{route}",
                  **options)


def echo(wire):
    """Upgrades and sends every frame back unmasked, until a Close, which it answers."""
    wire.request = wire.head()
    protocols = wire.request.get("Sec-WebSocket-Protocol")
    fields = [("Sec-WebSocket-Protocol", protocols.split(",")[0].strip())] if protocols else []
    wire.send(answer_101(wire.request.get("Sec-WebSocket-Key"), fields))
    while True:
        first, payload = wire.frame()
        wire.send_frame(first & 15, payload)
        if first & 15 == CLOSE:
            break
    wire.close()


def open_one(client, upstream, path="/"):
    wires = []
    thread = threading.Thread(target=lambda: wires.append(upstream.upgrade()), daemon=True)
    thread.start()
    stream = client.websocket(path)
    thread.join()
    return stream, wires[0]
