"""How sessions end: core/DESIGN.md section 7, leaving a leg, and the timeouts. Codes, boundaries,
what is still delivered, and who sees an abort."""
import threading
import time

from harness import Sluice, Suite, wait_until
from wire import BINARY, CLOSE, TEXT, Reset, Upstream, close_payload, frame, header, pair

suite = Suite()


def started(extra=""):
    """An upstream and a sluice before it, as a context manager that ends both."""
    class Both:
        def __enter__(self):
            self.upstream = Upstream()
            self.sluice = Sluice(f"{extra}\nroute /\n  proxy_pass {self.upstream.uri}")
            return self.sluice, self.upstream

        def __exit__(self, *problem):
            self.sluice.__exit__(*problem)
            self.upstream.close()
    return Both()


def both_sides(client, server):
    """(leaver, stayer, the leaver's name)."""
    return ((client, server, "client"), (server, client, "upstream"))


@suite.check
def orderly_close_from_either_side():
    with started() as (sluice, upstream):
        for index in range(2):
            ends = pair(sluice, upstream)
            closer, answerer, name = both_sides(*ends)[index]
            closer.send_frame(CLOSE, close_payload(4001, b"done"))
            assert answerer.expect_close(4001) == b"done"
            # The answer to a Close is the other peer's, not ours.
            closer.sock.settimeout(0.2)
            try:
                closer.take(1)
                raise AssertionError("the proxy answered in the peer's place")
            except TimeoutError:
                closer.sock.settimeout(20)
            answerer.send_frame(BINARY, b"on its way")
            answerer.send_frame(CLOSE, close_payload(4001))
            closer.expect(BINARY, b"on its way")
            closer.expect_close(4001)
            ends[1].close()  # the server closes first
            ends[0].expect_end()
            ends[0].close()
            line = sluice.access_line("close", closed_by=name)
            assert line["code"] == "4001" and line["status"] == "101", line
        sluice.wait_sessions(0)


@suite.check
def close_without_a_code():
    with started() as (sluice, upstream):
        client, server = pair(sluice, upstream)
        client.send_frame(CLOSE)
        server.expect_close(None)
        server.send_frame(CLOSE)
        client.expect_close(None)
        server.close()
        client.close()
        sluice.access_line("close", code="1005", closed_by="client")


@suite.check
def data_after_close_is_dropped():
    with started() as (sluice, upstream):
        client, server = pair(sluice, upstream)
        client.send(frame(CLOSE, close_payload(1000), True) + frame(TEXT, "too late", True))
        client.send_frame(TEXT, "far too late")
        server.expect_close(1000)
        server.send_frame(CLOSE, close_payload(1000))
        client.expect_close(1000)
        server.finish()
        server.expect_end()


@suite.check
def both_close_at_once():
    with started() as (sluice, upstream):
        client, server = pair(sluice, upstream)
        client.send_frame(CLOSE, close_payload(4001))
        server.send_frame(CLOSE, close_payload(4002))
        server.expect_close(4001)
        client.expect_close(4002)
        server.close()
        client.expect_end()


@suite.check
def fin_without_close():
    """What was received is delivered, then FIN without a Close; the leaver's half still gets data."""
    with started() as (sluice, upstream):
        for index in range(2):
            leaver, stayer, name = both_sides(*pair(sluice, upstream))[index]
            leaver.send(b"".join(frame(BINARY, b"%d" % i * 1000, leaver.masked) for i in range(50)))
            leaver.finish()
            for i in range(50):
                stayer.expect(BINARY, b"%d" % i * 1000)
            stayer.expect_end()
            stayer.send_frame(BINARY, b"for who listens still")
            stayer.send_frame(CLOSE, close_payload(4001))
            leaver.expect(BINARY, b"for who listens still")
            leaver.expect_close(4001)
            leaver.expect_end()
            stayer.finish()
            line = sluice.access_line("close", closed_by=name)
            assert line["reason"] == "connection ended without a close", line
            assert not {"code", "fault", "sent_client", "sent_upstream"} & set(line), line
        sluice.wait_sessions(0)


@suite.check
def half_closed_while_something_moves():
    """A sending half that ended alone costs nothing of what the other one has to say, in order."""
    with started("@close_timeout 500ms") as (sluice, upstream):
        for index in range(2):
            leaver, stayer, _ = both_sides(*pair(sluice, upstream))[index]
            leaver.finish()
            stayer.expect_end()
            for i in range(12):  # for longer than close_timeout
                time.sleep(0.1)
                stayer.send_frame(TEXT, f"still {i}")
                leaver.expect(TEXT, f"still {i}")
            stayer.finish()
            leaver.expect_end()
        sluice.wait_sessions(0)


