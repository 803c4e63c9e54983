"""What clients reach with HTTP/2 that mean no good: floods and their budgets, header blocks, requests
that would be two in HTTP/1.1, and connections that stay for nothing. Each has its answer: a
stream's reset, or GOAWAY, with a code."""
import struct

import http2
from harness import Suite, simple, wait_until
from http2 import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM,
                   SETTINGS, Client)
from http2_upstream import Counting, fields, head, serving
from plain_http import answer
from wire import Upstream

suite = Suite()


def calm(sluice, client, directive):
    """The connection ended for that budget, and the log says whose it was and what to do."""
    assert client.ended()[1] == http2.ENHANCE_YOUR_CALM, client.goaway
    wait_until(lambda: f"over {directive} " in sluice.errors(), lambda: sluice.errors()[-2000:])
    line = next(line for line in sluice.errors().splitlines() if f"over {directive} " in line)
    assert "ENHANCE_YOUR_CALM" in line and "raise it" in line and "127.0.0.1" in line, line


def flood(sluice, client, send, most=20_000, at_once=100):
    """Sends until the connection ends, at most so often, and looks after so many."""
    try:
        for count in range(most):
            send(count)
            if count % at_once == at_once - 1:
                client.quiet(0.001)
                if client.gone:
                    break
    except (BrokenPipeError, ConnectionResetError):
        pass
    return count


@suite.check
def a_rapid_reset_costs_the_connection_and_few_requests():
    with Counting() as counting, serving(counting) as sluice, Client(sluice.port) as client:
        def send(_):
            stream = client.get()
            client.reset(stream)
        assert flood(sluice, client, send) < 19_999  # all that it would have sent
        calm(sluice, client, "http2_reset_rate")
        assert len(counting.heads) <= 260, len(counting.heads)
        with Client(sluice.port) as other:
            assert other.answer(other.get()).status == 200


@suite.check
def a_client_that_makes_us_reset_is_counted_as_one_that_resets():
    with Counting() as counting, serving(counting, "@http2_reset_rate 5/s burst=20") as sluice, \
            Client(sluice.port) as client:
        def send(count):
            stream = client.get(method="POST", end=False)
            client.update(stream, 0x7fffffff)  # over 2^31 - 1: FLOW_CONTROL_ERROR on the stream
            if count % 50 == 49:  # never more open than are allowed, which is a fault of its own
                client.until(lambda: client.goaway or client.streams[stream].reset is not None)
        flood(sluice, client, send)
        calm(sluice, client, "http2_reset_rate")
        assert len(counting.heads) <= 60, len(counting.heads)


@suite.check
def bodies_of_another_length_and_closed_windows_count_as_resets_that_we_were_made_to():
    """nghttp2 tells of them by the frame alone that it sends (CVE-2025-8671)."""
    def beyond(client):
        stream = client.get(fields=[("content-length", "1")], method="POST", end=False)
        client.frame(DATA, 0, stream, b"abc")
    def short(client):
        stream = client.get(fields=[("content-length", "9")], method="POST", end=False)
        client.frame(DATA, END_STREAM, stream, b"abc")
    def by_window(client):
        stream = client.get(method="POST", end=False)
        for _ in range(5):
            client.frame(DATA, 0, stream, b"x" * 16_384)
    for act in (beyond, short, by_window):
        with Counting() as counting, serving(counting, "@http2_reset_rate 1/s burst=20") as sluice, \
                Client(sluice.port) as client:
            client.until(lambda: client.acknowledged)
            flood(sluice, client, lambda _, act=act: act(client), most=2_000, at_once=1)
            calm(sluice, client, "http2_reset_rate")


@suite.check
def a_header_block_that_says_one_long_field_thousands_of_times_is_not_read():
    """A byte on the wire stands for 4,000: such streams are reset, unread, and count."""
    with Counting() as counting, serving(counting) as sluice, Client(sluice.port) as client:
        client.until(lambda: client.peer)
        first = client.encoder.encode(fields(more=[("x-long", "b" * 4_000)]), huffman=False)
        for number in range(600):
            stream = 2 * number + 1
            block = first if number == 0 else client.encoder.encode(fields(), huffman=False)
            try:
                client.frame(HEADERS, END_HEADERS | END_STREAM, stream, block + b"\xbe" * 12_000)
            except OSError:
                break
            client.quiet(0.001)
            if client.gone or client.goaway:
                break
        assert number < 599 and client.streams[1].reset == http2.PROTOCOL_ERROR, number
        calm(sluice, client, "http2_reset_rate")
        assert not counting.heads


