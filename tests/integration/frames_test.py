"""The frame table of protocol/BAD_INPUT.md: every bad frame from either side, the code
that its sender gets, what the innocent side is told, and that nothing refused goes through."""
import signal
import struct
import time

from harness import Sluice, Suite
from wire import (BINARY, CLOSE, PING, TEXT, Upstream, close_payload, frame, header, pair, xor)

suite = Suite()

DEFLATE = [("Sec-WebSocket-Extensions", "permessage-deflate")]


def data(first, payload=b""):
    """A frame by its first byte, masked as the sender's role wants."""
    def build(masked):
        key = b"\x01\x02\x03\x04" if masked else b""
        return header(first, len(payload), masked) + key + (
            xor(payload, key) if masked else payload)
    return build


def long_header(code, length_bytes):
    """A header whose length is not in its shortest form, or has its top bit set."""
    def build(masked):
        second = code | (0x80 if masked else 0)
        return bytes([0x82, second]) + length_bytes + (b"\0\0\0\0" if masked else b"") + b"x" * 8
    return build


def several(*builders):
    return lambda masked: b"".join(build(masked) for build in builders)


def wrongly_masked(masked):
    return frame(BINARY, b"x", masked=not masked)


TABLE = {
    "mask direction": (wrongly_masked, 1002),
    "RSV1 without an extension": (data(0xC2, b"x"), 1002),
    "RSV2": (data(0xA2, b"x"), 1002),
    "RSV3": (data(0x92, b"x"), 1002),
    "opcode 3": (data(0x83, b"x"), 1002),
    "opcode 7": (data(0x87, b"x"), 1002),
    "opcode 11": (data(0x8B, b"x"), 1002),
    "opcode 15": (data(0x8F, b"x"), 1002),
    "16-bit length that is not minimal": (long_header(126, struct.pack("!H", 8)), 1002),
    "64-bit length that is not minimal": (long_header(127, struct.pack("!Q", 8)), 1002),
    "top bit of a 64-bit length": (long_header(127, struct.pack("!Q", 1 << 63)), 1002),
    "ping over 125 bytes": (data(0x89, b"x" * 126), 1002),
    "fragmented ping": (data(0x09, b"x"), 1002),
    "continuation of nothing": (data(0x80, b"x"), 1002),
    "continuation after a whole message": (several(data(0x82, b"x"), data(0x80, b"x")), 1002),
    "message inside a message": (several(data(0x02, b"x"), data(0x82, b"x")), 1002),
    "Close with one byte": (data(0x88, b"\x03"), 1002),
    "flood of pings": (several(*[data(0x89)] * 1101), 1008),
    "flood of fragments": (several(data(0x02), *[data(0x00)] * 1024), 1008),
}
for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
    TABLE[f"Close code {number}"] = (data(0x88, close_payload(number)), 1002)

# With permessage-deflate agreed on.
DEFLATE_TABLE = {
    "RSV1 on a continuation": (several(data(0x42, b"x"), data(0xC0, b"x")), 1002),
    "RSV1 on a ping": (data(0xC9, b"x"), 1002),
    "RSV2 with deflate": (data(0xE2, b"x"), 1002),
}


def expect_told(innocent):
    """What the other one's fault looks like: to a client 1014, to an upstream a loss. Returns the
    frames before it."""
    seen = []
    while True:
        try:
            first, payload = innocent.frame()
        except EOFError as ended:
            assert not innocent.masked and str(ended).startswith("0 of 2 "), ended
            return seen
        if first == 0x88:
            assert innocent.masked and payload == close_payload(1014), payload
            return seen
        seen.append((first, payload))


def check_one(ends, build, code):
    """`guilty` sends; it gets `code`, the other one is told; both connections end."""
    guilty, innocent = ends
    guilty.send(data(0x82, b"good")(guilty.masked) + build(guilty.masked))
    innocent.expect(BINARY, b"good")
    expect_told(innocent)
    guilty.expect_close(code)
    innocent.send_frame(CLOSE, close_payload(1000))
    guilty.send_frame(BINARY, b"after the Close: dropped")
    guilty.send_frame(CLOSE, close_payload(code))
    guilty.rest()
    innocent.finish()
    innocent.expect_end()
    guilty.close()
    innocent.close()


