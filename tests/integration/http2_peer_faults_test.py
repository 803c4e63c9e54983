"""Upstreams that speak HTTP/2 wrongly: their answer is 502 with a line that says why, and where RFC
9113 lets them the connection's other streams live on."""
import contextlib
import os
import struct
import time

import http2_frames as h2
from harness import Suite, wait_until
from http2_peer import Server, ask, before, get_through, opened, works
from plain_http import plain
from wire import Reset, TEXT, Upstream, dial, refusal, request

suite = Suite()
OK = (":status", "200")
RESET = "the upstream reset its HTTP/2 stream"  # which it did not


def head(*fields, end=True):
    def act(stream):
        stream.connection.fields(stream.number, fields, end)
    return act


def raw(*frames):
    """(kind, flags, payload) on the stream, in one segment."""
    def act(stream):
        stream.connection.send(b"".join(h2.Endpoint.pack(kind, flags, stream.number, payload)
                                        for kind, flags, payload in frames))
    return act


def both(*acts):
    def act(stream):
        with stream.connection.sending:
            for each in acts:
                each(stream)
    return act


def data(payload, end=False):
    return raw((h2.DATA, h2.END_STREAM if end else 0, payload))


# What is no answer (RFC 9113 8.1.1, 8.2, 8.3.2), to a plain request and to a WebSocket's.
MALFORMED = {
    "no status": head(("x-a", "b")),
    "no field at all": head(),
    "status is no number": head((":status", "abc")),
    "status of two digits": head((":status", "99")),
    "status of four digits": head((":status", "2000")),
    "status twice": head(OK, OK),
    "status behind a field": head(("x-a", "b"), OK),
    "101": head((":status", "101"), end=False),
    "a request's pseudo field": head(OK, (":path", "/")),
    "an unknown pseudo field": head(OK, (":mine", "1")),
    "upper case": head(OK, ("X-Upper", "1")),
    "connection": head(OK, ("connection", "close")),
    "keep-alive": head(OK, ("keep-alive", "1")),
    "transfer-encoding": head(OK, ("transfer-encoding", "chunked")),
    "upgrade": head(OK, ("upgrade", "websocket")),
    "an interim answer alone": head((":status", "103"), end=True),
    "trailers behind an interim answer": both(head((":status", "103"), end=False),
                                              head(("x-a", "b"))),
}

# Of a WebSocket's answer a length means nothing (RFC 9110 9.3.6).
PLAIN_MALFORMED = {
    "length is no number": head(OK, ("content-length", "x"), end=False),
    "length below zero": head(OK, ("content-length", "-1"), end=False),
    "two lengths": head(OK, ("content-length", "1"), ("content-length", "2"), end=False),
}


@suite.check_each("plain", "websocket")
def a_malformed_head_is_502_and_costs_no_other_stream(kind):
    with Server() as server, before(server, "  max_fails off\n") as sluice:
        beside = opened(sluice, server)
        wrong = []
        for what, act in (MALFORMED | (PLAIN_MALFORMED if kind == "plain" else {})).items():
            client = dial(sluice.port)
            client.send(plain("/" + what.replace(" ", "-")) if kind == "plain" else request("/"))
            stream = server.next()
            act(stream)
            status = client.head().status
            while 100 <= status < 200 and status != 101:
                status = client.head().status
            if status != 502:
                wrong.append((what, status))
            if stream.connection.gone:
                wrong.append((what, stream.connection.goaway))
                beside = opened(sluice, server)
            client.close()
        assert not wrong, "\n".join(map(str, wrong))
        wait_until(lambda: f" warn upstream far: peer 127.0.0.1:{server.port}: " in sluice.errors(),
                   "a line")
        works(*beside)
        assert len(server.connections) == 1, server.connections[0].state()


@suite.check
def a_malformed_answer_is_not_called_a_reset():
    with Server() as server, before(server) as sluice:
        client = ask(sluice)
        server.next().answer(200, [("connection", "close")])
        assert client.head().status == 502
        line = sluice.access_line("refused", status="502")
        assert line["reason"] != RESET and line["reason"], line


