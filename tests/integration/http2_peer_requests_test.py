"""Plain requests to upstreams that speak HTTP/2: bodies, trailers, interim answers, and flow control
on the streams that they share a connection with."""
import os
import threading
import time

import http2_frames as h2
from harness import SANITIZED, Suite, wait_until
from http2 import Client
from http2_peer import WEBSOCKETS, Server, ask, before, echo, opened, works
from plain_http import plain
from wire import BINARY, TEXT, dial, frame, request

suite = Suite()
HEAVY = 20_000_000


def length(data):
    return [("content-length", str(len(data)))]


def chunked(*pieces, trailers=()):
    text = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return text + b"0\r\n" + b"".join(b"%s: %s\r\n" % each for each in trailers) + b"\r\n"


def read_chunked(wire):
    """The body, and its trailers' lines."""
    body = b""
    while True:
        line = b""
        while not line.endswith(b"\r\n"):
            line += wire.take(1)
        size = int(line, 16)
        if size == 0:
            break
        body += wire.take(size)
        assert wire.take(2) == b"\r\n"
    lines = b""
    while not lines.endswith(b"\r\n\r\n") and lines != b"\r\n":
        lines += wire.take(1)
    return body, [line for line in lines.split(b"\r\n") if line]


def asked(server, client, data):
    client.send(data)
    return server.next()


@suite.check_each(False, True)
def a_get_and_what_goes_with_it(secure):
    with Server(secure=secure) as server, before(server) as sluice:
        client = dial(sluice.port)
        stream = asked(server, client, plain("/a?b=c", fields=[
            ("Cookie", "a=1"), ("TE", "trailers"), ("Connection", "keep-alive, X-Hop"),
            ("X-Hop", "1"), ("Keep-Alive", "5"), ("If-None-Match", '"x"')]))
        fields = stream.fields
        assert stream.ended, "a GET has no body"
        assert (fields[":method"], fields[":path"]) == ("GET", "/a?b=c"), fields
        assert fields[":scheme"] == ("https" if secure else "http")
        assert ":protocol" not in fields and fields["if-none-match"] == '"x"', fields
        for name in ("connection", "keep-alive", "x-hop", "upgrade", "host", "transfer-encoding",
                     "content-length"):
            assert name not in fields, fields
        assert fields.get("te") in (None, "trailers"), fields
        stream.answer(200, [*length(b"hello"), ("etag", '"y"'), ("set-cookie", "a=1"),
                            ("set-cookie", "b=2")], b"hello")
        head = client.head()
        assert head.line.startswith("HTTP/1.1 200"), head.line
        assert client.take(5) == b"hello" and head.get("ETag") == '"y"', head.raw
        assert head.all("Set-Cookie") == ["a=1", "b=2"], head.raw
        assert head.get("Connection") is None and head.get("Content-Length") == "5", head.raw
        line = sluice.access_line("request", status="200")
        assert line["peer"] == f"127.0.0.1:{server.port}", line


@suite.check
def one_client_keeps_its_connection_over_answers_of_every_kind():
    """Each is followed by the next on the same connection: none ends a byte too early or late."""
    with Server() as server, before(server) as sluice:
        client = dial(sluice.port)
        asked(server, client, plain("/head", "HEAD")).answer(200, [("content-length", "77")])
        head = client.head()
        assert (head.status, head.get("Content-Length")) == (200, "77"), head.raw
        asked(server, client, plain("/none")).answer(204)
        head = client.head()
        assert head.status == 204 and head.get("Content-Length") is None, head.raw
        assert head.get("Transfer-Encoding") is None, head.raw
        asked(server, client, plain("/same")).answer(304, [("etag", '"x"'), ("content-length", "5")])
        assert client.head().status == 304
        asked(server, client, plain("/empty")).answer(200)  # END_STREAM with the head
        head = client.head()
        assert (head.status, head.get("Content-Length")) == (200, "0"), head.raw
        stream = asked(server, client, plain("/empty-data"))
        stream.answer(200, end=False)
        stream.send(end=True)  # an empty DATA
        assert client.head().get("Transfer-Encoding") == "chunked"
        assert read_chunked(client) == (b"", [])
        stream = asked(server, client, plain("/unknown-length"))
        stream.answer(200, body=b"some", end=False)
        stream.send(b" more", end=True)
        head = client.head()
        assert head.get("Transfer-Encoding") == "chunked" and head.get("Content-Length") is None
        assert read_chunked(client) == (b"some more", [])
        asked(server, client, plain("/zero")).answer(200, [("content-length", "0")])
        assert client.head().get("Content-Length") == "0"
        asked(server, client, plain("/last")).answer(404, length(b"no"), b"no")
        assert client.head().status == 404 and client.take(2) == b"no"
        assert len(server.connections) == 1 and server.streams == 8


