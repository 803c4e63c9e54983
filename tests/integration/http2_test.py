"""Clients that speak HTTP/2: WebSockets on streams (RFC 8441), plain requests, flow control. How they
end is http2_ends_test.py's, what attackers reach http2_attacks_test.py's."""
import os
import signal
import socket

import http2
from harness import SANITIZED, Sluice, Suite, conf_for, wait_until
from http2 import Client, client_context
from http2_upstream import before as serving, echo, open_one
from plain_http import answer
from tls import site
from wire import BINARY, CLOSE, TEXT, Upstream, Wire, close_payload, frame

suite = Suite()
SIZES = (0, 1, 125, 126, 65_535, 65_536, 1 << 20)


@suite.check_each(False, True)
def a_websocket_is_a_session_like_any_other(secure):
    with Upstream() as upstream, serving(upstream, secure=secure) as sluice:
        seen = []
        def handle(wire):
            echo(wire)
            seen.append(wire.request)
        upstream.serve(handle)
        with Client(sluice.port, secure) as client:
            stream = client.websocket("/chat?room=1", [
                ("sec-websocket-protocol", "a, b"), ("origin", "https://test.example"),
                ("cookie", "a=1"), ("cookie", "b=2")])
            assert client.streams[stream].get("sec-websocket-protocol") == "a"
            for name in ("connection", "upgrade", "sec-websocket-accept", "transfer-encoding"):
                assert client.streams[stream].get(name) is None, client.streams[stream].heads
            for size in SIZES:
                payload = os.urandom(size)
                client.data(stream, frame(BINARY, payload, masked=True))
                assert client.frame_of(stream) == (BINARY, payload)
            client.data(stream, frame(CLOSE, close_payload(1000), masked=True))
            assert client.frame_of(stream) == (CLOSE, close_payload(1000))
            client.until(lambda: client.streams[stream].ended)
            client.data(stream, b"", end=True)
            line = sluice.access_line("close", code="1000", closed_by="client")
            assert line["client_messages"] == str(len(SIZES)), line
            wait_until(lambda: seen, "end of the upstream")
            head = seen[0]
            assert head.target == "/chat?room=1" and head.get("Host") == "test.example", head.raw
            assert head.get("Cookie") == "a=1; b=2" and head.get("X-Forwarded-For") == "127.0.0.1"
            assert head.get("X-Forwarded-Proto") == ("https" if secure else "http"), head.raw
            sluice.wait_sessions(0)


@suite.check
def ten_websockets_and_plain_requests_share_one_connection():
    log = "id protocol connection route status target"
    with Upstream() as upstream, serving(upstream, secure=True, access=False) as sluice:
        sluice.write_conf(open(sluice.conf_path, encoding="utf-8").read().replace(
            "error_log", f"log_format wide text {log}\naccess_log {sluice.access_log} wide"
                         "\nerror_log", 1))
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: "as generation 2" in sluice.errors(), "the reload")
        def handle(wire):
            head = wire.head()
            if head.get("Upgrade"):
                wire.buffer = bytearray(head.raw + b"\r\n\r\n") + wire.buffer
                return echo(wire)
            wire.send(answer(b"page"))
            wire.close()
        upstream.serve(handle, times=None)
        with Client(sluice.port, secure=True) as client:
            plain = [client.get(f"/page/{i}") for i in range(5)]
            sockets = [client.websocket(f"/ws/{i}") for i in range(10)]
            for stream in plain:
                assert client.answer(stream).status == 200
                assert bytes(client.streams[stream].data) == b"page"
            for number, stream in enumerate(sockets):
                client.data(stream, frame(TEXT, b"%d" % number, masked=True))
            for number, stream in enumerate(sockets):
                assert client.frame_of(stream) == (TEXT, b"%d" % number)
            lines = [sluice.access_line("open", target=f"/ws/{i}") for i in range(10)]
            lines += [sluice.access_line("request", target=f"/page/{i}") for i in range(5)]
            assert {line["protocol"] for line in lines} == {"HTTP/2"}, lines
            assert len({line["connection"] for line in lines}) == 1, lines
            assert len({line["id"] for line in lines}) == 15, lines


