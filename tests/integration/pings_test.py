"""Pings of the proxy's own: peers that are gone are found in time, nothing of the pings or their
pongs reaches the other side, and without them nothing changes on the wire."""
import contextlib
import os
import random
import signal
import struct
import subprocess
import threading
import time

from harness import BIN, PATIENCE, SANITIZED, Skip, Sluice, Suite, conf_for, free_port, wait_until
from tls import LINKS, PLAIN, SECURE
from wire import (BINARY, CLOSE, PING, PONG, TEXT, Upstream, close_in_order, close_payload, dial,
                  frame, header, pair, push_until_blocked, request)

suite = Suite()

SLACK = 5 if SANITIZED else 2.5  # seconds by which a busy machine may be late
INTERVAL, TIMEOUT = 0.4, 0.6     # of those that are to find somebody gone
BOTH = "@client_ping_interval {0}\n@client_ping_timeout {1}\n" \
       "@upstream_ping_interval {0}\n@upstream_ping_timeout {1}"
OFFER = [("Sec-WebSocket-Extensions", "permessage-deflate")]
MARK = b"peer"  # begins those pings and pongs of the peers' own that are as long as the proxy's


def is_of_the_proxy(first, payload):
    return first == 0x89 and len(payload) == 8 and not payload.startswith(MARK)


class Peer:
    """Reads one end in a thread: answers the proxy's pings, notes them and whatever else comes."""

    def __init__(self, wire):
        self.wire = wire
        self.lock = threading.Lock()  # no pong goes into the middle of a frame
        self.pings, self.pinged_at, self.frames = [], [], []
        self.ended = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            while True:
                self.take(*self.wire.frame())
        except (EOFError, OSError):
            self.ended = True

    def take(self, first, payload):
        if is_of_the_proxy(first, payload):
            self.pings.append(payload)
            self.pinged_at.append(time.monotonic())
            return self.send(frame(PONG, payload, self.wire.masked))
        return self.frames.append((first, payload))

    def send(self, data):
        with self.lock:
            self.wire.send(data)

    def send_frame(self, opcode, payload=b"", **options):
        self.send(frame(opcode, payload, self.wire.masked, **options))

    def await_pings(self, count):
        wait_until(lambda: len(self.pings) >= count, f"{count} pings")

    def await_frames(self, frames):
        wait_until(lambda: len(self.frames) >= len(frames), f"{len(frames)} frames")
        assert self.frames == frames, (self.frames, frames)


@contextlib.contextmanager
def session(top, link=PLAIN, **options):
    """(sluice, client, server): both ends of one session."""
    with link.upstream() as upstream, link.sluice(upstream, top) as sluice:
        client, server = pair(sluice, upstream, **options)
        yield sluice, client, server
        server.close()  # at the end of a check that passed nobody waits for a Close
        client.close()


def mixed_frames(seed, masked):
    """The bytes of all sorts of frames, whole and in fragments, with control frames in between."""
    own = random.Random(seed)
    data = bytearray()

    def put(opcode, length, fin=True, rsv=0):
        payload = own.randbytes(length)
        data.extend(frame(opcode, payload, masked, fin=fin, rsv=rsv))
    for length in (0, 1, 125, 126, 127, 65535, 65536, 200_000):
        put(own.choice((TEXT, BINARY)), length, rsv=own.choice((0, 4)))
        put(own.choice((PING, PONG)), own.choice((0, 4, 8, 125)))
        put(BINARY, length, fin=False)
        put(PONG, 8)
        put(0, 17, fin=False)
        put(PING, 8)
        put(0, length)
    return bytes(data)


@suite.check_each(*LINKS)
def without_pings_every_byte_is_as_it_was_sent(link):
    """Both ways at once, in pieces of all sizes; nothing comes on top."""
    with session("@idle_timeout 1m", link, fields=OFFER, answer_fields=OFFER) as (sluice, *ends):
        sent = [mixed_frames(number, wire.masked) for number, wire in enumerate(ends)]
        own = random.Random(3)

        def send(wire, data):
            at = 0
            while at < len(data):
                step = own.choice((1, 2, 7, 100, 5000, 70_000))
                wire.send(data[at:at + step])
                at += step
                time.sleep(0.002)
        senders = [threading.Thread(target=send, args=each, daemon=True)
                   for each in zip(ends, sent)]
        for sender in senders:
            sender.start()
        for wire, data in zip(reversed(ends), sent):
            assert wire.take(len(data)) == data
        for wire in ends:
            wire.sock.settimeout(0.3)
            try:
                raise AssertionError(f"more came: {wire.take(1)}")
            except TimeoutError:
                wire.sock.settimeout(PATIENCE)
        close_in_order(*ends)
        line = sluice.access_line("close", code="1000")
        assert "client_rtt" not in line and "upstream_rtt" not in line, line