@suite.check
def half_closed_and_silent():
    """After close_timeout of silence both connections are closed."""
    with started("@close_timeout 300ms") as (sluice, upstream):
        for index in range(2):
            leaver, stayer, _ = both_sides(*pair(sluice, upstream))[index]
            leaver.finish()
            stayer.expect_end()
            stayer.send_frame(TEXT, "one more")
            leaver.expect(TEXT, "one more")
            begin = time.monotonic()
            leaver.expect_end()
            assert time.monotonic() - begin > 0.2
        sluice.wait_sessions(0)


@suite.check
def close_that_is_answered_by_a_loss():
    """Whoever sent a Close and gets no answer sees the loss that it is."""
    with started() as (sluice, upstream):
        for index in range(2):
            closer, leaver, name = both_sides(*pair(sluice, upstream))[index]
            closer.send_frame(CLOSE, close_payload(4001))
            leaver.expect_close(4001)
            leaver.close()
            closer.expect_end()
            closer.close()
            line = sluice.access_line("close", closed_by=name)
            assert (line["code"], line["reason"]) == ("4001", "close"), line
        sluice.wait_sessions(0)


@suite.check
def lost_close_code():
    """Where the route says so, a client gets a Close for its lost upstream; upstreams never do."""
    with started("@lost_close_code 1012") as (sluice, upstream):
        for how in ("reset", "close", "finish"):
            client, server = pair(sluice, upstream)
            server.send_frame(TEXT, "whole")
            client.expect(TEXT, "whole")
            getattr(server, how)()
            client.expect_close(1012)
            client.send_frame(CLOSE, close_payload(1012))
            client.close()
            server.close()
            client, server = pair(sluice, upstream)
            getattr(client, how)()
            server.expect_end()
            server.close()
            client.close()
        client, server = pair(sluice, upstream)
        server.send(frame(BINARY, b"x" * 10_000)[:5_000])
        client.take(5_000)
        server.reset()
        client.expect_reset()  # no Close fits inside a frame
        sluice.wait_sessions(0)
        lines = [line for line in sluice.access() if line["event"] == "close"]
        assert [line.get("sent_client") for line in lines] == ["1012", None] * 3 + [None], lines
        assert not any("sent_upstream" in line for line in lines), lines


@suite.check
def fin_and_the_other_never_answers():
    with started("@close_timeout 300ms") as (sluice, upstream):
        for index in range(2):
            leaver, stayer, _ = both_sides(*pair(sluice, upstream))[index]
            leaver.close()
            stayer.expect_end()
            wait_until(lambda: sluice.report()["sessions"] == 0, "the end of its session")
            stayer.close()
        sluice.wait_sessions(0)


@suite.check
def reset_between_frames():
    """Whole messages already received are delivered, then the connection's end."""
    with started() as (sluice, upstream):
        for index in range(2):
            leaver, stayer, name = both_sides(*pair(sluice, upstream))[index]
            leaver.send_frame(BINARY, b"whole")
            stayer.expect(BINARY, b"whole")
            leaver.reset()
            stayer.expect_end()
            stayer.send_frame(BINARY, b"for nobody")
            stayer.finish()
            line = sluice.access_line("close", closed_by=name)
            assert line["reason"] == "connection reset by peer" and "code" not in line, line
        sluice.wait_sessions(0)


@suite.check
def death_inside_a_frame():
    """Some of the frame was sent on: abort, so that nobody takes a part for the whole."""
    with started() as (sluice, upstream):
        for how in ("reset", "close"):
            for index in range(2):
                leaver, stayer, _ = both_sides(*pair(sluice, upstream))[index]
                leaver.send(frame(BINARY, b"x" * 10_000, leaver.masked)[:5_000])
                assert len(stayer.take(5_000)) == 5_000
                getattr(leaver, how)()
                stayer.expect_reset()
        sluice.wait_sessions(0)


@suite.check
def death_inside_a_header():
    """None of the incomplete frame was sent on: it is dropped, as if the end were at a boundary."""
    with started() as (sluice, upstream):
        for how in ("reset", "close"):
            for index in range(2):
                leaver, stayer, _ = both_sides(*pair(sluice, upstream))[index]
                leaver.send_frame(TEXT, "whole")
                leaver.send(header(0x82, 10_000, leaver.masked)[:3])
                time.sleep(0.05)
                getattr(leaver, how)()
                stayer.expect(TEXT, "whole")
                stayer.expect_end()
                stayer.close()
        sluice.wait_sessions(0)