@suite.check
def bad_frames_from_either_side():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        for options, table in (({}, TABLE),
                               ({"fields": DEFLATE, "answer_fields": DEFLATE}, DEFLATE_TABLE)):
            for what, (build, code) in table.items():
                for side in ("client", "upstream"):
                    client, server = pair(sluice, upstream, **options)
                    ends = (client, server) if side == "client" else (server, client)
                    try:
                        check_one(ends, build, code)
                    except Exception as error:
                        raise AssertionError(f"{what}, by the {side}: {error!r}") from error
        sluice.wait_sessions(0)
        lines = [line for line in sluice.access() if line["event"] == "close"]
        assert len(lines) == 2 * (len(TABLE) + len(DEFLATE_TABLE))
        assert {line["closed_by"] for line in lines} == {"proxy"}
        assert not any("code" in line for line in lines)
        told = {(line["fault"], line.get("sent_client"), line.get("sent_upstream")) for line in lines}
        codes = ("1002", "1008")
        assert told == {("client", code, None) for code in codes} | {
            ("upstream", "1014", code) for code in codes}, told


@suite.check
def fault_of_an_upstream_is_told_at_a_bounded_rate():
    """With the default conf's access log (off) it is a warning that names upstream, peer and codes;
    a client's fault is none of the operator's."""
    with Upstream() as upstream:
        conf = f"upstream broken\n  server {upstream.uri}\nroute /\n  proxy_pass broken"
        with Sluice(conf, access=False) as sluice:
            for _ in range(12):
                client, server = pair(sluice, upstream)
                server.send(wrongly_masked(False))
                server.expect_close(1002)
                client.expect_close(1014)
                for wire in (client, server):
                    wire.close()
            client, server = pair(sluice, upstream)
            client.send(wrongly_masked(True))
            client.expect_close(1002)
            sluice.wait_sessions(0)
            sluice.signal(signal.SIGTERM)
            assert sluice.wait() == 0
            warnings = [line for line in sluice.errors().splitlines() if " warn " in line]
            assert len(warnings) == 6 and "(7 like this in " in warnings[-1], warnings
            for line in warnings:
                assert f"upstream broken: peer 127.0.0.1:{upstream.port}: " in line, line
                assert "it gets Close 1002, the client 1014, session 0-" in line, line


@suite.check
def good_codes_pass():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
                     4999):
            client, server = pair(sluice, upstream)
            client.send_frame(CLOSE, close_payload(code, "wörtlich".encode()))
            assert server.expect_close(code) == "wörtlich".encode()
            server.send_frame(CLOSE, close_payload(code))
            client.expect_close(code)
            server.close()
            client.expect_end()


@suite.check
def bad_frame_while_the_other_side_is_inside_a_frame():
    """A Close cannot be put inside a frame: the guilty side gets the rest of it first."""
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client, server = pair(sluice, upstream)
        server.send(header(0x82, 1000, False) + b"a" * 400)
        assert client.take(404)[4:] == b"a" * 400
        client.send(b"\xff\xff")
        server.expect_end()
        server.send(b"b" * 600 + frame(TEXT, "not delivered any more"))
        assert client.take(600) == b"b" * 600
        client.expect_close(1002)
        # And where the rest does not come, the leg is aborted after close_timeout.
        with Sluice(f"@close_timeout 300ms\nroute /\n  proxy_pass {upstream.uri}") as other:
            client, server = pair(other, upstream)
            server.send(header(0x82, 1000, False) + b"a" * 400)
            client.take(404)
            client.send(b"\xff\xff")
            client.expect_reset()


@suite.check
def guilty_peer_that_goes_on():
    """After our Close it is read and dropped up to close_timeout; then its connection ends."""
    with Upstream() as upstream, Sluice(
            f"@close_timeout 500ms\nroute /\n  proxy_pass {upstream.uri}") as sluice:
        for by_client in (True, False):
            client, server = pair(sluice, upstream)
            guilty, innocent = (client, server) if by_client else (server, client)
            guilty.send(data(0x83, b"x")(guilty.masked))
            guilty.expect_close(1002)
            expect_told(innocent)
            innocent.send_frame(CLOSE, close_payload(1000))
            begin = time.monotonic()
            try:
                while time.monotonic() - begin < 10:
                    guilty.send_frame(BINARY, b"x" * 1000)
                    time.sleep(0.02)
            except OSError:
                pass
            assert 0.3 < time.monotonic() - begin < 5
            assert innocent.rest() == b""
        sluice.wait_sessions(0)