@suite.check
def a_client_chooses_by_alpn_and_http_1_goes_on_beside_it():
    with Upstream() as upstream, serving(upstream, secure=True) as sluice:
        upstream.serve(echo, times=None)
        for offered, chosen in ((("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"),
                                (("http/1.1", "h2"), "h2")):
            with socket.create_connection(("127.0.0.1", sluice.port)) as bare:
                with client_context(offered).wrap_socket(bare, server_hostname="x") as tls:
                    assert tls.selected_alpn_protocol() == chosen, offered
    with Upstream() as upstream, Sluice(f"{site().lines}{conf_for(upstream)}") as sluice:
        with socket.create_connection(("127.0.0.1", sluice.port)) as bare:
            with client_context().wrap_socket(bare, server_hostname="x") as tls:
                assert tls.selected_alpn_protocol() == "http/1.1"  # http2 is off by default


@suite.check
def without_cleartext_prior_knowledge_is_refused_and_http_1_is_served_with_it():
    with Upstream() as upstream, Sluice(f"@http2 on\n{conf_for(upstream)}") as sluice:
        with socket.create_connection(("127.0.0.1", sluice.port)) as sock:
            sock.sendall(http2.PREFACE)
            assert sock.recv(100).startswith(b"HTTP/1.1 505 ")
    with Upstream() as upstream, serving(upstream) as sluice:
        upstream.serve(lambda wire: (wire.head(), wire.send(answer(b"one")), wire.close()))
        with socket.create_connection(("127.0.0.1", sluice.port)) as sock:
            for byte in b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n":
                sock.sendall(bytes((byte,)))  # P may begin either
            assert Wire(sock, masked=True).head().status == 200


@suite.check
def the_preface_may_come_in_single_bytes():
    with Upstream() as upstream, serving(upstream) as sluice:
        upstream.serve(echo, times=None)
        class Slow(Client):
            def send(self, data):
                for byte in data:
                    self.sock.sendall(bytes((byte,)))
        with Slow(sluice.port) as client:
            stream = client.websocket()
            client.data(stream, frame(TEXT, b"slow", masked=True))
            assert client.frame_of(stream) == (TEXT, b"slow")


@suite.check
def plain_requests_bodies_and_trailers():
    with Upstream() as upstream, serving(upstream) as sluice:
        seen = {}
        def handle(wire):
            head = wire.head()
            if head.get("Transfer-Encoding"):
                body = b""
                while True:
                    line = b""
                    while not line.endswith(b"\r\n"):
                        line += wire.take(1)
                    size = int(line, 16)
                    body += wire.take(size)
                    if size == 0:
                        break
                    wire.take(2)
                trailers = b""
                while not trailers.endswith(b"\r\n\r\n") and trailers != b"\r\n":
                    trailers += wire.take(1)
                seen[head.target] = (head, body, trailers)
            else:
                body = wire.take(int(head.get("Content-Length") or 0))
                seen[head.target] = (head, body, b"")
            if head.target == "/chunked":
                wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                          b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n")
            elif head.target == "/early":
                wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(b"late"))
            elif head.target == "/head":
                wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")
            elif head.target == "/none":
                wire.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            elif head.target == "/until-close":
                wire.send(b"HTTP/1.1 200 OK\r\n\r\nto the end")
            elif head.target == "/broken":
                wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\nnot all of it")
            else:
                wire.send(answer(body))
            wire.close()
        upstream.serve(handle, times=None)
        with Client(sluice.port) as client:
            body = os.urandom(300_000)
            for target, fields in (("/length", [("content-length", str(len(body)))]),
                                   ("/length-none", [])):
                stream = client.get(target, fields, method="POST", end=False)
                client.data(stream, body, end=True)
                got = client.answer(stream)
                assert got.status == 200 and bytes(got.data) == body, (target, len(got.data))
                assert seen[target][1] == body
            stream = client.get("/trailers", method="POST", end=False)
            client.data(stream, b"abc")
            client.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream,
                         client.encoder.encode([("x-sum", "3")]))
            assert bytes(client.answer(stream).data) == b"abc"
            assert seen["/trailers"][2] == b"x-sum: 3\r\n\r\n", seen["/trailers"]
            got = client.answer(client.get("/chunked"))
            assert bytes(got.data) == b"hello world" and got.heads[-1] == [("x-sum", "11")], vars(got)
            assert dict(got.heads[0]).get("transfer-encoding") is None
            got = client.answer(client.get("/early"))
            assert [dict(each)[":status"] for each in got.heads] == ["103", "200"], got.heads
            got = client.answer(client.get("/head", method="HEAD"))
            assert got.get("content-length") == "77" and not got.data and got.reset is None
            assert client.answer(client.get("/none")).status == 204
            assert bytes(client.answer(client.get("/until-close")).data) == b"to the end"
            got = client.answer(client.get("/broken"))
            assert got.reset == http2.INTERNAL_ERROR and not got.ended, vars(got)
            assert client.answer(client.get("/length-none?")).status == 200
            assert client.goaway is None
            sluice.wait_sessions(0)