@suite.check
def death_behind_a_slow_reader():
    """Whole frames are delivered first; then the end, or an abort where a part was sent on."""
    with started() as (sluice, upstream):
        client, server = pair(sluice, upstream, receive_buffer=16 * 1024)
        sent = 0
        server.sock.setblocking(False)
        flood = frame(BINARY, b"f" * 997)  # 1001 bytes: the ring's end is inside one of them
        try:
            while True:
                sent += server.sock.send(flood[sent % len(flood):])
        except BlockingIOError:
            pass
        server.reset()
        frames = 0
        try:
            while True:
                assert client.frame() == (0x82, b"f" * 997)
                frames += 1
        except EOFError as ended:
            assert str(ended).startswith("0 of 2 "), f"ended inside a frame: {ended}"
        except Reset:
            assert sent % len(flood) != 0, "an abort although the last frame was whole"
        assert 0 < frames <= sent // len(flood)


@suite.check
def whole_messages_arrive_before_a_reset_is_told():
    """More than a turn's worth waits when the upstream resets, and the client's message fails there."""
    with started() as (sluice, upstream):
        for _ in range(5):
            client, server = pair(sluice, upstream)

            def send_and_reset(server=server, flood=frame(BINARY, b"m" * 99_990) * 20):
                server.send(flood)
                server.reset_once_acknowledged()
            threading.Thread(target=send_and_reset, daemon=True).start()
            client.send_frame(TEXT, "nobody reads this")
            for _ in range(20):
                client.expect(BINARY, b"m" * 99_990)
            client.expect_end()
            client.close()


@suite.check
def a_close_arrives_before_a_reset_is_told():
    """As browsers do it for a page that goes: the Close, and at once the end of the connection."""
    with started() as (sluice, upstream):
        for index in [0, 1] * 50:
            leaver, stayer, _ = both_sides(*pair(sluice, upstream))[index]
            leaver.send_frame(CLOSE, close_payload(1001))
            leaver.reset_once_acknowledged()
            stayer.expect_close(1001)
            stayer.close()


@suite.check
def steady_slow_reader_gets_everything():
    """Whoever reads all the time is not cut off, although the kernel's buffers hide it for long."""
    with started("@close_timeout 1s\n@send_timeout 2s") as (sluice, upstream):
        client, server = pair(sluice, upstream)
        size = 3_000_000
        threading.Thread(target=lambda: (server.send(frame(BINARY, b"m" * size)),
                                         server.send_frame(CLOSE, close_payload(1000))),
                         daemon=True).start()
        got = 0
        while got < size + 10:
            got += len(client.take(min(30_000, size + 10 - got)))
            time.sleep(0.06)
        client.expect_close(1000)


def dribble(wire, piece, count, pause=0.05):
    """Sends it again and again; how many went out before the connection broke."""
    for sent in range(count):
        try:
            wire.send(piece)
        except OSError:
            return sent
        time.sleep(pause)
    return count


@suite.check
def dripping_after_a_close_has_an_end():
    with started("@close_timeout 400ms") as (sluice, upstream):
        client, server = pair(sluice, upstream)
        client.send_frame(CLOSE, close_payload(1000))
        server.expect_close(1000)
        assert dribble(server, frame(TEXT, "x"), 200) < 200, "close_timeout never came"


@suite.check
def endless_frame_after_a_close_has_an_end():
    """close_timeout begins anew while a message moves, twelve times at most."""
    with started("@close_timeout 100ms") as (sluice, upstream):
        for index in range(2):
            closer, other, name = both_sides(*pair(sluice, upstream))[index]
            other.send(frame(BINARY, b"x" * 100_000, other.masked)[:100])
            closer.take(90)
            closer.send_frame(CLOSE, close_payload(1000))
            if index == 1:
                closer.finish()  # half-closed behind a Close is nothing else
            other.expect_close(1000)
            assert dribble(other, b"x", 400) < 400, "close_timeout was put off without end"
            closer.expect_reset()
            assert sluice.access_line("close", closed_by=name)["reason"] == "close"


@suite.check
def half_closed_after_a_loss_goes_on():
    """The bound of close_timeout is not for it: what moves toward the leaver goes on moving."""
    with started("@close_timeout 500ms") as (sluice, upstream):
        client, server = pair(sluice, upstream)
        client.finish()
        server.send(frame(BINARY, b"x" * 100_000)[:100])
        assert dribble(server, b"x", 80, 0.1) == 80  # sixteen times close_timeout
        client.take(180)
        server.close()