@suite.check
def incomplete_bad_frame_reaches_nobody():
    """Half of a control frame is not sent on before the rest was judged."""
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client, server = pair(sluice, upstream)
        close = frame(CLOSE, close_payload(1005), True)
        client.send(close[:-1])
        time.sleep(0.1)
        client.send(close[-1:])
        server.expect_end()
        client.expect_close(1002)


@suite.check
def max_message_size():
    conf = "@max_message_size 1000\nroute /\n  proxy_pass "
    with Upstream() as upstream, Sluice(conf + upstream.uri) as sluice:
        exceeding = {
            "one frame": data(0x82, b"x" * 1001),
            "fragments": several(data(0x02, b"x" * 600), data(0x80, b"x" * 401)),
            "an announced length": lambda masked: struct.pack(
                "!BBQ", 0x82, 127 | (0x80 if masked else 0), (1 << 63) - 1) + b"\0" * 4,
            "a saturating sum": several(data(0x02, b"x"), lambda masked: struct.pack(
                "!BBQ", 0x80, 127 | (0x80 if masked else 0), (1 << 63) - 1) + b"\0" * 4),
        }
        for what, build in exceeding.items():
            for by_client in (True, False):
                client, server = pair(sluice, upstream)
                ends = (client, server) if by_client else (server, client)
                try:
                    check_one(ends, build, 1009)
                except Exception as error:
                    raise AssertionError(f"{what}: {error!r}") from error
        client, server = pair(sluice, upstream)
        for _ in range(3):
            client.send_frame(BINARY, b"x" * 600, fin=False)
            client.send_frame(0, b"y" * 400)
            assert server.frame()[1] == b"x" * 600
            assert server.frame()[1] == b"y" * 400


@suite.check
def what_a_limit_refuses_is_logged_with_its_value():
    conf = ("@max_message_size 1000\n@max_small_fragments 3\nroute /\n"
            "  control_frame_rate 1 burst=2\n  proxy_pass ")
    small = [data(0x00, b"s" * 63)] * 2
    table = {
        "message of at least 1001 bytes over max_message_size 1000":
            (several(data(0x02, b"x" * 600), data(0x80, b"x" * 401)), 1009),
        "fragment 4 under 64 bytes of a message over max_small_fragments 3":
            (several(data(0x02, b"x"), data(0x00, b"l" * 64), *small, data(0x80, b"x")), 1008),
        "control frame 3 of a burst over control_frame_rate 1 burst=2":
            (several(*[data(0x89)] * 10), 1008),
    }
    with Upstream() as upstream, Sluice(conf + upstream.uri) as sluice:
        for build, code in table.values():
            client, server = pair(sluice, upstream)
            check_one((client, server), build, code)
        sluice.wait_sessions(0)
        reasons = [line["reason"] for line in sluice.access() if line["event"] == "close"]
        assert reasons == list(table), reasons


@suite.check
def limits_can_be_switched_off():
    conf = "@max_small_fragments off\n@control_frame_rate off\nroute /\n  proxy_pass "
    with Upstream() as upstream, Sluice(conf + upstream.uri) as sluice:
        client, server = pair(sluice, upstream)
        client.send(several(data(0x02), *[data(0x00)] * 3000, *[data(0x89)] * 3000,
                            data(0x80, b"end"))(client.masked))
        for _ in range(6001):
            server.frame()
        assert server.frame() == (0x80, b"end")