@suite.check
def connections_that_never_come_to_a_request_or_never_read_end():
    timeouts = "@client_header_timeout 500ms\n@keepalive_timeout 500ms\n@lingering_timeout 500ms\n" \
               "@send_timeout 1s\n@body_timeout 1s"
    with Counting() as counting, serving(counting, timeouts) as sluice:
        with Client(sluice.port) as client:  # half a header block
            client.frame(HEADERS, 0, 1, client.encoder.encode(fields(), huffman=False))
            client.ended()
        with Client(sluice.port) as client:  # a frame's head alone
            client.send(client.pack(HEADERS, END_HEADERS, 1, b"x" * 100)[:9])
            client.ended()
        with Client(sluice.port) as client:  # pings alone
            client.frame(PING, 0, 0, b"12345678")
            assert client.ended()[1] == http2.NO_ERROR
        sluice.wait_idle()
    body = b"z" * 3_000_000
    with Upstream() as upstream, simple(upstream, f"@http on\n@http2 cleartext\n{timeouts}") as sluice:
        upstream.serve(lambda wire: (wire.head(), wire.send(answer(body)), wire.close()), times=None)
        client = Client(sluice.port, receive_buffer=4096,
                        settings=[(http2.INITIAL_WINDOW_SIZE, 0x7fffffff)])
        client.update(0, 0x7fff0000)
        for _ in range(5):
            client.get()
        sluice.wait_sessions(5)
        sluice.wait_sessions(0)
        wait_until(lambda: sluice.report()["timers"] == 0, "the connection's end")
        client.close()


FLOODS = {
    "PING": lambda client, _: client.frame(PING, 0, 0, b"12345678"),
    "SETTINGS": lambda client, _: client.frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 70_000)),
    "PRIORITY": lambda client, count: client.frame(PRIORITY, 0, 2 * count + 1, b"\0\0\0\0\x10"),
    "WINDOW_UPDATE": lambda client, _: client.update(0, 1),
    "unknown": lambda client, _: client.frame(0x40, 0, 0, b"x"),
    "PRIORITY_UPDATE": lambda client, _: client.frame(0x10, 0, 0, struct.pack("!I", 1) + b"u=0"),
}


@suite.check_each(*FLOODS)
def frames_that_bring_nothing_have_a_budget(kind):
    with Counting() as counting, serving(counting) as sluice, Client(sluice.port) as client:
        assert client.answer(client.get()).status == 200
        sent = flood(sluice, client, lambda count: FLOODS[kind](client, count))
        assert sent < 10_000, sent
        calm(sluice, client, "http2_control_frame_rate")


@suite.check
def empty_data_has_the_same_budget():
    with Counting() as counting, serving(counting) as sluice, Client(sluice.port) as client:
        stream = client.get(method="POST", end=False)
        flood(sluice, client, lambda _: client.frame(DATA, 0, stream))
        calm(sluice, client, "http2_control_frame_rate")


@suite.check
def budgets_can_be_raised_and_put_off():
    with Counting() as counting, serving(
            counting, "@http2_control_frame_rate off\n@http2_reset_rate 100000/s") as sluice, \
            Client(sluice.port) as client:
        for _ in range(3_000):
            client.frame(PING, 0, 0, b"12345678")
            client.quiet(0)
        client.until(lambda: len(client.pings) == 3_000)
        for _ in range(500):
            client.reset(client.get())
        assert client.answer(client.get()).status == 200


@suite.check
def a_client_that_does_not_read_its_answers_to_pings_is_ended():
    with Counting() as counting, serving(counting, "@http2_control_frame_rate off") as sluice, \
            Client(sluice.port, receive_buffer=4096) as client:
        pings = client.pack(PING, 0, 0, b"12345678") * 1_000
        try:
            for _ in range(5_000):
                client.send(pings)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        held = sluice.report()["bytes_lent"]
        assert held < 1_000_000, held


@suite.check
def header_blocks_are_bounded():
    with Counting() as counting, serving(counting) as sluice:
        # CONTINUATION without end (CVE-2024-28182)
        with Client(sluice.port) as client:
            client.frame(HEADERS, 0, 1, client.encoder.encode(fields(), huffman=False))
            flood(sluice, client, lambda _: client.frame(CONTINUATION, 0, 1, b"\0\x01a\x01b" * 100))
            assert client.ended()[1] == http2.PROTOCOL_ERROR, client.goaway
        # a block whose one entry is told ten thousand times
        with Client(sluice.port) as client:
            block = client.encoder.encode(fields(more=[("x-long", "b" * 2_000)]), huffman=False)
            client.streams[1] = http2.Stream()
            client.frame(HEADERS, END_HEADERS | END_STREAM, 1, block + b"\xbe" * 10_000)
            client.until(lambda: client.streams[1].ended or client.streams[1].reset is not None
                         or client.goaway)
            assert client.goaway or client.streams[1].reset or client.streams[1].status == 431
        # too large, and too many
        with Client(sluice.port) as client:
            got = client.answer(client.get(fields=[("x-large", "v" * 15_000), ("x-b", "w" * 2_000)]))
            assert got.status == 431, vars(got)
            got = client.answer(client.get(fields=[(f"x-{i}", "v") for i in range(120)]))
            assert got.status == 431, vars(got)
            got = client.answer(client.get("/" + "p" * 16_400))
            assert got.status in (414, 431), vars(got)
            assert client.answer(client.get()).status == 200  # the connection lives
        assert len(counting.heads) == 1, len(counting.heads)