@suite.check
def idle_timeout():
    with started("@idle_timeout 400ms") as (sluice, upstream):
        client, server = pair(sluice, upstream)
        for _ in range(8):  # a byte either way keeps it
            time.sleep(0.1)
            client.send_frame(TEXT, "x")
            server.expect(TEXT, "x")
        for _ in range(8):
            time.sleep(0.1)
            server.send_frame(TEXT, "y")
            client.expect(TEXT, "y")
        begin = time.monotonic()
        client.expect_close(1001)
        server.expect_close(1001)
        assert time.monotonic() - begin > 0.25
        client.send_frame(CLOSE, close_payload(1001))
        server.send_frame(CLOSE, close_payload(1001))
        client.expect_end()
        client.close()
        server.close()
        line = sluice.access_line("close")
        assert (line["closed_by"], line["reason"]) == ("proxy", "idle_timeout"), line
        assert (line["sent_client"], line["sent_upstream"]) == ("1001", "1001"), line
        assert "code" not in line and "fault" not in line, line


@suite.check
def idle_timeout_inside_a_frame():
    """No Close fits there: that leg is aborted after close_timeout, the other one is told."""
    with started("@idle_timeout 300ms\n@close_timeout 400ms") as (sluice, upstream):
        for index in range(2):
            sender, receiver, name = both_sides(*pair(sluice, upstream))[index]
            sender.send(frame(BINARY, b"x" * 10_000, sender.masked)[:5_000])
            assert len(receiver.take(5_000)) == 5_000
            begin = time.monotonic()
            sender.expect_close(1001)
            receiver.expect_reset()
            assert 0.3 < time.monotonic() - begin < 5
            assert not receiver.buffer, bytes(receiver.buffer)
            sender.close()
            line = sluice.access_line("close", **{f"sent_{name}": "1001"})
            assert line["closed_by"] == "proxy" and len([key for key in line if "sent_" in key]) == 1
        sluice.wait_sessions(0)


@suite.check
def idle_timeout_and_nobody_answers():
    with started("@idle_timeout 300ms\n@close_timeout 300ms") as (sluice, upstream):
        client, server = pair(sluice, upstream)
        for wire in (client, server):
            wire.expect_close(1001)
        begin = time.monotonic()
        for wire in (client, server):
            wire.rest()
        assert time.monotonic() - begin < 5
        sluice.wait_sessions(0)


@suite.check
def idle_timeout_off():
    with started("@idle_timeout off") as (sluice, upstream):
        client, server = pair(sluice, upstream)
        assert sluice.report()["timers"] == 0, "a session without a timeout has no timer"
        client.send_frame(TEXT, "x")
        server.expect(TEXT, "x")


@suite.check
def close_that_is_never_answered():
    """After a peer's Close the other one has close_timeout to answer."""
    with started("@close_timeout 300ms") as (sluice, upstream):
        client, server = pair(sluice, upstream)
        client.send_frame(CLOSE, close_payload(1000))
        server.expect_close(1000)
        client.rest()
        sluice.wait_sessions(0)


@suite.check
def close_behind_much():
    """A Close behind megabytes that the peer reads slowly is not cut off by close_timeout."""
    with started("@close_timeout 500ms") as (sluice, upstream):
        client, server = pair(sluice, upstream, receive_buffer=16 * 1024)
        size = 3_000_000
        threading.Thread(target=lambda: (server.send(frame(BINARY, b"m" * size)),
                                         server.send_frame(CLOSE, close_payload(1000))),
                         daemon=True).start()
        client.send_frame(CLOSE, close_payload(1000))
        server.expect_close(1000)
        got = 0
        while got < size:
            got += len(client.take(min(50_000, size + 10 - got)))
            time.sleep(0.02)
        client.take(size + 10 - got)
        client.expect_close(1000)


@suite.check
def messages_and_bytes_are_counted():
    with started() as (sluice, upstream):
        client, server = pair(sluice, upstream)
        client.send_frame(TEXT, "one")
        client.send_frame(TEXT, "tw", fin=False)
        client.send_frame(0, "o")
        server.send_frame(BINARY, b"x" * 1000)
        client.expect(BINARY, b"x" * 1000)
        client.send_frame(CLOSE, close_payload(1000))
        for _ in range(3):
            server.frame()
        server.expect_close(1000)
        server.send_frame(CLOSE, close_payload(1000))
        client.expect_close(1000)
        server.close()
        client.close()
        line = sluice.access_line("close")
        assert line["client_messages"] == "2" and line["upstream_messages"] == "1", line
        assert line["client_bytes"] == str(9 + 8 + 7 + 8), line
        assert line["upstream_bytes"] == str(1004 + 4), line
        assert float(line["duration"]) < 60


suite.run()