@suite.check
def fields_that_would_be_others_in_http_1_reach_no_client():
    with Server() as server, before(server, "  max_fails off\n") as sluice:
        for name, value in (("x-a", "b\r\nset-cookie: evil=1"), ("x-a", "b\nset-cookie: evil=1"),
                            ("x-a", "b\0c"), ("x-a: b\r\nset-cookie", "evil=1"), ("x a", "b"),
                            ("", "b"), ("x-a:", "b")):
            client = dial(sluice.port)
            client.send(plain())
            stream = server.next()
            stream.answer(200, [(name, value), ("content-length", "0")])
            head_ = client.head()
            assert head_.status in (200, 502), head_.raw
            assert b"evil" not in head_.raw and b"x-a" not in head_.raw.lower(), head_.raw
            client.close()
        get_through(sluice, server)
        assert len(server.connections) == 1


def body_of(client):
    """What comes within a moment, or up to the end."""
    client.sock.settimeout(0.2)
    with contextlib.suppress(TimeoutError, Reset):
        client.rest()
    return bytes(client.buffer)


@suite.check
def a_body_that_its_head_belies():
    with Server() as server, before(server, "  max_fails off\n") as sluice:
        beside = opened(sluice, server)
        for said, comes in ((3, b"abcdef"), (6, b"abc"), (0, b"abc")):
            client = dial(sluice.port)
            client.send(plain())
            stream = server.next()
            with stream.connection.sending:
                stream.answer(200, [("content-length", str(said))], end=False)
                data(comes, end=True)(stream)
            head_ = client.head()
            assert head_.status in (200, 502), head_.raw
            if head_.status == 200:
                body = body_of(client)
                assert len(body) < said or said == 0 and body == b"", (said, body)
            stream.until(lambda stream=stream: stream.reset is not None)
            # Where no body is awaited its session may be over first, which wants no more of it.
            codes = (h2.PROTOCOL_ERROR, h2.CANCEL) if said == 0 else (h2.PROTOCOL_ERROR,)
            assert stream.reset in codes, (said, comes, vars(stream))
            client.close()
        # What has none by its kind (RFC 9110 6.4.1).
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
            client = dial(sluice.port)
            client.send(plain("/", method))
            stream = server.next()
            with stream.connection.sending:
                stream.answer(status, end=False)
                data(b"abc", end=True)(stream)
            head_ = client.head()
            assert head_.status in (status, 502), head_.raw
            assert head_.status == 502 or body_of(client) == b"", "a body where there is none"
            client.close()
        works(*beside)
        assert len(server.connections) == 1


@suite.check
def trailers_that_are_none():
    with Server() as server, before(server, "  max_fails off\n") as sluice:
        beside = opened(sluice, server)
        for fields, end in (([(":status", "200")], True), ([("x-a", "b")], False),
                            ([("Upper", "b")], True), ([("connection", "close")], True)):
            client = dial(sluice.port)
            client.send(plain())
            stream = server.next()
            stream.answer(200, body=b"some", end=False)
            assert client.head().status == 200
            stream.connection.fields(stream.number, fields, end)
            stream.until(lambda stream=stream: stream.reset is not None)
            with contextlib.suppress(Reset):
                assert not client.rest().endswith(b"0\r\n\r\n"), fields
        works(*beside)
        assert len(server.connections) == 1