@suite.check
def bodies_go_up_with_a_length_and_without():
    with Server() as server, before(server) as sluice:
        client = dial(sluice.port)
        for body in (b"", b"x", os.urandom(300_000)):
            fields = [("Content-Length", len(body))]
            stream = asked(server, client, plain("/length", "POST", fields, body))
            assert stream.body() == body, len(stream.data)
            assert stream.fields["content-length"] == str(len(body)), stream.fields
            stream.answer(body=b"ok", fields=length(b"ok"))
            assert client.head().status == 200 and client.take(2) == b"ok"
        for pieces in ((), (b"abc",), (b"a" * 70_000, b"b", os.urandom(100_000))):
            fields = [("Transfer-Encoding", "chunked")]
            stream = asked(server, client, plain("/chunks", "PUT", fields, chunked(*pieces)))
            assert stream.body() == b"".join(pieces)
            assert "transfer-encoding" not in stream.fields, stream.fields
            assert "content-length" not in stream.fields, stream.fields
            stream.answer(body=b"ok", fields=length(b"ok"))
            assert client.head().status == 200 and client.take(2) == b"ok"
        assert len(server.connections) == 1


@suite.check
def trailers_go_both_ways():
    with Server() as server, before(server) as sluice:
        client = dial(sluice.port)
        body = chunked(b"abc", trailers=[(b"X-Sum", b"3"), (b"X-Other", b"y")])
        stream = asked(server, client, plain("/", "POST", [("Transfer-Encoding", "chunked"),
                                                           ("Trailer", "X-Sum")], body))
        assert stream.body() == b"abc"
        assert stream.heads[1:] == [[("x-sum", "3"), ("x-other", "y")]], stream.heads
        stream.answer(200, [("trailer", "x-sum")], b"hello", end=False)
        stream.trailers([("x-sum", "5"), ("x-more", "z")])
        assert client.head().get("Transfer-Encoding") == "chunked"
        assert read_chunked(client) == (b"hello", [b"x-sum: 5", b"x-more: z"])
        # Behind a body of a known length there is no place for them.
        stream = asked(server, client, plain("/length"))
        stream.answer(200, length(b"hello"), b"hello", end=False)
        stream.trailers([("x-sum", "5")])
        assert client.head().status == 200 and client.take(5) == b"hello"
        asked(server, client, plain("/next")).answer(200)
        assert client.head().status == 200
    with Server() as server, before(server, top="@http2 cleartext") as sluice:
        with Client(sluice.port) as client:
            number = client.get(method="POST", end=False)
            client.data(number, b"abc")
            client.fields(number, [("x-sum", "3")], end=True)
            stream = server.next()
            assert stream.body() == b"abc" and stream.heads[1:] == [[("x-sum", "3")]], stream.heads
            stream.answer(200, body=b"hello", end=False)
            stream.trailers([("x-sum", "5")])
            got = client.answer(number)
            assert bytes(got.data) == b"hello" and got.heads[-1] == [("x-sum", "5")], vars(got)


@suite.check
def interim_answers_travel_on():
    with Server() as server, before(server) as sluice:
        client = dial(sluice.port)
        stream = asked(server, client, plain("/early"))
        stream.answer(103, [("link", "</a>")], end=False)
        head = client.head()
        assert (head.status, head.get("Link")) == (103, "</a>"), head.raw
        stream.answer(103, [("link", "</b>")], end=False)
        stream.answer(200, length(b"late"), b"late")
        assert client.head().get("Link") == "</b>"
        assert client.head().status == 200 and client.take(4) == b"late"
        stream = asked(server, client, plain("/", "POST", [("Content-Length", 3),
                                                           ("Expect", "100-continue")]))
        stream.answer(100, end=False)
        assert client.head().status == 100
        client.send(b"abc")
        assert stream.body() == b"abc"
        stream.answer(200)
        assert client.head().status == 200
        # A WebSocket's client gets none.
        client = ask(sluice)
        stream = server.next()
        stream.answer(103, [("link", "</a>")], end=False)
        stream.answer(200)
        assert client.head().status == 101
        works(client, stream)