@suite.check
def text_is_validated_where_asked():
    bad = {"in one frame": several(data(0x81, b"ab\xffcd")),
           "cut off": several(data(0x81, b"ab\xc3")),
           "over fragments": several(data(0x01, b"ab\xc3"), data(0x80, b"x")),
           "surrogate": several(data(0x81, b"\xed\xa0\x80"))}
    conf = "route /checked\n  validate_utf8 on\n  proxy_pass {0}\nroute /\n  proxy_pass {0}"
    with Upstream() as upstream, Sluice(conf.format(upstream.uri)) as sluice:
        for what, build in bad.items():
            for by_client in (True, False):
                client, server = pair(sluice, upstream, "/checked")
                guilty, innocent = (client, server) if by_client else (server, client)
                guilty.send(build(guilty.masked))
                guilty.expect_close(1007)
                seen = expect_told(innocent)
                assert seen in ([], [(0x01, b"ab\xc3")]), f"{what}: {seen}"
                if what == "cut off":
                    innocent.reset()
                guilty.close()
        client, server = pair(sluice, upstream, "/checked")
        text = "Schleuse, écluse, шлюз, 水門, 🚪".encode()
        for at in range(1, len(text)):
            client.send_frame(TEXT, text[:at], fin=False)
            client.send_frame(0, text[at:])
            assert server.frame()[1] + server.frame()[1] == text
        for by_client in (True, False):
            client, server = pair(sluice, upstream, "/checked")
            ends = (client, server) if by_client else (server, client)
            reason = data(0x88, close_payload(4321, b"cut \xe2\x82"))
            check_one(ends, reason, 1007)
        client, server = pair(sluice, upstream, "/other")
        client.send_frame(TEXT, b"\xff")
        server.expect(TEXT, b"\xff")


@suite.check
def a_broken_close_reason_loses_its_tail():
    """Libraries cut a long reason at 123 bytes, where a character may not end."""
    reasons = {b"bye \xe2\x82": b"bye ", b"\xff": b"", b"\xc3\xa9\xc3(": b"\xc3\xa9",
               b"x" * 122 + b"\xc3": b"x" * 122}
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        for reason, kept in reasons.items():
            for by_client in (True, False):
                client, server = pair(sluice, upstream)
                leaver, other = (client, server) if by_client else (server, client)
                leaver.send_frame(BINARY, b"before")
                leaver.send_frame(CLOSE, close_payload(4321, reason))
                other.expect(BINARY, b"before")
                other.expect(CLOSE, close_payload(4321, kept))
                other.send_frame(CLOSE, close_payload(4321))
                leaver.expect_close(4321)
                server.finish()
                client.expect_end()
                client.close()
                server.expect_end()
        sluice.wait_sessions(0)
        lines = [line for line in sluice.access() if line["event"] == "close"]
        assert {line["code"] for line in lines} == {"4321"}, lines


@suite.check
def bad_text_behind_what_was_sent_on():
    """Nobody takes a part of a message for the whole: the innocent side is aborted."""
    conf = "@validate_utf8 on\n@close_timeout 500ms\nroute /\n  proxy_pass "
    with Upstream() as upstream, Sluice(conf + upstream.uri) as sluice:
        for by_client in (True, False):
            client, server = pair(sluice, upstream)
            guilty, innocent = (client, server) if by_client else (server, client)
            whole = data(0x81, b"a" * 5000 + b"\xff" + b"a" * 4999)(guilty.masked)
            bad_at = len(whole) - 5000
            guilty.send(whole[:bad_at])
            assert len(innocent.take(bad_at)) == bad_at
            guilty.send(whole[bad_at:])
            guilty.expect_close(1007)
            innocent.expect_reset()
            assert not innocent.buffer, "the bad byte was sent on"
            guilty.close()
        sluice.wait_sessions(0)


@suite.check
def compressed_text_is_not_validated():
    with Upstream() as upstream, Sluice(
            f"@validate_utf8 on\nroute /\n  proxy_pass {upstream.uri}") as sluice:
        client, server = pair(sluice, upstream, fields=DEFLATE, answer_fields=DEFLATE)
        client.send_frame(TEXT, b"\xff\xfe", rsv=4)
        assert server.frame() == (0xC1, b"\xff\xfe")
        client.send_frame(TEXT, b"\xff")
        client.expect_close(1007)


@suite.check
def pings_at_the_allowed_rate_pass():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client, server = pair(sluice, upstream)
        for _ in range(2):
            client.send(b"".join(frame(PING, b"p", True) for _ in range(100)))
            for _ in range(100):
                server.expect(PING, b"p")
            time.sleep(1.1)


suite.run()
