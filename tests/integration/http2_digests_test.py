"""What goes in comes out wherever one side of a session is a stream of HTTP/2 and the other one is
not, or is as well, in TLS and plain. HTTP/1.1 on both sides is relay_test.py's."""
import os
import random
import socket
import threading

from harness import PATIENCE, SANITIZED, Suite, wait_until
from http2_frames import ENABLE_CONNECT_PROTOCOL, PREFACE, ThreadedEndpoint
from http2_peer import Server, before
from relay_digests import Receiver, Sender
from tls import TlsSocket, client_context, client_wrap, server_wrap, site
from wire import Upstream, Wire, dial, request

suite = Suite()
SESSIONS = 6


class StreamSocket:
    """A stream as a socket under a Wire."""

    def __init__(self, endpoint, number):
        self.endpoint, self.number = endpoint, number

    def sendall(self, data):
        self.endpoint.data(self.number, data)

    def recv(self, count):
        stream = self.endpoint.streams[self.number]
        self.endpoint.until(lambda: stream.data or stream.ended or stream.reset is not None)
        if stream.reset is not None and not stream.data:
            raise ConnectionResetError
        return stream.take(count)

    def settimeout(self, seconds):
        pass

    def close(self):
        self.endpoint.reset(self.number)


class Clients(ThreadedEndpoint):
    """A client's connection, on which all of them are."""

    def __init__(self, sluice, secure):
        sock = socket.create_connection(("127.0.0.1", sluice.port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            sock = TlsSocket(sock, client_context(alpn=("h2",)), name="test.example")
        super().__init__(sock)
        self.next_id = 1
        self.send(PREFACE)
        self.settings()
        threading.Thread(target=self.run, daemon=True).start()
        self.until(lambda: ENABLE_CONNECT_PROTOCOL in self.peer)

    def ask(self):
        number, self.next_id = self.next_id, self.next_id + 2
        self.streams[number] = self.new_stream(number)
        self.fields(number, [(":method", "CONNECT"), (":protocol", "websocket"), (":path", "/"),
                             (":scheme", "https"), (":authority", "test.example"),
                             ("sec-websocket-version", "13")])
        return number

    def admitted(self, number):
        self.until(lambda: self.streams[number].heads)
        assert self.streams[number].status == 200, vars(self.streams[number])
        return Wire(StreamSocket(self, number), masked=True)


def one_session(sluice, clients, upstream):
    """The ends of a new one, as Wires."""
    if clients is not None:
        number = clients.ask()
    else:
        client = dial(sluice.port, wrap=sluice.wrap)
        client.send(request())
    if isinstance(upstream, Server):
        stream = upstream.next()
        stream.answer()
        server = Wire(StreamSocket(stream.connection, stream.number), masked=False)
    else:
        server = upstream.upgrade()
    if clients is not None:
        return clients.admitted(number), server
    assert client.head().status == 101
    return client, server


class Way:
    """What the client speaks, then what the server does: h2s is HTTP/2 in TLS."""

    def __init__(self, text):
        self.text = text
        self.client, self.server = text.split("/")

    def __str__(self):
        return self.text

    def upstream(self):
        secure = self.server.endswith("s")
        if self.server.startswith("h2"):
            return Server(secure=secure)
        return Upstream(wrap=server_wrap() if secure else None)

    def sluice(self, upstream, top):
        secure = self.client.endswith("s")
        return before(upstream, top=top + "\n@http2 cleartext" * self.client.startswith("h2"),
                      http="2" if self.server.startswith("h2") else "1",
                      listener=site().lines if secure else "",
                      wrap=client_wrap() if secure else None)


WAYS = [Way(f"{client}/{server}") for client in ("h1", "h1s", "h2", "h2s")
        for server in ("h1", "h1s", "h2", "h2s") if "h2" in client + server]


def check_digests(way, top="", largest=1 << 20):
    seed = int(os.environ.get("SLUICE_RELAY_SEED", random.randrange(1 << 32)))
    with way.upstream() as upstream, way.sluice(upstream, top) as sluice:
        clients = Clients(sluice, way.client.endswith("s")) if way.client.startswith("h2") else None
        flows = []
        for number in range(2 if SANITIZED else SESSIONS):
            client, server = one_session(sluice, clients, upstream)
            most = largest if number == 0 else 100_000
            flows.append((Sender(client, (seed << 8) + number * 2, most), Receiver(server)))
            flows.append((Sender(server, (seed << 8) + number * 2 + 1, most), Receiver(client)))
        for sender, receiver in flows:
            sender.start()
            receiver.start()
        for sender, receiver in flows:
            sender.join(60)
            receiver.join(60)
            replay = f"SLUICE_RELAY_SEED={seed} replays it"
            assert not receiver.is_alive(), f"a receiver waits on; {replay}"
            assert sender.digest.digest() == receiver.digest.digest(), f"bytes differ; {replay}"
        for sender, _ in flows:
            sender.wire.close()
        if clients is not None:
            clients.cut()
        sluice.wait_sessions(0)
        def given_back():
            report = sluice.report()
            return not any(report[f"{what}_lent"] for what in ("rings", "blocks", "pipes", "transits"))
        wait_until(given_back, lambda: sluice.report())
        if isinstance(upstream, Server):
            assert len(upstream.connections) == 1


@suite.check_each(*WAYS)
def digests(way):
    check_digests(way)


@suite.check_each(Way("h1/h2"), Way("h2/h2"))
def digests_with_the_smallest_ring_and_window(way):
    ring = "64k" if way.client == "h2" else "16k"
    check_digests(way, f"@ring_size {ring}\n@h2_stream_window 4k", 300_000)


suite.run()
