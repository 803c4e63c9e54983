"""Upstreams that speak HTTP/2 (upstream_http): WebSockets on streams (RFC 8441), who shares a
connection. Where HTTP/1.1 is spoken instead is http2_peer_fallback_test.py's, plain requests are
http2_peer_requests_test.py's, ends http2_peer_ends_test.py's, what servers do wrong
http2_peer_faults_test.py's."""
import os
import time

from admin import Metrics, ask as ask_admin
from harness import Suite, free_port, wait_until
from http2 import Client
from http2_frames import MAX_CONCURRENT_STREAMS
from http2_peer import WEBSOCKETS, Server, ask, before, close_in_order, echo, opened, works
from plain_http import plain
from wire import BINARY, CLOSE, TEXT, Upstream, answer_101, close_payload, dial, frame, refusal, request

suite = Suite()
SIZES = (0, 1, 125, 126, 65_535, 65_536, 1 << 20)


# --- a WebSocket on a stream
@suite.check_each(False, True)
def a_websockets_request_is_an_extended_connect(secure):
    with Server(secure=secure) as server, before(server) as sluice:
        client, stream = opened(sluice, server, "/chat?room=1", fields=[
            ("Origin", "https://test.example"), ("Cookie", "a=1"), ("Cookie", "b=2"),
            ("Sec-WebSocket-Protocol", "a, b"), ("Connection", "X-Hop"), ("X-Hop", "1"),
            ("X-Mixed-Case", "As Written")],
            answer=[("sec-websocket-protocol", "b"), ("x-from-server", "Yes")])
        names = [name for name, _ in stream.heads[0]]
        pseudo = {name: value for name, value in stream.heads[0] if name.startswith(":")}
        authority = f"127.0.0.1:{server.port}" if secure else "test.example"  # as over HTTP/1.1
        assert pseudo == {":method": "CONNECT", ":protocol": "websocket", ":path": "/chat?room=1",
                          ":scheme": "https" if secure else "http", ":authority": authority}, pseudo
        assert all(name.startswith(":") for name in names[:5]), names
        for name in ("sec-websocket-key", "sec-websocket-accept", "connection", "upgrade", "host",
                     "transfer-encoding", "content-length", "x-hop"):
            assert name not in names, stream.heads
        assert all(name == name.lower() for name in names), names
        fields = stream.fields
        assert fields["sec-websocket-version"] == "13" and fields["origin"] == "https://test.example"
        assert fields["cookie"] == "a=1; b=2" and fields["x-mixed-case"] == "As Written", fields
        assert fields["sec-websocket-protocol"] == "a, b", fields
        assert fields["x-forwarded-for"] == "127.0.0.1" and fields["x-forwarded-proto"] == "http"
        assert client.answer.get("Sec-WebSocket-Protocol") == "b"
        assert client.answer.get("X-From-Server") == "Yes", client.answer.raw
        assert client.answer.get("Upgrade").lower() == "websocket", client.answer.raw
        assert not stream.ended
        close_in_order(client, stream)


@suite.check_each(False, True)
def frames_of_every_size_go_both_ways(secure):
    with Server(echo, secure=secure) as server, before(server) as sluice:
        client = ask(sluice)
        assert client.head().status == 101
        for size in SIZES:
            payload = os.urandom(size)
            client.send_frame(BINARY, payload)
            client.expect(BINARY, payload)
        client.send_frame(CLOSE, close_payload(1000, b"done"))
        assert client.expect_close(1000) == b"done"
        client.expect_end()
        client.close()
        line = sluice.access_line("close", code="1000", closed_by="client", reason="close")
        assert line["client_messages"] == line["upstream_messages"] == str(len(SIZES)), line
        assert line["peer"] == f"127.0.0.1:{server.port}", line
        sluice.wait_sessions(0)


@suite.check
def closes_travel_in_both_orders_and_end_both_halves():
    with Server() as server, before(server) as sluice:
        for code in (1000, 4999):
            client, stream = opened(sluice, server)
            client.send_frame(CLOSE, close_payload(code, b"because"))
            opcode, payload = stream.frame()
            assert (opcode, payload) == (CLOSE, close_payload(code, b"because"))
            stream.send_frame(CLOSE, close_payload(code))
            client.expect_close(code)
            stream.send(end=True)
            client.expect_end()
            client.close()
            stream.wait_end()
            sluice.access_line("close", code=str(code), closed_by="client", reason="close")
            client, stream = opened(sluice, server)
            stream.send_frame(CLOSE, close_payload(code, b"because"))
            assert client.expect_close(code) == b"because"
            client.send_frame(CLOSE, close_payload(code))
            stream.expect_close(code)
            stream.send(end=True)
            client.expect_end()
            client.close()
            stream.wait_end()
            sluice.access_line("close", code=str(code), closed_by="upstream", reason="close")
        sluice.wait_sessions(0)
        assert len(server.connections) == 1 and not server.connections[0].gone