MALFORMED = {
    "upper case": fields(more=[("Upper", "x")]),
    "connection": fields(more=[("connection", "close")]),
    "keep-alive": fields(more=[("keep-alive", "1")]),
    "proxy-connection": fields(more=[("proxy-connection", "close")]),
    "transfer-encoding": fields(more=[("transfer-encoding", "chunked")]),
    "upgrade": fields(more=[("upgrade", "websocket")]),
    "te": fields(more=[("te", "gzip")]),
    "pseudo behind": [(":method", "GET"), (":scheme", "http"), ("a", "b"), (":path", "/")],
    "unknown pseudo": fields(more=[]) + [(":other", "x")],
    "response pseudo": [*fields(), (":status", "200")],
    "method twice": [(":method", "GET"), *fields()],
    "path twice": [(":path", "/"), *fields()],
    "scheme twice": [(":scheme", "http"), *fields()],
    "no method": fields()[1:],
    "no scheme": [fields()[0], *fields()[2:]],
    "no path": [*fields()[:2], fields()[3]],
    "empty path": fields(path=""),
    "relative path": fields(path="a"),
    "absolute path": fields(path="http://other/"),
    "blank in path": fields(path="/a b"),
    "line in path": fields(path="/a HTTP/1.1\r\nx: y"),
    "line in method": fields(method="GET / HTTP/1.1\r\nx: y\r\n\r\nGET"),
    "line in authority": fields(authority="a\r\nx: y"),
    "line in value": fields(more=[("a", "b\r\nx: y")]),
    "LF in value": fields(more=[("a", "b\nx: y")]),
    "NUL in value": fields(more=[("a", "b\0c")]),
    "line in name": fields(more=[("a\r\nb", "c")]),
    "colon in name": fields(more=[("a:b", "c")]),
    "blank in name": fields(more=[("a b", "c")]),
    "blank before value": fields(more=[("a", " b")]),
    "other host": fields(more=[("host", "other.example")]),
    "two hosts": fields(more=[("host", "test.example"), ("host", "test.example")]),
    "protocol without connect": [*fields()[:1], (":protocol", "websocket"), *fields()[1:]],
    "two lengths": fields("POST", more=[("content-length", "3"), ("content-length", "4")]),
    "signed length": fields("POST", more=[("content-length", "+3")]),
}


@suite.check
def malformed_requests_reach_nobody_and_end_their_stream_alone():
    with Counting() as counting, serving(counting, "@http2_reset_rate off") as sluice, \
            Client(sluice.port) as client:
        for name, head in MALFORMED.items():
            stream = client.request(head)
            client.until(lambda: client.streams[stream].reset is not None
                         or client.streams[stream].ended)
            got = client.streams[stream]
            assert got.reset == http2.PROTOCOL_ERROR or got.status == 400, (name, vars(got))
        assert not counting.heads, counting.heads[0].raw
        assert client.answer(client.get()).status == 200
        assert client.goaway is None


@suite.check
def a_body_is_as_long_as_it_says():
    with Counting() as counting, serving(counting) as sluice, Client(sluice.port) as client:
        for body, length in ((b"abcd", "3"), (b"ab", "3")):
            stream = client.get(fields=[("content-length", length)], method="POST", end=False)
            client.data(stream, body, end=True)
            client.until(lambda: client.streams[stream].reset is not None)
            assert client.streams[stream].reset == http2.PROTOCOL_ERROR
        stream = client.request(fields("CONNECT", more=[])[:1] + [(":protocol", "websocket")]
                                + fields()[1:] + [("content-length", "5")], end=False)
        client.until(lambda: client.streams[stream].reset is not None)


@suite.check
def a_stream_that_is_reset_at_once_never_meets_its_upstream():
    with Counting() as counting, serving(counting, "@http2_reset_rate off") as sluice, \
            Client(sluice.port) as client:
        client.until(lambda: client.peer)
        burst = b""
        for stream in range(1, 201, 2):
            burst += client.pack(HEADERS, END_HEADERS | END_STREAM, stream, head(client))
            burst += client.pack(RST_STREAM, 0, stream, struct.pack("!I", http2.CANCEL))
        for stream in range(1, 201, 2):
            client.streams[stream] = http2.Stream()
        client.next_id = 201
        client.send(burst)
        assert client.answer(client.get()).status == 200
        assert len(counting.heads) <= 3, len(counting.heads)


@suite.check
def the_upstream_is_kept_from_answers_that_http_2_cannot_tell():
    with Upstream() as upstream, simple(upstream, "@http on\n@http2 cleartext") as sluice:
        upstream.serve(lambda wire: (wire.head(), wire.send(
            b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
            b"Transfer-Encoding: chunked\r\nUPPER: Case\r\n\r\n1\r\nx\r\n0\r\n\r\n"), wire.close()))
        with Client(sluice.port) as client:
            got = client.answer(client.get())
            names = [name for name, _ in got.heads[0]]
            assert got.get("upper") == "Case" and bytes(got.data) == b"x", vars(got)
            assert not {"connection", "x-hop", "keep-alive", "transfer-encoding"} & set(names)


suite.run()