@suite.check_each("plain", "websocket")
def an_answers_head_over_its_limit(kind):
    with Server() as server, before(server, "  max_fails off\n",
                                    route="  max_answer_header_size 4k\n") as sluice:
        beside = opened(sluice, server)
        for fields in ([("x-big", "y" * 5000)], [(f"x-{i}", "y" * 100) for i in range(60)],
                       [("x-huge", "z" * 60_000)]):
            client = dial(sluice.port)
            client.send(plain() if kind == "plain" else request())
            stream = server.next()
            stream.answer(200, fields, end=kind == "plain")
            assert client.head().status == 502
            wait_until(lambda: "max_answer_header_size" in sluice.errors(),
                       lambda: sluice.errors()[-2000:], 3)
        client = dial(sluice.port)
        client.send(plain())
        server.next().answer(200, [("x-fits", "y" * 3000), ("content-length", "0")])
        assert len(client.head().get("X-Fits")) == 3000
        works(*beside)
        assert len(server.connections) == 1


def on_connection(*frames):
    def act(stream):
        stream.connection.send(b"".join(h2.Endpoint.pack(*each) for each in frames))
    return act


# What ends the connection (RFC 9113 4.2, 4.3, 5.1, 5.4.1, 6).
FATAL = {
    "garbage": lambda stream: stream.connection.send(os.urandom(3) * 5000),
    "an answer in HTTP/1.1": lambda stream: stream.connection.send(
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 5),
    "a promise": lambda stream: stream.connection.send(h2.Endpoint.pack(
        h2.PUSH_PROMISE, h2.END_HEADERS, stream.number, struct.pack("!I", 2) + b"\x82\x86\x84")),
    "data without a head": data(b"x"),
    "an end without a head": data(b"", end=True),
    "a frame that is too large": on_connection((h2.DATA, 0, 1, b"x" * 20_000)),
    "DATA of no stream": on_connection((h2.DATA, 0, 0, b"x")),
    "a head on an idle stream": on_connection((h2.HEADERS, h2.END_HEADERS, 1001, b"\x88")),
    "a server's stream": on_connection((h2.HEADERS, h2.END_HEADERS, 2, b"\x88")),
    "CONTINUATION of nothing": on_connection((h2.CONTINUATION, h2.END_HEADERS, 1, b"\x88")),
    "SETTINGS of a stream": on_connection((h2.SETTINGS, 0, 1, b"")),
    "half a setting": on_connection((h2.SETTINGS, 0, 0, b"\0\0\0")),
    "a window that is too large": on_connection((h2.SETTINGS, 0, 0,
                                                 struct.pack("!HI", h2.INITIAL_WINDOW_SIZE, 2**31))),
    "an update of 0": on_connection((h2.WINDOW_UPDATE, 0, 0, struct.pack("!I", 0))),
    "updates that overflow": on_connection(*[(h2.WINDOW_UPDATE, 0, 0,
                                              struct.pack("!I", 2**31 - 1))] * 2),
    "a PING of 7 bytes": on_connection((h2.PING, 0, 0, b"1234567")),
    "a reset of an idle stream": on_connection((h2.RST_STREAM, 0, 1001, struct.pack("!I", 8))),
    "a block that cannot be decoded": raw((h2.HEADERS, h2.END_HEADERS, b"\xff\xff\xff\xff\xff\xff")),
    "a head that another frame interrupts": raw((h2.HEADERS, 0, b"\x88"), (h2.DATA, 0, b"x")),
}


@suite.check
def what_breaks_the_connection_loses_its_streams_and_is_told():
    with Server() as server, before(server, "  max_fails off\n") as sluice:
        wrong = []
        for what, act in FATAL.items():
            live, its = opened(sluice, server)
            client = ask(sluice)
            stream = server.next()
            connection = stream.connection
            assert its.connection is connection
            act(stream)
            status = client.head().status
            if status != 502:
                wrong.append((what, status))
            with contextlib.suppress(Reset):
                live.expect_end()
            live.close()
            client.close()
            connection.wait_gone()
            if connection.goaway is None or connection.goaway[1] == h2.NO_ERROR:
                wrong.append((what, "goaway", connection.goaway))
        sluice.wait_sessions(0)
        lines = [line for line in sluice.access() if line["event"] == "close"]
        assert len(lines) == len(FATAL), len(lines)
        assert {line["closed_by"] for line in lines} == {"upstream"}, lines
        assert not any("reset" in line["reason"] for line in lines), lines
        assert f" warn upstream far: peer 127.0.0.1:{server.port}: " in sluice.errors()
        works(*opened(sluice, server))
        assert len(server.connections) == len(FATAL) + 1
        assert not wrong, "\n".join(map(str, wrong))


