"""How connections and streams of HTTP/2 end: drains, reloads, silence, limits, clients that take
nothing, and a worker whose master is gone."""
import signal
import struct

import http2
from harness import Suite, wait_until
from http2 import Client
from http2_upstream import before as serving, echo, open_one
from plain_http import answer
from wire import BINARY, CLOSE, TEXT, Upstream, close_payload, frame

suite = Suite()


@suite.check
def quit_says_goaway_twice_then_paces_the_closes():
    with Upstream() as upstream, serving(upstream, "@drain_timeout 1s") as sluice:
        upstream.serve(echo, times=None)
        with Client(sluice.port) as client:
            streams = [client.websocket() for _ in range(5)]
            sluice.signal(signal.SIGQUIT)
            client.until(lambda: client.goaway is not None)
            assert client.goaway[1] == http2.NO_ERROR
            for stream in streams:
                opcode, payload = client.frame_of(stream)
                assert opcode == CLOSE and struct.unpack("!H", payload[:2])[0] in (1001, 1012)
                client.data(stream, frame(CLOSE, payload[:2], masked=True), end=True)
            assert client.ended() == (streams[-1], http2.NO_ERROR)
        sluice.wait()


@suite.check
def a_reload_cuts_no_stream_and_the_next_connection_has_the_new_conf():
    with Upstream() as upstream, serving(upstream) as sluice:
        upstream.serve(echo, times=None)
        with Client(sluice.port) as client:
            stream = client.websocket()
            sluice.write_conf(open(sluice.conf_path, encoding="utf-8").read().replace(
                "route /\n", "route = /new\n  return 204\nroute /\n"))
            sluice.signal(signal.SIGHUP)
            client.until(lambda: client.goaway is not None)
            assert client.goaway[1] == http2.NO_ERROR
            client.data(stream, frame(TEXT, b"lives", masked=True))
            assert client.frame_of(stream) == (TEXT, b"lives")
            client.until(lambda: client.goaway == (stream, http2.NO_ERROR))
            with Client(sluice.port) as later:
                assert later.answer(later.get("/new")).status == 204
            client.data(stream, frame(TEXT, b"still", masked=True))
            assert client.frame_of(stream) == (TEXT, b"still")
            client.data(stream, frame(CLOSE, close_payload(1000), masked=True))
            assert client.frame_of(stream)[0] == CLOSE
            client.data(stream, end=True)
            assert client.ended() == (stream, http2.NO_ERROR)
        sluice.wait_sessions(0)


@suite.check
def an_idle_connection_ends_with_goaway_and_a_silent_one_too():
    with Upstream() as upstream, serving(upstream, "@keepalive_timeout 300ms\n"
                                                   "@client_header_timeout 300ms") as sluice:
        upstream.serve(lambda wire: (wire.head(), wire.send(answer(b"1")), wire.close()))
        with Client(sluice.port) as client:
            assert client.answer(client.get()).status == 200
            assert client.ended() is not None
        with Client(sluice.port) as client:
            assert client.ended() is not None
        sluice.wait_idle()


@suite.check
def streams_beyond_the_limit_are_refused_until_the_client_has_heard_of_it():
    """Who opens more than it acknowledged breaks the protocol: nghttp2 ends the connection."""
    with Upstream() as upstream, serving(upstream, "@http2_max_concurrent_streams 3") as sluice:
        upstream.serve(echo, times=None)
        with Client(sluice.port) as client:
            early = [client.get(method="POST", end=False) for _ in range(4)]
            client.until(lambda: client.streams[early[3]].reset is not None)
            assert client.streams[early[3]].reset == http2.REFUSED_STREAM
            for stream in early[:3]:
                client.reset(stream)
            sluice.wait_sessions(0)
            streams = [client.websocket() for _ in range(3)]
            assert client.peer[http2.MAX_CONCURRENT_STREAMS] == 3
            client.reset(streams[0])
            sluice.wait_sessions(2)
            client.websocket()
            client.websocket(open_=False)
            assert client.ended()[1] == http2.PROTOCOL_ERROR


@suite.check
def after_keepalive_requests_the_client_is_told_to_come_again():
    with Upstream() as upstream, serving(upstream, "@keepalive_requests 3") as sluice:
        upstream.serve(lambda wire: (wire.head(), wire.send(answer(b"1")), wire.close()), times=None)
        with Client(sluice.port) as client:
            for _ in range(3):
                assert client.answer(client.get()).status == 200
            assert client.ended() == (5, http2.NO_ERROR)


@suite.check
def an_answer_that_fills_the_window_to_its_last_byte_ends():
    """RFC 9113 6.9.1 permits an empty frame at a window of 0, but codecs send none there."""
    with Upstream() as upstream, serving(upstream) as sluice:
        upstream.serve(lambda wire: (wire.head(), wire.send(answer(b"ok")), wire.close()))
        with Client(sluice.port, updates=False,
                    settings=[(http2.INITIAL_WINDOW_SIZE, 2)]) as client:
            got = client.answer(client.get())
            assert got.ended and bytes(got.data) == b"ok", vars(got)


@suite.check
def a_stream_whose_window_stays_shut_is_ended_though_others_move():
    with Upstream() as upstream, serving(upstream, "@send_timeout 1s\n@close_timeout 1s") as sluice:
        with Client(sluice.port, updates=False) as client:
            stalled, wire = open_one(client, upstream)
            busy, other = open_one(client, upstream)
            wire.send(frame(BINARY, b"x" * 200_000))
            client.until(lambda: len(client.streams[stalled].data) == 65_535)
            client.update(0, 65_535)
            def ended():
                other.send_frame(TEXT, b"y" * 300)
                assert client.frame_of(busy) == (TEXT, b"y" * 300)
                client.update(busy, 400)
                client.update(0, 400)
                return client.streams[stalled].reset is not None
            wait_until(ended, "the end of the stalled one")
            sluice.access_line("close", reason="send_timeout")
            assert client.streams[busy].reset is None
            wire.close()
            other.close()


@suite.check
def a_worker_without_a_master_ends_with_its_last_connection():
    with Upstream() as upstream:
        sluice = serving(upstream, "@keepalive_timeout 300ms")
        try:
            upstream.serve(lambda wire: (wire.head(), wire.send(answer(b"1")), wire.close()))
            with Client(sluice.port) as client:
                assert client.answer(client.get()).status == 200
                worker = sluice.workers()[0]
                sluice.signal(signal.SIGKILL)
                client.ended()
            def gone():
                try:
                    with open(f"/proc/{worker}/stat", encoding="ascii") as file:
                        return file.read().rpartition(")")[2].split()[0] == "Z"
                except FileNotFoundError:
                    return True
            wait_until(gone, "the worker's end")
        finally:
            sluice.remove()


suite.run()
