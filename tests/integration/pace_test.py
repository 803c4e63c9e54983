"""The pace of a session: how old it may become, how fast its peers may send, how long what is for
them may wait."""
import contextlib
import random
import struct
import threading
import time
import zlib

from harness import PATIENCE, SANITIZED, Sluice, Suite, wait_until
from tls import LINKS, PLAIN, SECURE, client_wrap, site
from wire import (BINARY, CLOSE, PING, PONG, TEXT, Reset, Upstream, close_in_order, close_payload,
                  dial, frame, pair)

suite = Suite()

OFFER = [("Sec-WebSocket-Extensions", "permessage-deflate")]
SECONDS = 10      # over which a rate is measured, beyond its burst
TOLERANCE = 0.05  # of it
SLACK = 5 if SANITIZED else 2.5  # seconds by which a busy machine may be late


def expect_nothing(wire, seconds):
    """Nothing, and no end either."""
    wire.sock.settimeout(seconds)
    try:
        raise AssertionError(f"more came: {wire.take(1)}")
    except TimeoutError:
        wire.sock.settimeout(PATIENCE)


# --- max_session_age ------------------------------------------------------------------------------


@suite.check_each(*LINKS)
def age_ends_a_session_behind_the_messages_under_way(link):
    with link.upstream() as upstream, \
            link.sluice(upstream, "@max_session_age 400ms jitter=0%") as sluice:
        client, server = pair(sluice, upstream)
        server.send_frame(TEXT, "one ", fin=False)
        client.send_frame(BINARY, b"client's, ", fin=False)
        assert client.frame() == (0x01, b"one ")
        assert server.frame() == (0x02, b"client's, ")
        expect_nothing(client, 0.7)  # its age has come, and a message is under way
        server.send_frame(0, "two ", fin=False)
        server.send_frame(PING, b"between")
        server.send_frame(0, "three")
        assert client.frame() == (0x00, b"two ")
        client.expect(PING, b"between")
        assert client.frame() == (0x80, b"three")
        client.expect_close(1001)
        server.send_frame(TEXT, "too late")
        # Until its own Close the client's messages travel on.
        client.send_frame(0, b"its end")
        client.send_frame(TEXT, "and another")
        assert server.frame() == (0x80, b"its end")
        server.expect(TEXT, "and another")
        client.send_frame(CLOSE, close_payload(1001, b"seen"))
        assert server.expect_close(1001) == b"seen"
        server.send_frame(CLOSE, close_payload(1001))
        client.expect_end()
        server.close()
        client.close()
        line = sluice.access_line("close", reason="max_session_age")
        assert (line["closed_by"], line["sent_client"]) == ("proxy", "1001"), line
        assert "fault" not in line and "sent_upstream" not in line, line
        assert 0.4 <= float(line["duration"]), line


@suite.check
def jitter_spreads_those_that_began_together():
    count, window = 30, (1.0, 2.0)
    with Upstream() as upstream, Sluice(
            "@max_session_age 2s jitter=50%\nroute /\n  proxy_pass " + upstream.uri) as sluice:
        ends = [pair(sluice, upstream) for _ in range(count)]

        def leave(client, server):
            client.expect_close(1001)
            client.send_frame(CLOSE, close_payload(1001))
            server.expect_close(1001)
            server.send_frame(CLOSE, close_payload(1001))
            client.expect_end()
            server.close()
            client.close()
        together(leave, ends)
        sluice.wait_sessions(0)
        lines = wait_until(lambda: [line for line in sluice.access() if line["event"] == "close"],
                           "lines")
        assert {line["reason"] for line in lines} == {"max_session_age"}, lines
        ages = sorted(float(line["duration"]) for line in lines)
        assert len(ages) == count, lines
        print(f"age: {count} sessions of 2 s with jitter=50% ended between {ages[0]:.2f} s and "
              f"{ages[-1]:.2f} s")
        assert ages[0] >= window[0] - 0.01 and ages[-1] < window[1] + SLACK, ages
        assert ages[-1] - ages[0] >= (window[1] - window[0]) / 2, ages
        for tenth in range(10):
            begin = window[0] + tenth / 10
            assert sum(begin <= age < begin + 0.1 for age in ages) <= count // 2, ages