@suite.check
def garbage_instead_of_settings():
    for garbage in (b"220 smtp.example ESMTP\r\n", b"\0" * 100, os.urandom(1) * 3000,
                    h2.Endpoint.pack(h2.PING, 0, 0, b"12345678"),  # SETTINGS come first
                    h2.Endpoint.pack(h2.GOAWAY, 0, 0, struct.pack("!II", 0, 2))):
        with Upstream() as upstream, before(upstream, "  max_fails off\n",
                                            top="@handshake_timeout 2s") as sluice:
            def handle(wire, garbage=garbage):
                wire.take(24)
                wire.send(garbage)
                wire.rest()
            upstream.serve(handle, times=None)
            begin = time.monotonic()
            head_, _ = refusal(sluice, request())
            assert head_.status == 502, (garbage[:20], head_.raw)
            assert time.monotonic() - begin < 1.5, garbage[:20]
            wait_until(lambda: f"peer 127.0.0.1:{upstream.port}: " in sluice.errors(), "a line", 3)
            sluice.wait_sessions(0)


@suite.check
def more_data_than_the_window_is_an_error():
    with Server() as server, before(server, "  max_fails off\n") as sluice:
        client, stream = opened(sluice, server)
        beside = opened(sluice, server)
        most = 65_535 + 262_144
        piece = b"\x82\x7f" + struct.pack("!Q", 10 * most)
        stream.connection.send(h2.Endpoint.pack(h2.DATA, 0, stream.number, piece))
        for _ in range(40):  # the client reads nothing
            with contextlib.suppress(OSError):
                stream.connection.send(b"".join(
                    h2.Endpoint.pack(h2.DATA, 0, stream.number, b"x" * 16_384) for _ in range(64)))
            if stream.reset is not None or stream.connection.gone:
                break
            time.sleep(0.02)
        assert stream.reset == h2.FLOW_CONTROL_ERROR or stream.connection.goaway is not None
        if stream.reset is not None:
            works(*beside)
        client.reset()


@suite.check
def frames_that_nobody_knows_and_floods_of_pings():
    with Server() as server, before(server) as sluice:
        client, stream = opened(sluice, server)
        connection = stream.connection
        connection.frame(0xEE, 0xFF, 0, b"what")
        connection.frame(0xEE, 0xFF, stream.number, b"what")
        connection.settings([(0xEEEE, 7)])
        connection.frame(h2.PRIORITY, 0, stream.number, b"\0\0\0\0\x10")
        for _ in range(5):
            connection.send(h2.Endpoint.pack(h2.PING, 0, 0, b"12345678") * 200)
        works(client, stream)
        connection.until(lambda: len(connection.pings) == 1000)


@suite.check
def a_late_reset_or_data_of_a_stream_that_is_over_harms_nobody():
    with Server() as server, before(server) as sluice:
        beside = opened(sluice, server)
        client = dial(sluice.port)
        client.send(plain())
        stream = server.next()
        client.reset()
        stream.wait_reset()
        connection = stream.connection
        connection.fields(stream.number, [OK, ("x-late", "1")])  # it was on its way
        connection.frame(h2.DATA, 0, stream.number, b"late")
        connection.frame(h2.WINDOW_UPDATE, 0, stream.number, struct.pack("!I", 100))
        connection.reset(stream.number)
        connection.frame(h2.RST_STREAM, 0, stream.number, struct.pack("!I", 8))
        works(*beside)
        works(*opened(sluice, server))
        assert len(server.connections) == 1
        beside[0].send_frame(TEXT, "x")
        beside[1].expect(TEXT, "x")


suite.run()