def run_with_pings(link, deflate):
    """Both peers talk, ping and answer pings of each other while the proxy pings both."""
    options = {"fields": OFFER, "answer_fields": OFFER} if deflate else {}
    with session(BOTH.format("60ms", "15s"), link, **options) as (sluice, *ends):
        peers = [Peer(wire) for wire in ends]
        said = [[], []]
        own = random.Random(str(link))
        rsv = 4 if deflate else 0

        def say(number, opcode, payload, **how):
            first = (0x80 if how.get("fin", True) else 0) | how.get("rsv", 0) << 4 | opcode
            said[number].append((first, payload))
            peers[number].send_frame(opcode, payload, **how)
        for turn in range(6):
            for number in (0, 1):
                say(number, BINARY, own.randbytes(turn * 97), rsv=rsv)
                say(number, PING, MARK + own.randbytes(4))
                say(number, TEXT, b"in parts, ", fin=False)
                say(number, PONG, MARK + own.randbytes(4))
                say(number, 0, b"whole")
                say(number, PING, own.randbytes(turn))
                say(number, PONG, own.randbytes(9 + turn))
            time.sleep(0.1)  # room for a ping or two
        for peer in peers:
            peer.await_pings(4)
        for number in (0, 1):
            peers[1 - number].await_frames(said[number])
        # Each session and side has a tag of its own, and each ping another stamp behind it.
        tags = [{ping[:4] for ping in peer.pings} for peer in peers]
        assert len(tags[0]) == len(tags[1]) == 1 and tags[0] != tags[1], tags
        peers[0].send_frame(CLOSE, close_payload(1000))
        peers[1].await_frames(said[0] + [(0x88, close_payload(1000))])
        peers[1].send_frame(CLOSE, close_payload(1000))
        peers[0].await_frames(said[1] + [(0x88, close_payload(1000))])
        ends[1].finish()
        ends[0].finish()
        line = sluice.access_line("close", code="1000")
        for name in ("client_rtt", "upstream_rtt"):
            assert 0 < float(line[name]) < 15, line
        for number, name in enumerate(("client", "upstream")):
            messages = sum(first & 0x0F in (TEXT, BINARY) for first, _ in said[number])
            assert line[f"{name}_messages"] == str(messages), line
        return [len(peer.pings) for peer in peers]


@suite.check_each(*LINKS)
def pings_and_their_pongs_stay_between_the_proxy_and_each_peer(link):
    for deflate in (False, True):
        pings = run_with_pings(link, deflate)
        print(f"pings: {link}{', deflate' if deflate else ''}: {pings[0]} to the client, "
              f"{pings[1]} to the upstream, none beyond")


@suite.check
def clients_that_speak_together_are_not_pinged_together():
    count, interval = 40, 3.0
    with Upstream() as upstream, Sluice(
            f"@client_ping_interval {milliseconds(interval)}\n" + conf_for(upstream)) as sluice:
        ends = [pair(sluice, upstream) for _ in range(count)]
        clients = [Peer(client) for client, _ in ends]
        time.sleep(0.1)
        spoke = []
        for client in clients:
            spoke.append(time.monotonic())
            client.send_frame(TEXT, "hello")
        for _, server in ends:
            server.expect(TEXT, b"hello")
        pinged = []
        for client, at in zip(clients, spoke):
            wait_until(lambda: client.pinged_at and client.pinged_at[-1] > at + interval / 2,
                       "a ping")
            pinged.append(client.pinged_at[-1] - at)
        print(f"pings: {count} clients that spoke together were pinged {min(pinged):.2f} to "
              f"{max(pinged):.2f} s later at interval {interval} s")
        assert min(pinged) > 0.9 * interval - 0.05 and max(pinged) < interval + SLACK, pinged
        assert max(pinged) - min(pinged) > interval / 30, pinged
        for client, server in ends:
            server.close()
            client.close()


# --- peers that are gone --------------------------------------------------------------------------