def together(work, arguments):
    """work(*each) in a thread for each; the first failure is raised."""
    failures = []

    def run(each):
        try:
            work(*each)
        except Exception as failure:  # raised again below
            failures.append((each[0], failure))
    threads = [threading.Thread(target=run, args=(each,), daemon=True) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "still under way"
    if failures:
        raise AssertionError(f"{len(failures)} failed, first {failures[0]}") from failures[0][1]


# --- rates ----------------------------------------------------------------------------------------

MESSAGES, MESSAGE_BURST = 100, 50             # a second; at once
BYTES, BYTE_BURST = 1 << 20, 256 << 10


class Rate:
    """One session that sends as fast as it may: `side` is who sends, `messages` what it sends as
    [bytes of one message], `cut` how it puts that on the wire."""

    def __init__(self, name, side, kind, make, cut=None, link=PLAIN, deflate=False, splice=True):
        self.name, self.side, self.kind, self.make = name, side, kind, make
        self.cut = cut or (lambda wire, data, _: wire.send(data))
        self.link, self.deflate, self.splice = link, deflate, splice

    def __str__(self):
        return self.name
    __repr__ = __str__

    @property
    def directive(self):
        amount = f"{MESSAGES}/s burst={MESSAGE_BURST}" if self.kind == "message" else \
            f"{BYTES}/s burst={BYTE_BURST}"
        return f"{self.side}_{self.kind}_rate {amount}"

    def data(self, masked):
        """Exactly what is allowed in SECONDS beyond the burst."""
        own = random.Random(self.name)
        if self.kind == "message":
            count = MESSAGE_BURST + SECONDS * MESSAGES
            return b"".join(self.make(own, number, masked) for number in range(count))
        data, number, wanted = bytearray(), 0, BYTE_BURST + SECONDS * BYTES
        while len(data) < wanted:
            data += self.make(own, number, masked)
            number += 1
        return bytes(data)


def small(own, number, masked):
    return frame(TEXT, f"{number} " + "x" * own.randrange(20), masked)


def tiny(_, number, masked):
    return frame(BINARY, struct.pack("!H", number), masked)


def fragmented(own, number, masked):
    """Four frames, a ping and a pong are one message."""
    return frame(BINARY, own.randbytes(9), masked, fin=False) + frame(PING, b"", masked) + \
        frame(0, b"", masked, fin=False) + frame(0, own.randbytes(number % 50), masked, fin=False) + \
        frame(PONG, b"p", masked) + frame(0, b"end", masked)


def deflated(own, number, masked):
    squeeze = zlib.compressobj(wbits=-15)
    text = f"message {number} ".encode() * own.randrange(1, 40)
    packed = (squeeze.compress(text) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
    return frame(TEXT, packed, masked, rsv=4)


def large(own, number, masked):
    return frame(BINARY, bytes([number % 256]) * (300_000 + own.randrange(1000)), masked)


def medium(own, number, masked):
    return frame(BINARY, bytes([number % 256]) * own.randrange(1, 5000), masked)


def by_single_bytes(wire, data, begin):
    """A fifth faster than the rate, so that the proxy mostly finds one byte at a time."""
    burst = len(data) * MESSAGE_BURST // (MESSAGE_BURST + SECONDS * MESSAGES)
    a_second = (len(data) - burst) / SECONDS * 1.2
    for at in range(len(data)):
        wire.send(data[at:at + 1])
        ahead = at / a_second - (time.monotonic() - begin)
        if ahead > 0:
            time.sleep(ahead)


RATES = (
    Rate("messages of the client", "client", "message", small),
    Rate("messages of the upstream", "upstream", "message", small),
    Rate("messages, byte by byte", "client", "message", tiny, by_single_bytes),
    Rate("messages in fragments", "client", "message", fragmented),
    Rate("messages in fragments, of the upstream", "upstream", "message", fragmented),
    Rate("messages with permessage-deflate", "client", "message", deflated, deflate=True),
    Rate("messages in TLS", "client", "message", small, link=SECURE[0]),
    Rate("bytes of the client, splice", "client", "byte", large),
    Rate("bytes of the upstream, splice", "upstream", "byte", large),
    Rate("bytes of the client, no splice", "client", "byte", large, splice=False),
    Rate("bytes of the client, small frames", "client", "byte", medium),
    Rate("bytes of the client in TLS", "client", "byte", large, link=SECURE[0]),
)


def measure(rate, client, server, results):
    """From the first byte that arrives to the last one it takes what goes beyond the burst, at that
    rate; and every byte is as it was sent."""
    sender, taker = (client, server) if rate.side == "client" else (server, client)
    data = rate.data(sender.masked)
    begin = time.monotonic()
    thread = threading.Thread(target=rate.cut, args=(sender, data, begin), daemon=True)
    thread.start()
    got, first = 0, None
    while got < len(data):
        assert taker.buffer or taker.fill(), "ended"
        first = first or time.monotonic()
        piece = bytes(taker.buffer)
        taker.buffer.clear()
        assert data.startswith(piece, got), "another byte than was sent"
        got += len(piece)
    took = time.monotonic() - first
    thread.join()
    expect_nothing(taker, 0.1)
    close_in_order(client, server)
    wanted = (SECONDS * BYTES if rate.kind == "byte" else SECONDS * MESSAGES)
    if rate.kind == "byte":  # the last frame goes beyond
        wanted = len(data) - BYTE_BURST
    results.append((rate, wanted / took / (BYTES if rate.kind == "byte" else MESSAGES)))


def rates_conf(upstream, rates):
    return "".join(f"route /{number}\n  proxy_pass {upstream.uri}\n  {rate.directive}\n"
                   for number, rate in rates)


@suite.check
def rates_are_exact_and_nothing_is_lost():
    """All at the same time."""
    results, sessions = [], []
    numbered = list(enumerate(RATES))
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(Upstream())
        for splice in (True, False):
            for secure in (False, True):
                rates = [(number, rate) for number, rate in numbered
                         if rate.splice == splice and rate.link.secure == secure]
                if not rates:
                    continue
                options = {"wrap": client_wrap()} if secure else {}
                lines = site().lines if secure else ""
                sluice = stack.enter_context(Sluice(
                    f"@splice {'on' if splice else 'off'}\n@control_frame_rate off\n{lines}"
                    f"{rates_conf(upstream, rates)}",
                    **options))
                for number, rate in rates:
                    fields = OFFER if rate.deflate else ()
                    sessions.append((rate, *pair(sluice, upstream, f"/{number}", fields=fields,
                                                 answer_fields=fields), results))
        together(measure, sessions)
    for rate, exact in sorted(results, key=lambda each: RATES.index(each[0])):
        print(f"rates: {rate}: {exact * 100:.1f} % of {rate.directive}")
    assert len(results) == len(RATES)
    tolerance = TOLERANCE * (3 if SANITIZED else 1)
    wrong = [str(rate) for rate, exact in results if abs(exact - 1) > tolerance]
    assert not wrong, wrong


CLOSED_BY = {
    "client_message_rate": "5/s burst=20",
    "upstream_message_rate": "5/s burst=20",
    "client_byte_rate": "100/s burst=2000",
    "upstream_byte_rate": "100/s burst=2000",
}


@suite.check_each(*CLOSED_BY)
def on_rate_close_ends_who_sends_more(name):
    with Upstream() as upstream, Sluice(
            f"@{name} {CLOSED_BY[name]}\n@on_rate close\nroute /\n  proxy_pass {upstream.uri}") \
            as sluice:
        client, server = pair(sluice, upstream)
        side = name.partition("_")[0]
        sender, taker = (client, server) if side == "client" else (server, client)
        one = 100 - (6 if side == "client" else 2)  # with its header a hundred bytes
        for number in range(20):  # just what may come at once
            sender.send_frame(BINARY, bytes([number]) * one)
        for number in range(20):
            taker.expect(BINARY, bytes([number]) * one)
        expect_nothing(sender, 0.1)
        begun = time.monotonic()
        for number in range(40):
            with contextlib.suppress(OSError):
                sender.send_frame(BINARY, bytes([number]) * one)
        sender.expect_close(1008)
        allowed = (time.monotonic() - begun + 0.3) * 5 + 2
        more = 0
        with contextlib.suppress(EOFError, Reset):
            while taker.frame()[0] == 0x82:
                more += 1
        assert more <= allowed, (more, allowed)
        sender.send_frame(CLOSE, close_payload(1008))
        sender.expect_end()
        taker.close()
        sender.close()
        line = sluice.access_line("close", reason=name)
        assert (line["closed_by"], line["fault"]) == ("proxy", side), line
        assert line[f"sent_{side}"] == "1008", line
        if name == "upstream_message_rate":  # a rate of bytes may end inside a frame
            assert line["sent_client"] == "1014", line


@suite.check
def the_other_direction_and_other_sessions_are_not_held_back():
    conf = "@client_message_rate 2/s burst=1\n"
    with Upstream() as upstream, Sluice(f"{conf}route /\n  proxy_pass {upstream.uri}\n") as sluice:
        held, free = pair(sluice, upstream), pair(sluice, upstream)
        held[0].send(b"".join(frame(TEXT, str(number), True) for number in range(6)))
        begin = time.monotonic()
        for number in range(200):
            held[1].send_frame(BINARY, bytes([number]))
            held[0].expect(BINARY, bytes([number]))
        free[0].send_frame(TEXT, "mine")
        free[1].expect(TEXT, "mine")
        for number in range(6):
            held[1].expect(TEXT, str(number))
        assert time.monotonic() - begin > 2, "not held back at all"
        for ends in (held, free):
            close_in_order(*ends)


# --- max_queued_time ------------------------------------------------------------------------------


@suite.check_each("client", "upstream")
def who_takes_too_slowly_is_ended(slow):
    """It takes a little all the time, so send_timeout would never strike."""
    tight = 16 * 1024
    with Upstream(receive_buffer=tight if slow == "upstream" else 0) as upstream, Sluice(
            "@max_queued_time 1500ms\n@send_timeout 1h\nroute /\n  proxy_pass " + upstream.uri) \
            as sluice:
        ends = pair(sluice, upstream, receive_buffer=tight if slow == "client" else 0)
        quick = pair(sluice, upstream)
        reader, flooder = ends if slow == "client" else reversed(ends)
        stopped = threading.Event()

        def flood():
            data = frame(BINARY, b"f" * 65536, flooder.masked)
            with contextlib.suppress(OSError):
                while not stopped.is_set():
                    flooder.send(data)
        threading.Thread(target=flood, daemon=True).start()
        begin, taken = time.monotonic(), 0
        try:
            while True:
                data = reader.sock.recv(2048)
                assert data, "ended in order instead of being reset"
                taken += len(data)
                assert time.monotonic() - begin < PATIENCE, "not ended"
                time.sleep(0.05)
        except ConnectionResetError:
            took = time.monotonic() - begin
        stopped.set()
        for wire in ends:
            wire.close()
        print(f"queued: the {slow} that took {taken / took / 1000:.0f} kB/s was ended after "
              f"{took:.1f} s at max_queued_time 1.5 s")
        assert took > 1.4 and taken > 0, (took, taken)
        line = sluice.access_line("close", reason="max_queued_time")
        assert (line["closed_by"], line["fault"]) == ("proxy", slow), line
        told = "it takes too slowly what is for it (max_queued_time, "
        said = [line for line in sluice.errors().splitlines() if told in line]
        assert len(said) == 1, sluice.errors()
        assert int(said[0].split(told)[1].split(" bytes are queued)")[0]) > 0, said
        # Who keeps up is left alone, whatever it is sent.
        for _ in range(20):
            quick[1].send_frame(BINARY, b"q" * 100_000)
            quick[0].expect(BINARY, b"q" * 100_000)
        close_in_order(*quick)


suite.run()