@suite.check
def end_stream_is_a_half_close():
    with Server() as server, before(server) as sluice:
        client, stream = opened(sluice, server)
        client.finish()
        stream.wait_end()
        stream.send_frame(TEXT, "still here")
        client.expect(TEXT, "still here")
        stream.send(end=True)
        client.expect_end()
        client, stream = opened(sluice, server)
        stream.send(end=True)  # an end without a Close
        client.expect_end()
        client.close()
        stream.wait_end()
        sluice.access_line("close", closed_by="upstream")
        sluice.wait_sessions(0)
        assert len(server.connections) == 1


@suite.check
def what_comes_behind_the_request_and_the_answer_at_once_is_delivered():
    with Server() as server, before(server) as sluice:
        client = dial(sluice.port)
        client.send(request() + frame(TEXT, "early", True))
        stream = server.next()
        with stream.connection.sending:  # in one segment
            stream.answer()
            stream.send_frame(TEXT, "at once")
        assert client.head().status == 101
        client.expect(TEXT, "at once")
        stream.expect(TEXT, "early")


@suite.check
def extensions_and_compressed_frames_pass():
    offer = "permessage-deflate; client_max_window_bits"
    agreed = "permessage-deflate; client_max_window_bits=12"
    with Server() as server, before(server) as sluice:
        client, stream = opened(sluice, server, fields=[("Sec-WebSocket-Extensions", offer)],
                                answer=[("sec-websocket-extensions", agreed)])
        assert stream.fields["sec-websocket-extensions"] == offer
        assert client.answer.get("Sec-WebSocket-Extensions") == agreed
        client.send_frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)  # RFC 7692 7.2.3.1
        assert stream.frame() == (TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00")
        stream.send_frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)
        assert client.frame() == (0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00")


@suite.check
def what_was_not_offered_is_refused_as_over_http_1():
    for field in (("sec-websocket-protocol", "c"), ("sec-websocket-extensions", "permessage-deflate")):
        outcomes = []
        with Server() as server, before(server) as sluice:
            client = ask(sluice)
            stream = server.next()
            stream.answer(fields=[field])
            outcomes.append(client.head().status)
            client.close()
            stream.wait_reset()
        with Upstream() as upstream, before(upstream, http="1") as sluice:
            client = ask(sluice)
            wire = upstream.accept()
            wire.send(answer_101(wire.head().get("Sec-WebSocket-Key"), [field]))
            outcomes.append(client.head().status)
            client.close()
        assert outcomes == [502, 502], (field, outcomes)


@suite.check
def fields_of_a_body_are_none_of_an_upgrades_answer():
    """RFC 9110 8.6: no Content-Length in 1xx; 9.3.6: none where a CONNECT succeeded."""
    with Server() as server, before(server) as sluice:
        client, stream = opened(sluice, server, answer=[("content-length", "5")])
        assert client.answer.get("Content-Length") is None, client.answer.raw
        assert client.answer.get("Transfer-Encoding") is None, client.answer.raw
        works(client, stream)


@suite.check
def a_servers_refusal_is_the_clients_answer():
    with Server() as server, before(server) as sluice:
        client = ask(sluice)
        stream = server.next()
        stream.answer(403, [("content-length", "4"), ("x-why", "So")], b"away", end=True)
        head = client.head()
        assert (head.status, head.get("X-Why"), client.take(4)) == (403, "So", b"away"), head.raw
        client.expect_end()
        line = sluice.access_line("refused", status="403")
        assert line["peer"] == f"127.0.0.1:{server.port}", line
        client, stream = opened(sluice, server)
        works(client, stream)
        assert len(server.connections) == 1


@suite.check
def clients_that_speak_http_2_meet_servers_that_do():
    with Server(echo) as server, before(server, top="@http2 cleartext") as sluice:
        with Client(sluice.port) as client:
            streams = [client.websocket(f"/{i}") for i in range(5)]
            for stream in streams:
                client.data(stream, b"\x81\x82\0\0\0\0hi")
            for stream in streams:
                assert client.frame_of(stream) == (TEXT, b"hi")
            got = client.answer(client.get("/plain"))
            assert (got.status, bytes(got.data)) == (200, b"ok"), vars(got)
        sluice.wait_sessions(0)
        assert len(server.connections) == 1 and server.streams == 6


# --- sharing
@suite.check_each(False, True)
def ten_sessions_share_one_connection(secure):
    with Server(secure=secure) as server, before(server) as sluice:
        pairs = [opened(sluice, server, f"/{i}") for i in range(10)]
        assert len(server.connections) == 1
        for client, stream in pairs:
            works(client, stream)
        for i in range(3):
            client = dial(sluice.port)
            client.send(plain(f"/plain/{i}"))
            server.next().answer(body=b"x", fields=[("content-length", "1")])
            assert client.head().status == 200
        for client, stream in pairs[1::2]:
            close_in_order(client, stream)
        for client, stream in pairs[::2]:
            works(client, stream)
        assert len(server.connections) == 1 and server.streams == 13
        sluice.wait_sessions(5)


@suite.check
def h2_streams_per_connection_says_how_many():
    with Server() as server, before(server, "  h2_streams_per_connection 3\n") as sluice:
        pairs = [opened(sluice, server) for _ in range(10)]
        assert len(server.connections) == 4, len(server.connections)
        assert [len([s for s in c.streams if s]) for c in server.connections] == [3, 3, 3, 1]
        for client, stream in pairs:
            works(client, stream)
        close_in_order(*pairs[4])
        client, stream = opened(sluice, server)
        assert stream.connection is pairs[4][1].connection  # the place that was free first
        works(client, stream)
        assert len(server.connections) == 4


@suite.check
def a_servers_max_concurrent_streams_counts():
    settings = (WEBSOCKETS, (MAX_CONCURRENT_STREAMS, 2))
    with Server(settings=settings) as server, before(server) as sluice:
        pairs = [opened(sluice, server) for _ in range(5)]
        assert [len([s for s in c.streams if s]) for c in server.connections] == [2, 2, 1]
        server.connections[2].settings([(MAX_CONCURRENT_STREAMS, 4)])  # it may change its mind
        wait_until(lambda: server.connections[2].acknowledged == 2, "the acknowledgement")
        pairs += [opened(sluice, server) for _ in range(3)]
        assert len(server.connections) == 3
        server.connections[2].settings([(MAX_CONCURRENT_STREAMS, 1)])
        wait_until(lambda: server.connections[2].acknowledged == 3, "the acknowledgement")
        close_in_order(*pairs.pop())  # three are left
        pairs.append(opened(sluice, server))
        assert len(server.connections) == 4
        for client, stream in pairs:
            works(client, stream)


@suite.check
def who_comes_while_the_connection_is_made_waits_for_it():
    with Server(greets=False) as server, before(server) as sluice:
        clients = [ask(sluice, f"/{i}") for i in range(6)]
        first = server.wait_connections(1)
        clients += [ask(sluice, f"/{i}") for i in range(6, 10)]
        sluice.wait_sessions(10)
        time.sleep(0.1)
        assert server.streams == 0
        first.greet()
        for _ in clients:
            server.next().answer()
        for client in clients:
            assert client.head().status == 101
        assert len(server.connections) == 1
        # Beyond what one carries the rest waits for another one.
    settings = (WEBSOCKETS, (MAX_CONCURRENT_STREAMS, 2))
    with Server(greets=False, settings=settings) as server, before(server) as sluice:
        clients = [ask(sluice) for _ in range(4)]
        server.wait_connections(1).greet()
        for _ in range(2):
            server.next().answer()
        server.wait_connections(2).greet()
        for _ in range(2):
            server.next().answer()
        assert all(client.head().status == 101 for client in clients)
        assert len(server.connections) == 2


@suite.check
def who_waits_may_leave():
    with Server(greets=False) as server, before(server) as sluice:
        clients = [ask(sluice) for _ in range(4)]
        connection = server.wait_connections(1)
        sluice.wait_sessions(4)
        clients[0].reset()
        clients[2].reset()
        sluice.wait_sessions(2)
        connection.greet()
        for _ in range(2):
            server.next().answer()
        assert clients[1].head().status == clients[3].head().status == 101
        assert server.streams == 2


@suite.check
def where_all_connections_are_full_the_next_server_is_asked():
    limits = "  h2_connections_per_peer 1\n  h2_streams_per_connection 2\n"
    with Server() as one, Server() as two, before([one, two], limits) as sluice:
        held = []
        for _ in range(4):
            client = ask(sluice)
            wait_until(lambda: one.requests.qsize() + two.requests.qsize(), "a request")
            stream = (one if one.requests.qsize() else two).next()
            stream.answer()
            assert client.head().status == 101
            held.append((client, stream))
        assert (one.streams, two.streams) == (2, 2)
        assert len(one.connections) == len(two.connections) == 1
        head, _ = refusal(sluice, request())
        assert head.status == 502, head.raw
        line = sluice.access_line("refused", status="502")
        assert line["reason"] == "every HTTP/2 connection to the peer is full", line
        told = "raise h2_connections_per_peer 1 or h2_streams_per_connection 2"
        for server in (one, two):
            where = f"peer 127.0.0.1:{server.port}: every HTTP/2 connection to it is full: {told}"
            wait_until(lambda where=where: where in sluice.errors(), where)
        close_in_order(*held[0])
        client = ask(sluice)
        (one if held[0][1].connection.server is one else two).next().answer()
        assert client.head().status == 101


# --- what is told
@suite.check
def metrics_count_connections_and_streams():
    port = free_port()
    with Server() as server, before(server, "  h2_streams_per_connection 2\n",
                                    f"@admin 127.0.0.1:{port}") as sluice:
        def told():
            metrics = Metrics(ask_admin(f"127.0.0.1:{port}").body)
            return (metrics.of("sluice_http2_upstream_connections_total"),
                    metrics.of("sluice_http2_upstream_streams_total"))
        assert told() == (0, 0)
        pairs = [opened(sluice, server) for _ in range(5)]
        assert len(pairs) == 5
        wait_until(lambda: told() == (3, 5), lambda: f"metrics {told()}")


suite.run()