@suite.check
def an_http_1_0_client_gets_no_chunks():
    with Server() as server, before(server) as sluice:
        client = dial(sluice.port)
        stream = asked(server, client, plain("/", version="1.0"))
        stream.answer(103, [("link", "</a>")], end=False)
        stream.answer(200, body=b"some", end=False)
        stream.send(b" more", end=True)
        head = client.head()
        assert head.status == 200 and head.get("Transfer-Encoding") is None, head.raw
        assert head.get("Content-Length") is None, head.raw
        assert client.rest() == b"some more"
        client.close()
        client = dial(sluice.port)
        stream = asked(server, client, plain("/", version="1.0"))
        stream.answer(200, length(b"done"), b"done")
        assert client.head().get("Content-Length") == "4" and client.rest() == b"done"
        client.close()
        sluice.wait_sessions(0)
        assert len(server.connections) == 1 and not server.connections[0].gone


@suite.check
def an_answer_before_the_request_has_ended():
    with Server() as server, before(server) as sluice:
        client = dial(sluice.port)
        stream = asked(server, client, plain("/", "POST", [("Content-Length", 1_000_000)], b"x" * 10))
        stream.answer(413, length(b"no"), b"no")
        head = client.head()
        assert head.status == 413 and client.take(2) == b"no", head.raw
        stream.until(lambda: stream.reset is not None or stream.ended)
        assert not stream.ended, "the request is not whole"
        client.close()
        # As RFC 9113 8.1 has servers do it: NO_ERROR behind the whole answer.
        client = dial(sluice.port)
        stream = asked(server, client, plain("/", "POST", [("Content-Length", 1_000_000)], b"x" * 10))
        with stream.connection.sending:
            stream.answer(413, length(b"no"), b"no")
            stream.abort(h2.NO_ERROR)
        head = client.head()
        assert head.status == 413 and client.take(2) == b"no", head.raw
        client.close()
        sluice.wait_sessions(0)
        assert len(server.connections) == 1


# --- flow control
def held_bytes(sluice):
    return sluice.report()["bytes_lent"]


@suite.check
def heavy_bodies_go_both_ways_with_slow_readers():
    """20 MB up to a server that opens its window late, and down to a client that reads slowly."""
    heavy = HEAVY // 4 if SANITIZED else HEAVY
    body = os.urandom(1 << 20) * (heavy >> 20)
    with Server(updates=False) as server, before(server) as sluice:
        client = dial(sluice.port)
        sender = threading.Thread(target=lambda: client.send(
            plain("/", "POST", [("Content-Length", len(body))], body)), daemon=True)
        sender.start()
        stream = server.next()
        most = taken = 0
        steps = 0
        while taken < len(body):
            stream.until(lambda: len(stream.data) >= min(65_535, len(body) - taken))
            count = len(stream.data)
            assert stream.take(count) == body[taken:taken + count]
            taken += count
            steps += 1
            if steps % 20 == 0:
                most = max(most, held_bytes(sluice))
            stream.connection.update(0, count)
            stream.connection.update(stream.number, count)
        sender.join()
        stream.until(lambda: stream.ended)
        assert most <= 600_000, most
        stream.answer(200)
        assert client.head().status == 200
    with Server() as server, before(server) as sluice:
        client = dial(sluice.port, receive_buffer=64 * 1024)
        client.send(plain())
        stream = server.next()
        sender = threading.Thread(target=lambda: stream.answer(200, length(body), body), daemon=True)
        sender.start()
        assert client.head().status == 200
        time.sleep(0.3)
        most = held_bytes(sluice)
        assert client.take(len(body)) == body
        sender.join()
        assert most <= 600_000, most


def stall(client, stream, most=50_000_000):
    """Sends until the proxy opens no window any more; how much the server could send in all."""
    connection, number = stream.connection, stream.number
    piece = frame(BINARY, b"s" * 60_000)
    def more():
        try:
            connection.until(lambda: connection.window(number) > 0, 0.7)
        except AssertionError:
            return False
        return True
    sent = 0
    while more():
        assert sent < most, "nothing held the server back"
        count = min(connection.window(number), 16_384)
        connection.data(number, (piece * 2)[sent % len(piece):][:count])
        sent += count
    return sent


@suite.check
def a_stalled_client_stalls_no_other_and_holds_no_more_than_its_window():
    for window in (65_535, 262_144):
        line = f"  h2_stream_window {window}\n"
        with Server() as server, before(server, line, top="@send_timeout 60s") as sluice:
            client, stream = opened_slowly(sluice, server)
            connection = stream.connection
            assert connection.peer[h2.INITIAL_WINDOW_SIZE] == window, connection.peer
            idle = held_bytes(sluice)
            stall(client, stream)
            held = held_bytes(sluice) - idle
            assert held <= 2 * window + 256 * 1024 + 16_384, (window, held)
            others = [opened(sluice, server) for _ in range(3)]
            for other, its in others:
                for i in range(30):
                    payload = os.urandom(10_000)
                    its.send_frame(BINARY, payload)
                    other.expect(BINARY, payload)
                    other.send_frame(TEXT, b"%d" % i)
                    its.expect(TEXT, b"%d" % i)
            assert len(server.connections) == 1
            # The stalled one's other direction goes on as well, and all comes once it reads.
            client.send_frame(TEXT, "still here")
            stream.expect(TEXT, "still here")
            first, payload = client.frame()
            assert (first, payload) == (0x80 | BINARY, b"s" * 60_000)
            client.reset()
            stream.until(lambda: stream.ended or stream.reset is not None)


