"""Upstreams of which upstream_http asks for HTTP/2 and to which HTTP/1.1 is spoken: those that take no
WebSockets on streams, those that choose so, those that know nothing else, and those whose
connections are another for each client."""
import contextlib
import subprocess

from harness import Suite, free_port, wait_until
from http2_peer import Server, ask, before, opened, works
from plain_http import plain
from tls import site
from wire import TEXT, Upstream, answer_101, dial, refusal, request

suite = Suite()


def accept_upgrade(server):
    wire = server.wire()
    wire.request = wire.head()
    wire.send(answer_101(wire.request.get("Sec-WebSocket-Key")))
    return wire


def relays(client, wire):
    client.send_frame(TEXT, "up")
    wire.expect(TEXT, "up")
    wire.send_frame(TEXT, "down")
    client.expect(TEXT, "down")


@suite.check_each(False, True)
def websockets_go_over_http_1_where_the_server_does_not_take_them(secure):
    alpn = ("h2", "http/1.1")
    with Server(settings=(), secure=secure, alpn=alpn) as server, before(server) as sluice:
        client = ask(sluice, "/chat")
        wire = accept_upgrade(server)
        assert client.head().status == 101
        assert wire.request.line == "GET /chat HTTP/1.1", wire.request.line
        relays(client, wire)
        asking = dial(sluice.port)
        asking.send(plain("/page"))
        stream = server.next()
        assert stream.path == "/page" and not stream.is_websocket
        stream.answer(body=b"x", fields=[("content-length", "1")])
        assert asking.head().status == 200
        other = ask(sluice, "/other")
        wire = accept_upgrade(server)
        assert other.head().status == 101
        relays(other, wire)
        assert (len(server.connections), server.http1) == (1, 2)
        if secure:
            assert wire.sock.tls.selected_alpn_protocol() == "http/1.1"


@suite.check
def a_server_that_chooses_http_1_gets_it_on_that_connection():
    with Server(secure=True, alpn=("http/1.1",)) as server, before(server, http="auto") as sluice:
        clients = [ask(sluice, f"/{i}") for i in range(3)]
        for _ in clients:
            wire = accept_upgrade(server)
            assert wire.sock.tls.selected_alpn_protocol() == "http/1.1"
        for client in clients:
            assert client.head().status == 101
        assert server.http1 == 3, "one connection each, that of the offer among them"
        asking = dial(sluice.port)
        for i in range(3):
            asking.send(plain(f"/{i}"))
            wire = server.wire() if i == 0 else wire  # it is kept (upstream_keepalive)
            assert wire.head().target == f"/{i}"
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
            assert asking.head().status == 200 and asking.take(1) == b"x"
        assert (server.http1, len(server.connections)) == (4, 0)


@suite.check
def a_server_without_alpn_is_spoken_to_in_http_1():
    with Server(secure=True, alpn=()) as server, before(server, http="auto") as sluice:
        client = ask(sluice)
        wire = accept_upgrade(server)
        assert client.head().status == 101
        relays(client, wire)
        assert (server.http1, len(server.connections)) == (1, 0)


@suite.check
def a_server_that_chooses_http_2_gets_it():
    with Server(secure=True, alpn=("h2", "http/1.1")) as server, \
            before(server, http="auto") as sluice:
        pairs = [opened(sluice, server) for _ in range(3)]
        assert (server.http1, len(server.connections)) == (0, 1)
        assert all(works(*each) for each in pairs)
        assert server.connections[0].sock.tls.selected_alpn_protocol() == "h2"


@suite.check
def auto_is_http_1_toward_ws():
    with Server() as server, before(server, http="auto") as sluice:
        client = ask(sluice)
        wire = accept_upgrade(server)
        assert client.head().status == 101
        relays(client, wire)
        assert (server.http1, len(server.connections)) == (1, 0)


REMEDY = "it does not speak HTTP/2: write upstream_http auto, or 1, for this upstream"


@suite.check_each("answers", "closes")
def a_plain_server_that_speaks_http_1_alone_is_an_error_with_a_remedy(how):
    with Upstream() as upstream, before(upstream) as sluice:
        def handle(wire):
            wire.take(24)
            if how == "answers":
                wire.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            wire.close()
        upstream.serve(handle, times=None)
        head, _ = refusal(sluice, request())
        assert head.status == 502, head.raw
        wait_until(lambda: REMEDY in sluice.errors(), lambda: sluice.errors(), 3)
        sluice.access_line("refused", status="502")
        sluice.wait_sessions(0)


@suite.check_each("ignores", "alert")
def a_secure_server_that_speaks_http_1_alone_is_an_error_with_a_remedy(how):
    with contextlib.ExitStack() as stack:
        if how == "ignores":  # ALPN, and waits for HTTP/1.1
            server = stack.enter_context(Server(secure=True, alpn=("http/1.1",)))
            uri = server.uri
        else:  # RFC 7301 3.2: no_application_protocol
            uri = stack.enter_context(alerting())
        sluice = stack.enter_context(before(uri))
        head, _ = refusal(sluice, request())
        assert head.status == 502, head.raw
        wait_until(lambda: REMEDY in sluice.errors(), lambda: sluice.errors(), 3)


@contextlib.contextmanager
def alerting():
    port = free_port()
    certificate = site()
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate.path, "-key",
         certificate.key, "-alpn", "http/1.1", "-quiet"], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def listens():
            with contextlib.suppress(OSError):
                dial(port).close()
                return True
            return False
        wait_until(listens, "s_server")
        yield f"wss://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@suite.check
def connections_that_differ_for_each_client_are_of_http_1():
    with Server() as server, before(server, route="  send_proxy_protocol v1\n") as sluice:
        client = ask(sluice)
        wire = server.wire()
        assert wire.take(6) == b"PROXY "
        wire.head()
        assert not server.connections
        client.close()
    with Server() as server, before(server, route="  bind_address 127.0.0.1\n") as sluice:
        client = ask(sluice)
        accept_upgrade(server)
        assert client.head().status == 101 and not server.connections


suite.run()