@suite.check
def refusals_are_answers_of_their_streams():
    with Upstream() as upstream, serving(upstream) as sluice:
        with Client(sluice.port) as client:
            client.until(lambda: client.peer)
            got = client.answer(client.request([(":method", "CONNECT"), (":authority", "a:443")]))
            assert got.status == 405, vars(got)
            got = client.answer(client.request([
                (":method", "CONNECT"), (":protocol", "other"), (":scheme", "http"), (":path", "/"),
                (":authority", "a")], end=False))
            assert got.status == 405, vars(got)
            stream = client.websocket("/", [("sec-websocket-protocol", "")], open_=False)
            client.reset(stream)
            got = client.answer(client.request([
                (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                (":path", "/"), (":authority", "a")], end=False))
            assert got.status in (400, 426), vars(got)
            line = sluice.access_line("refused", status=str(got.status))
            assert line["client"].startswith("127.0.0.1:"), line
        upstream.close()
        with Client(sluice.port) as client:
            got = client.answer(client.websocket("/", open_=False))
            assert got.status == 502, vars(got)
            sluice.access_line("refused", status="502")


@suite.check
def a_reset_is_a_loss_and_both_ends_of_a_stream_are_told_apart():
    with Upstream() as upstream, serving(upstream) as sluice:
        with Client(sluice.port) as client:
            # the client's reset: its upstream's connection ends without a Close
            stream, wire = open_one(client, upstream)
            client.reset(stream)
            wire.expect_end()
            wire.close()
            sluice.access_line("close", closed_by="client",
                               reason="the client reset its HTTP/2 stream")
            # END_STREAM: a half close, the upstream goes on
            stream, wire = open_one(client, upstream)
            client.data(stream, end=True)
            wire.expect_end()
            wire.send_frame(TEXT, b"still here")
            assert client.frame_of(stream) == (TEXT, b"still here")
            wire.close()
            client.until(lambda: client.streams[stream].ended)
            # the upstream's loss: END_STREAM, no Close
            stream, wire = open_one(client, upstream)
            wire.close()
            client.until(lambda: client.streams[stream].ended)
            assert not client.streams[stream].data
            # the upstream's RST inside a frame: nothing whole can follow, CANCEL
            stream, wire = open_one(client, upstream)
            wire.send(frame(BINARY, b"x" * 100_000)[:50_000])
            client.until(lambda: len(client.streams[stream].data) > 1000)
            wire.reset()
            client.until(lambda: client.streams[stream].reset is not None)
            assert client.streams[stream].reset == http2.CANCEL, vars(client.streams[stream])
            assert client.goaway is None
        sluice.wait_sessions(0)


@suite.check
def a_lost_connection_loses_all_of_its_sessions():
    with Upstream() as upstream, serving(upstream) as sluice:
        with Client(sluice.port) as client:
            wires = [open_one(client, upstream)[1] for _ in range(5)]
        for wire in wires:
            wire.expect_end()
            wire.close()
        wait_until(lambda: len([line for line in sluice.access() if line["event"] == "close"]) == 5,
                   "five close lines")
        sluice.wait_sessions(0)


@suite.check
def a_stalled_stream_stalls_no_other_and_holds_no_more_than_its_window():
    with Upstream(receive_buffer=4096) as upstream, \
            serving(upstream, "@send_timeout 60s") as sluice:
        with Client(sluice.port, updates=False) as client:
            stalled, wire = open_one(client, upstream)
            # up: the upstream reads nothing, and the window of that stream closes
            client.until(lambda: client.acknowledged)
            before = sluice.report()["bytes_lent"]
            sent = 0
            big = frame(BINARY, b"x" * 4_000_000, masked=True)
            while sent < len(big):
                window = 65_535 - (sent - opened(client, stalled))
                if window <= 0:
                    client.quiet(0.5)
                    if 65_535 - (sent - opened(client, stalled)) <= 0:
                        break
                    continue
                piece = big[sent:sent + min(16_384, window)]
                client.frame(http2.DATA, 0, stalled, piece)
                sent += len(piece)
                client.quiet(0.01)
            assert sent < len(big), "the stream never stalled"
            held = sluice.report()["bytes_lent"] - before
            assert held <= 600_000, held
            # others go on, both ways, and the connection's window with them
            for _ in range(3):
                stream, other = open_one(client, upstream)
                for i in range(30):
                    client.data(stream, frame(TEXT, b"y" * 10_000, masked=True))
                    other.expect(TEXT, b"y" * 10_000)
                    client.quiet(0.001)
                    other.send_frame(TEXT, b"z" * 100)
                    assert client.frame_of(stream) == (TEXT, b"z" * 100)
                client.reset(stream)
                other.expect_end()
                other.close()
            client.reset(stalled)
            wire.close()
        sluice.wait_sessions(0)


def opened(client, stream):
    """How far the window of that stream was opened by updates."""
    return client.opened.get(stream, 0)


@suite.check
def a_client_that_opens_no_window_gets_nothing_more_and_holds_its_upstream_back():
    with Upstream() as upstream, serving(upstream) as sluice:
        with Client(sluice.port, updates=False,
                    settings=[(http2.INITIAL_WINDOW_SIZE, 1000)]) as client:
            stream, wire = open_one(client, upstream)
            wire.sock.settimeout(0.5)
            sent = 0
            payload = frame(BINARY, b"d" * 60_000)
            try:
                while sent < 50_000_000:
                    wire.send(payload)
                    sent += len(payload)
            except TimeoutError:
                pass
            assert sent < 50_000_000, "nothing held the upstream back"
            client.quiet(0.3)
            assert len(client.streams[stream].data) == 1000, len(client.streams[stream].data)
            client.update(stream, 500)
            client.until(lambda: len(client.streams[stream].data) == 1500)
            client.reset(stream)
        wire.close()
        sluice.wait_sessions(0)


@suite.check
def many_streams_on_one_connection_are_served_whole():
    count = 20 if SANITIZED else 100
    with Upstream() as upstream, serving(upstream) as sluice:
        upstream.serve(echo, times=None)
        with Client(sluice.port) as client:
            streams = [client.websocket() for _ in range(count)]
            payloads = {}
            for round_ in range(5):
                for stream in streams:
                    payloads[stream] = os.urandom(7_000)
                    client.data(stream, frame(BINARY, payloads[stream], masked=True))
                for stream in streams:
                    assert client.frame_of(stream) == (BINARY, payloads[stream]), round_
        sluice.wait_idle()


suite.run()
