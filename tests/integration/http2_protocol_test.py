"""The protocol's rules for clients of HTTP/2, the cases of h2spec's groups (generic, http2, hpack)
written by hand: what ends the connection, what a stream, and what is unusual and allowed."""
import struct

import http2
from harness import Suite, Sluice, conf_for
from http2 import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING,
                   PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, Client)
from http2_upstream import Counting, fields, head, serving
from wire import Upstream

suite = Suite()


def settings(*pairs):
    return b"".join(struct.pack("!HI", *pair) for pair in pairs)


def post(client, stream=1):
    client.streams[stream] = http2.Stream()
    client.frame(HEADERS, END_HEADERS, stream, head(client, method="POST"))


def get_once(client, stream=1):
    client.streams[stream] = http2.Stream()
    client.frame(HEADERS, END_HEADERS | END_STREAM, stream, head(client))


def both(first, second):
    return lambda client: (first(client), second(client))


# What a client does, and the code of the GOAWAY that answers it.
CONNECTION_ERRORS = {
    "DATA on an idle stream": (lambda c: c.frame(DATA, END_STREAM, 1, b"x"), http2.PROTOCOL_ERROR),
    "DATA on stream 0": (lambda c: c.frame(DATA, END_STREAM, 0, b"x"), http2.PROTOCOL_ERROR),
    "HEADERS on stream 0": (lambda c: c.frame(HEADERS, END_HEADERS, 0, head(c)),
                            http2.PROTOCOL_ERROR),
    "an even stream": (lambda c: c.frame(HEADERS, END_HEADERS, 2, head(c)), http2.PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (lambda c: c.reset(1), http2.PROTOCOL_ERROR),
    "RST_STREAM on stream 0": (lambda c: c.reset(0), http2.PROTOCOL_ERROR),
    "RST_STREAM of a wrong length": (both(post, lambda c: c.frame(RST_STREAM, 0, 1, b"abc")),
                                     http2.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE on an idle stream": (lambda c: c.update(1, 1), http2.PROTOCOL_ERROR),
    "WINDOW_UPDATE of a wrong length": (lambda c: c.frame(WINDOW_UPDATE, 0, 0, b"abc"),
                                        http2.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of 0": (lambda c: c.update(0, 0), http2.PROTOCOL_ERROR),
    "the connection's window over 2^31 - 1": (lambda c: c.update(0, 0x7fffffff),
                                              http2.FLOW_CONTROL_ERROR),
    "PING on a stream": (lambda c: c.frame(PING, 0, 1, b"12345678"), http2.PROTOCOL_ERROR),
    "PING of a wrong length": (lambda c: c.frame(PING, 0, 0, b"1234567"), http2.FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (lambda c: c.frame(SETTINGS, 0, 1), http2.PROTOCOL_ERROR),
    "SETTINGS of a wrong length": (lambda c: c.frame(SETTINGS, 0, 0, b"abc"),
                                   http2.FRAME_SIZE_ERROR),
    "SETTINGS ACK with a payload": (lambda c: c.frame(SETTINGS, 1, 0, settings((4, 1))),
                                    http2.FRAME_SIZE_ERROR),
    "ENABLE_PUSH of 2": (lambda c: c.frame(SETTINGS, 0, 0, settings((2, 2))), http2.PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE of 2^31": (lambda c: c.frame(SETTINGS, 0, 0, settings((4, 1 << 31))),
                                    http2.FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE of 16383": (lambda c: c.frame(SETTINGS, 0, 0, settings((5, 16_383))),
                                http2.PROTOCOL_ERROR),
    "MAX_FRAME_SIZE of 2^24": (lambda c: c.frame(SETTINGS, 0, 0, settings((5, 1 << 24))),
                               http2.PROTOCOL_ERROR),
    "a frame over MAX_FRAME_SIZE": (both(post, lambda c: c.frame(DATA, 0, 1, b"x" * 16_385)),
                                    http2.FRAME_SIZE_ERROR),
    "CONTINUATION alone": (lambda c: c.frame(CONTINUATION, END_HEADERS, 1, head(c)),
                           http2.PROTOCOL_ERROR),
    "CONTINUATION of another stream": (both(
        lambda c: c.frame(HEADERS, 0, 1, head(c)),
        lambda c: c.frame(CONTINUATION, END_HEADERS, 3, b"")), http2.PROTOCOL_ERROR),
    "PING within a header block": (both(
        lambda c: c.frame(HEADERS, 0, 1, head(c)),
        lambda c: c.frame(PING, 0, 0, b"12345678")), http2.PROTOCOL_ERROR),
    "PUSH_PROMISE": (both(post, lambda c: c.frame(PUSH_PROMISE, END_HEADERS, 1,
                                                  struct.pack("!I", 2) + head(c))),
                     http2.PROTOCOL_ERROR),
    "GOAWAY on a stream": (lambda c: c.frame(GOAWAY, 0, 1, b"\0" * 8), http2.PROTOCOL_ERROR),
    "padding longer than the frame": (both(
        post, lambda c: c.frame(DATA, PADDED, 1, b"\xffabc")), http2.PROTOCOL_ERROR),
    "HPACK: an index out of the table": (
        lambda c: c.frame(HEADERS, END_HEADERS, 1, b"\xff\xff\x7f"), http2.COMPRESSION_ERROR),
    "HPACK: index 0": (lambda c: c.frame(HEADERS, END_HEADERS, 1, b"\x80"),
                       http2.COMPRESSION_ERROR),
    "HPACK: a table over its limit": (
        lambda c: c.frame(HEADERS, END_HEADERS, 1, b"\x3f\xe1\xff\x03"), http2.COMPRESSION_ERROR),
    "HPACK: a string that ends too soon": (
        lambda c: c.frame(HEADERS, END_HEADERS, 1, b"\x00\x05ab"), http2.COMPRESSION_ERROR),
    "HPACK: bad Huffman padding": (
        lambda c: c.frame(HEADERS, END_HEADERS, 1, b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"),
        http2.COMPRESSION_ERROR),
}


@suite.check_each(*CONNECTION_ERRORS)
def what_breaks_the_connection(name):
    act, code = CONNECTION_ERRORS[name]
    with Counting() as counting, serving(counting) as sluice, Client(sluice.port) as client:
        client.until(lambda: client.peer)
        act(client)
        goaway = client.ended()
        assert goaway is not None, "no GOAWAY"
        assert goaway[1] == code, goaway
        with Client(sluice.port) as other:  # nobody else is touched
            assert other.answer(other.get()).status == 200


def closed_post(client):
    post(client)
    client.reset(1)


STREAM_ERRORS = {
    "a stream's window over 2^31 - 1": (both(post, lambda c: c.update(1, 0x7fffffff)),
                                        http2.FLOW_CONTROL_ERROR),
    "more than a stream's window": (both(post, lambda c: [c.frame(DATA, 0, 1, b"x" * 16_000) for _ in range(5)]),
                                    http2.FLOW_CONTROL_ERROR),
    "DATA behind the end": (both(get_once, lambda c: c.data(1, b"x")), http2.STREAM_CLOSED),
    "HEADERS behind the end": (both(get_once, lambda c: c.frame(
        HEADERS, END_HEADERS | END_STREAM, 1, head(c))), http2.STREAM_CLOSED),
    "trailers that are not the end": (both(post, lambda c: c.frame(
        HEADERS, END_HEADERS, 1, c.encoder.encode([("x", "y")]))), http2.PROTOCOL_ERROR),
    "pseudo-header fields in trailers": (both(post, lambda c: c.frame(
        HEADERS, END_HEADERS | END_STREAM, 1, c.encoder.encode([(":path", "/")]))),
                                         http2.PROTOCOL_ERROR),
}


@suite.check_each(*STREAM_ERRORS)
def what_breaks_a_stream(name):
    """A reset of the stream; nghttp2 ends the connection for some of them, which RFC 9113 5.4.2
    permits. The code is the same."""
    act, code = STREAM_ERRORS[name]
    with Upstream() as silent, Sluice(f"@http on\n@http2 cleartext\n{conf_for(silent)}") as sluice, \
            Client(sluice.port) as client:
        client.until(lambda: client.acknowledged)
        act(client)
        client.until(lambda: client.streams[1].reset is not None or client.goaway)
        got = client.goaway[1] if client.goaway else client.streams[1].reset
        assert got == code, (client.goaway, vars(client.streams[1]))


HARMLESS = {
    # RFC 9113 5.1.1 has it end the connection; nghttp2 leaves it out, as if it had been closed.
    "a stream that goes back": lambda c: (get_once(c, 5), c.answer(5), get_once(c, 3)),
    "a frame of an unknown kind": lambda c: c.frame(0x77, 0xff, 0, b"unknown"),
    "an unknown setting": lambda c: c.frame(SETTINGS, 0, 0, settings((0x77, 7))),
    "PRIORITY of an idle stream": lambda c: c.frame(PRIORITY, 0, 9, b"\0\0\0\1\x10"),
    "unknown flags": lambda c: c.frame(PING, 0xf6, 0, b"12345678"),
    "a reserved bit": lambda c: c.frame(PING, 0, 1 << 31, b"12345678"),
    "padding": lambda c: (post(c, 1), c.frame(DATA, END_STREAM | PADDED, 1, b"\x04body\0\0\0\0")),
    "WINDOW_UPDATE of a stream that is over": lambda c: (get_once(c, 1), c.answer(1),
                                                         c.update(1, 10)),
    "RST_STREAM of a stream that is over": lambda c: (get_once(c, 1), c.answer(1), c.reset(1)),
    "a smaller window, below 0": lambda c: (c.frame(SETTINGS, 0, 0, settings((4, 0))),
                                            c.frame(SETTINGS, 0, 0, settings((4, 65_535)))),
    "Huffman": lambda c: (c.streams.update({1: http2.Stream()}), c.frame(
        HEADERS, END_HEADERS | END_STREAM, 1, c.encoder.encode(fields(), huffman=True))),
}


@suite.check
def what_is_unusual_and_allowed_changes_nothing():
    for name, act in HARMLESS.items():
        with Counting() as counting, serving(counting) as sluice, Client(sluice.port) as client:
            client.until(lambda: client.peer)
            act(client)
            client.next_id = 11
            assert client.answer(client.get()).status == 200, name
            assert client.goaway is None, name


suite.run()