def idle_client(port, host="127.0.0.1", prefix=()):
    """A client in a process of its own, which echoes one message, then answers pings."""
    return subprocess.Popen(
        [*prefix, os.path.join(BIN, "sluice-bench"), "--idle", "--idle-messages", "1",
         "--connections", "1", "--duration", "1h", "--quiet", f"ws://{host}:{port}/"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def milliseconds(seconds):
    return f"{seconds * 1000:.0f}ms"


def timed_pings():
    return BOTH.format(milliseconds(INTERVAL), milliseconds(TIMEOUT))


def assert_in_time(took, what):
    print(f"pings: {what}: found after {took:.2f} s at interval {INTERVAL} s, timeout {TIMEOUT} s")
    assert took < INTERVAL + TIMEOUT + SLACK, took


def lose_client(what, sluice, upstream, client, lose):
    """The client answers, is lost, and is found: by the upstream, too."""
    try:
        server = Peer(upstream.upgrade())
        wait_until(lambda: server.frames, "the message")
        server.send_frame(BINARY, server.frames[0][1])
        time.sleep(INTERVAL + TIMEOUT + random.uniform(0.2, 0.2 + INTERVAL))
        assert not server.ended, "lost though it answers"
        lose()
        lost = time.monotonic()
        wait_until(lambda: server.ended, "the loss")
        assert_in_time(time.monotonic() - lost, what)
        assert len(server.frames) == 1, server.frames  # an end without a Close
        server.wire.close()
        line = sluice.access_line("close", reason="client_ping_timeout")
        assert (line["closed_by"], line["fault"]) == ("proxy", "client"), line
        assert float(line["client_rtt"]) > 0, line
        sluice.wait_sessions(0)
    finally:
        end(client)


@suite.check
def a_client_that_stands_still_is_found():
    with Upstream() as upstream, Sluice(timed_pings() + "\n" + conf_for(upstream)) as sluice:
        client = idle_client(sluice.port)
        lose_client("a stopped client", sluice, upstream, client,
                    lambda: client.send_signal(signal.SIGSTOP))


class Network:
    """A network namespace with a link to ours, both with an address; Skip where none may be made."""

    def __init__(self):
        number = os.getpid()
        self.name = f"sluice{number}"
        self.link = f"slc{number}"
        net = f"198.18.{number // 64 % 256}.{number % 64 * 4}".rsplit(".", 1)
        self.near, self.far = (f"{net[0]}.{int(net[1]) + i}" for i in (1, 2))

    def run(self, *words):
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skip(f"ip {' '.join(words)}: {done.stderr.strip()}")

    def __enter__(self):
        try:
            self.run("netns", "add", self.name)
        except FileNotFoundError:
            raise Skip("there is no ip command") from None
        try:
            self.run("link", "add", self.link, "type", "veth", "peer", "name", "far", "netns",
                     self.name)
            self.run("addr", "add", self.near + "/30", "dev", self.link)
            self.run("link", "set", self.link, "up")
            self.run("-n", self.name, "addr", "add", self.far + "/30", "dev", "far")
            self.run("-n", self.name, "link", "set", "far", "up")
        except Skip:
            self.__exit__()
            raise
        return self

    def cut(self):
        self.run("-n", self.name, "link", "set", "far", "down")

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "del", self.link], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)


@suite.check
def a_client_whose_link_is_cut_is_found():
    port = free_port()
    with Network() as network, Upstream() as upstream, Sluice(
            f"{timed_pings()}\nlisten {network.near}:{port}\n{conf_for(upstream)}") as sluice:
        client = idle_client(port, network.near, ("ip", "netns", "exec", network.name))
        lose_client("a client behind a link that is down", sluice, upstream, client, network.cut)