def opened_slowly(sluice, server):
    client = dial(sluice.port, receive_buffer=8 * 1024)
    client.send(request())
    stream = server.next()
    stream.answer()
    assert client.head().status == 101
    return client, stream


@suite.check
def a_servers_window_is_obeyed_and_goes_on_when_it_opens():
    settings = (WEBSOCKETS, (h2.INITIAL_WINDOW_SIZE, 0))
    with Server(settings=settings, updates=False) as server, before(server) as sluice:
        client, stream = opened(sluice, server)
        connection = stream.connection
        client.send_frame(TEXT, b"x" * 1000)
        time.sleep(0.3)
        assert not stream.data
        connection.update(stream.number, 10)
        stream.until(lambda: len(stream.data) >= 10)
        time.sleep(0.1)
        assert len(stream.data) == 10, len(stream.data)
        # A stream without payload is not held up, nor one whose window is open.
        asking = dial(sluice.port)
        asking.send(plain("/page"))
        server.next().answer(200, length(b"x"), b"x")
        assert asking.head().status == 200 and asking.take(1) == b"x"
        other, its = opened(sluice, server)
        connection.update(its.number, 1000)
        other.send_frame(TEXT, "beside")
        its.expect(TEXT, "beside")
        # A larger first window opens those that are open already (RFC 9113 6.9.2).
        connection.settings([(h2.INITIAL_WINDOW_SIZE, 2000)])
        stream.expect(TEXT, b"x" * 1000)
        connection.settings([(h2.INITIAL_WINDOW_SIZE, 0)])  # now it is below 0
        wait_until(lambda: connection.acknowledged == 3, "the acknowledgement")
        before_ = connection.count(h2.DATA)
        client.send_frame(TEXT, b"y" * 500)
        time.sleep(0.2)
        assert connection.count(h2.DATA) == before_
        connection.update(stream.number, 5000)
        stream.expect(TEXT, b"y" * 500)
        assert works_with(connection, client, stream)


def works_with(connection, client, stream):
    connection.update(stream.number, 1000)
    return works(client, stream)


@suite.check
def a_connections_window_is_obeyed():
    with Server(updates=False) as server, before(server) as sluice:
        one, first = opened(sluice, server)
        two, second = opened(sluice, server)
        connection = first.connection
        for number in (first.number, second.number):
            connection.update(number, 1_000_000)
        one.send_frame(BINARY, b"a" * 50_000)
        two.send_frame(BINARY, b"b" * 50_000)
        connection.until(lambda: len(first.data) + len(second.data) == 65_535)
        time.sleep(0.2)
        assert len(first.data) + len(second.data) == 65_535
        connection.update(0, 1_000_000)
        first.expect(BINARY, b"a" * 50_000)
        second.expect(BINARY, b"b" * 50_000)


@suite.check
def many_requests_and_sockets_at_once():
    count = 10 if SANITIZED else 40
    with Server(echo) as server, before(server, "  h2_streams_per_connection 16\n") as sluice:
        failures = []
        def sockets(number):
            try:
                client = ask(sluice)
                assert client.head().status == 101
                for size in (0, 100, 20_000, 100_000):
                    payload = os.urandom(size)
                    client.send_frame(BINARY, payload)
                    client.expect(BINARY, payload)
                client.reset() if number % 3 == 0 else client.close()
            except Exception as failure:
                failures.append(failure)
        def pages(_):
            try:
                client = dial(sluice.port)
                for size in (1, 5_000, 80_000):
                    payload = os.urandom(size)
                    client.send(plain("/", "POST", [("Content-Length", size)], payload))
                    head = client.head()
                    body = read_chunked(client)[0] if head.get("Transfer-Encoding") else \
                        client.take(int(head.get("Content-Length")))
                    assert body == payload, (head.raw, len(body))
                client.close()
            except Exception as failure:
                failures.append(failure)
        threads = [threading.Thread(target=(sockets, pages)[i % 2], args=(i,), daemon=True)
                   for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not failures, failures[:3]
        sluice.wait_sessions(0)


suite.run()