class Echo:
    """sluice-echo in a process of its own, on a free port."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "sluice-echo"), "--listen", "127.0.0.1:0", "--quiet"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.uri = "ws://127.0.0.1:" + self.process.stdout.readline().rsplit(":", 1)[1].strip()
        return self

    def __exit__(self, *_):
        end(self.process)
        self.process.stdout.close()


@suite.check_each("off", "1012")
def an_upstream_that_stands_still_is_found(lost_close_code):
    top = f"{timed_pings()}\n@lost_close_code {lost_close_code}\n"
    with Echo() as echo, Sluice(top + conf_for(echo)) as sluice:
        wire = dial(sluice.port)
        wire.send(request())
        assert wire.head().status == 101
        client = Peer(wire)
        client.send_frame(TEXT, "hello")
        client.await_frames([(0x81, b"hello")])
        time.sleep(INTERVAL + TIMEOUT + random.uniform(0.2, 0.2 + INTERVAL))
        assert not client.ended, "lost though it answers"
        echo.process.send_signal(signal.SIGSTOP)
        lost = time.monotonic()
        close = [] if lost_close_code == "off" else [(0x88, close_payload(1012))]
        wait_until(lambda: client.ended or len(client.frames) > 1, "the loss")
        assert_in_time(time.monotonic() - lost, "a stopped upstream")
        client.await_frames([(0x81, b"hello")] + close)
        if close:
            client.send_frame(CLOSE, close_payload(1012))
        wait_until(lambda: client.ended, "the end")
        wire.close()
        line = sluice.access_line("close", reason="upstream_ping_timeout")
        assert (line["closed_by"], line["fault"]) == ("proxy", "upstream"), line
        assert float(line["upstream_rtt"]) > 0, line
        assert "it answers no ping (upstream_ping_timeout)" in sluice.errors(), sluice.errors()
        sluice.wait_sessions(0)


# --- when there is a ping, and when none ----------------------------------------------------------


@suite.check_each(PLAIN, SECURE[2])
def no_ping_inside_a_message_toward_that_peer(link):
    """Neither between its fragments nor inside a frame; the other peer is pinged meanwhile."""
    for number in (0, 1):
        with session(BOTH.format("50ms", "15s"), link) as (sluice, *ends):
            peers = [Peer(wire) for wire in ends]
            speaker, taker = peers[number], peers[1 - number]
            masked = speaker.wire.masked
            second = header(0, 8, masked) + (b"\0\0\0\0" if masked else b"") + b"half"

            def assert_no_ping():
                time.sleep(0.15)  # one before the message may be under way
                seen = len(taker.pings)
                time.sleep(0.3)
                assert len(taker.pings) == seen, "a ping inside a message"
                return seen
            taker.await_pings(2)
            speaker.send_frame(BINARY, b"one", fin=False)
            asked = len(speaker.pings)
            assert_no_ping()
            assert len(speaker.pings) > asked, "no ping to who sends nothing more"
            with speaker.lock:  # its own pongs wait for its frame
                speaker.wire.send(second)
                seen = assert_no_ping()
                speaker.wire.send(b"half" + frame(0, b"end", masked))
            taker.await_pings(seen + 2)
            taker.await_frames([(0x02, b"one"), (0x00, b"halfhalf"), (0x80, b"end")])
            sluice.wait_sessions(1)


@suite.check
def who_sends_is_not_pinged():
    with session(BOTH.format("900ms", "15s")) as (_, *ends):
        client, server = (Peer(wire) for wire in ends)
        for _ in range(40):
            client.send_frame(TEXT, "tick")
            time.sleep(0.05)
        assert not client.pings, "pinged though it sends"
        server.await_pings(1)  # it says nothing
        client.await_pings(1)


@suite.check
def who_cannot_be_read_is_not_lost():
    """The upstream takes nothing, so the client is not read: its pong stands behind its messages."""
    with Upstream(receive_buffer=16 * 1024) as upstream, Sluice(
            "@client_ping_interval 200ms\n@client_ping_timeout 600ms\n" +
            conf_for(upstream)) as sluice:
        client, server = pair(sluice, upstream)
        flood = frame(BINARY, b"f" * 65536, True)
        sent = push_until_blocked(client, flood, seconds=0.3)
        time.sleep(1.5)
        assert sluice.report()["sessions"] == 1, sluice.access()
        rest = flood[sent % len(flood):]
        reader = Peer(server)
        if sent % len(flood):
            client.send(rest)
        peer = Peer(client)
        peer.await_pings(3)
        wait_until(lambda: len(reader.frames) == -(-sent // len(flood)), "all messages")
        assert set(reader.frames) == {(0x82, b"f" * 65536)}
        assert sluice.report()["sessions"] == 1, sluice.access()
        server.close()
        client.close()


@suite.check_each("", "4321")
def pings_do_not_put_off_idle_timeout(code):
    top = BOTH.format("100ms", "15s") + "\n@idle_timeout 900ms"
    if code:
        top += f"\n@idle_code {code}"
    with session(top) as (sluice, *ends):
        peers = [Peer(wire) for wire in ends]
        peers[0].send_frame(TEXT, "the last word")
        said = time.monotonic()
        wait_until(lambda: peers[0].frames, "the Close")
        assert time.monotonic() - said > 0.85, "too early"
        close = (0x88, close_payload(int(code or 1001)))
        peers[0].await_frames([close])
        peers[1].await_frames([(0x81, b"the last word"), close])
        for peer in peers:
            assert len(peer.pings) >= 2, peer.pings
            peer.send_frame(CLOSE, close[1])
            peer.wire.finish()
        line = sluice.access_line("close", reason="idle_timeout")
        sent = struct.unpack("!H", close[1])[0]
        assert (line["sent_client"], line["sent_upstream"]) == (str(sent), str(sent)), line


suite.run()
