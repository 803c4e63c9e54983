"""What goes in comes out: every kind of message in every split, both ways at once, without more
memory than one ring for whoever does not read, and with none for whoever is silent."""
import os
import random
import resource
import socket
import struct
import sys
import tempfile
import threading
import time

from harness import PATIENCE, SANITIZED, Sluice, Suite, wait_until
from relay_digests import Receiver, Sender
from tls import LINKS, PLAIN, SECURE, server_wrap
from wire import (BINARY, CLOSE, PING, PONG, TEXT, Upstream, Wire, answer_101, close_in_order,
                  close_payload, dial, frame, pair, push_until_blocked, request)

suite = Suite()

RING = 256 * 1024


def check_digests(link, sessions, largest_of_few, top=""):
    seed = int(os.environ.get("SLUICE_RELAY_SEED", random.randrange(1 << 32)))
    with link.upstream() as upstream, link.sluice(upstream, top) as sluice:
        flows = []
        for number in range(sessions):
            client, server = pair(sluice, upstream)
            largest = largest_of_few if number % 16 == 0 else 300_000
            flows.append((Sender(client, (seed << 8) + number * 2, largest), Receiver(server)))
            flows.append((Sender(server, (seed << 8) + number * 2 + 1, largest), Receiver(client)))
        for sender, receiver in flows:
            sender.start()
            receiver.start()
        for sender, receiver in flows:
            sender.join(120)
            receiver.join(120)
            replay = f"SLUICE_RELAY_SEED={seed} replays it"
            assert not receiver.is_alive(), f"a receiver waits on; {replay}"
            assert sender.digest.digest() == receiver.digest.digest(), f"bytes differ; {replay}"
        for sender, _ in flows:
            sender.wire.close()
        sluice.wait_sessions(0)
        report = sluice.report()
        assert report["rings_lent"] == report["blocks_lent"] == report["pipes_lent"] == 0, report
        assert report["transits_lent"] == 0, report


@suite.check_each(*LINKS)
def digests_of_64_sessions(link):
    check_digests(link, 64, 8 << 20)


@suite.check_each(PLAIN, SECURE[-1])
def digests_with_the_smallest_ring(link):
    """Headers and control frames meet the ring's end in many more places, and large frames, too."""
    check_digests(link, 8, 1 << 20, "@ring_size 16k\n@splice off")


@suite.check_each(*LINKS)
def one_byte_at_a_time(link):
    frames = (frame(TEXT, "x" * 200, True, fin=False) + frame(PING, b"p", True)
              + frame(0, b"", True) + frame(BINARY, b"y" * 70_000, True)[:600])
    with link.upstream() as upstream, link.sluice(upstream) as sluice:
        client, server = pair(sluice, upstream)
        for byte in frames:
            client.send(bytes([byte]))
        assert server.take(len(frames)) == frames, "masked frames travel as they are"


@suite.check_each(*SECURE)
def records_split_at_every_byte(link):
    """TLS handshakes and records that come byte by byte, from both peers, are put together."""
    options = {"wrap": server_wrap(piece=1)} if link.upstream_scheme == "wss" else {}
    with link.upstream(**options) as upstream, link.sluice(upstream, piece=1) as sluice:
        for number in range(3):
            client, server = pair(sluice, upstream)
            rng = random.Random(number)
            for size in (0, 1, 126, 300):
                payload = rng.randbytes(size)
                client.send_frame(BINARY, payload)
                server.expect(BINARY, payload)
                server.send_frame(TEXT, payload)
                client.expect(TEXT, payload)
            close_in_order(client, server)
            line = wait_until(lambda number=number: next(
                (line for line in sluice.access() if line["event"] == "close"
                 and line["id"].startswith("0-") and line["id"].endswith(f"-{number + 1}")), None),
                              "its close line")
            assert line["reason"] == "close" and line["code"] == "1000", line


@suite.check_each(*LINKS)
def close_codes_pass(link):
    """Either peer's code and reason reach the other one, and both connections end in order."""
    with link.upstream() as upstream, link.sluice(upstream) as sluice:
        for code in (1000, 1001, 1011, 3000, 4999):
            for client_begins in (True, False):
                client, server = pair(sluice, upstream)
                one, other = (client, server) if client_begins else (server, client)
                one.send_frame(CLOSE, close_payload(code, b"because"))
                assert other.expect_close(code) == b"because"
                other.send_frame(CLOSE, close_payload(code))
                one.expect_close(code)
                client.expect_end()
                client.close()
                server.close()
                sluice.access_line("close", code=str(code), reason="close",
                                   closed_by="client" if client_begins else "upstream")
        for wrong, code in ((frame(3, b"", True), 1002),
                            (frame(CLOSE, close_payload(999), True), 1002)):
            client, server = pair(sluice, upstream)
            client.send(wrong)
            client.expect_close(code)
            server.expect_end()
            client.close()
            server.close()
            sluice.access_line("close", sent_client=str(code), closed_by="proxy", fault="client")


@suite.check_each(*LINKS)
def control_frames_pass_end_to_end(link):
    with link.upstream() as upstream, link.sluice(upstream) as sluice:
        client, server = pair(sluice, upstream)
        client.send_frame(PING, b"are you there")
        server.expect(PING, b"are you there")
        server.send_frame(PONG, b"are you there")
        client.expect(PONG, b"are you there")
        server.send_frame(PING, b"p" * 125)
        client.expect(PING, b"p" * 125)


@suite.check_each(*LINKS)
def endless_frame(link):
    """A frame of 2^63 - 1 bytes begins and goes through; nothing waits for its end."""
    with link.upstream() as upstream, link.sluice(upstream) as sluice:
        client, server = pair(sluice, upstream)
        head = struct.pack("!BBQ", 0x82, 0xFF, (1 << 63) - 1) + b"\0\0\0\0"
        client.send(head)
        assert server.take(len(head)) == head
        block = random.randbytes(1 << 20)
        for _ in range(8):
            sender = threading.Thread(target=client.send, args=(block,), daemon=True)
            sender.start()
            assert server.take(len(block)) == block
        assert sluice.report()["rings_lent"] <= 1
        client.reset()
        server.expect_reset()


@suite.check_each(*LINKS)
def compressed_messages_survive(link):
    """permessage-deflate is negotiated end to end: RSV1 and payload travel untouched."""
    offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]
    accepted = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=12")]
    with link.upstream() as upstream, link.sluice(upstream) as sluice:
        client, server = pair(sluice, upstream, fields=offer, answer_fields=accepted)
        assert server.request.all("Sec-WebSocket-Extensions") == [offer[0][1]]
        assert client.answer.get("Sec-WebSocket-Extensions") == accepted[0][1]
        client.send_frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)  # RFC 7692 7.2.3.1
        assert server.frame() == (0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00")
        server.send_frame(TEXT, b"\xf2\x48", rsv=4, fin=False)
        server.send_frame(0, b"\xcd\xc9\xc9\x07\x00")
        assert client.frame() == (0x41, b"\xf2\x48")
        assert client.frame() == (0x80, b"\xcd\xc9\xc9\x07\x00")


def check_back_pressure(sluice, slow, flooder, what):
    flood = frame(BINARY, b"f" * 65536, flooder.masked)
    stopped_at = push_until_blocked(flooder, flood)
    report = sluice.report()
    assert report["rings_lent"] + report["pipes_lent"] == 1, report
    assert report["bytes_lent"] <= RING, report
    time.sleep(0.5)
    # The kernel's buffers may grow for a while; then nothing moves at all.
    for _ in range(10):
        more = push_until_blocked(flooder, flood, stopped_at) - stopped_at
        stopped_at += more
        if more == 0:
            break
    assert more == 0, f"{what}: the flood is not stopped"
    report = sluice.report()
    assert report["bytes_lent"] <= RING, report
    print(f"back-pressure: {what} stopped after {stopped_at} bytes, "
          f"{report['bytes_lent']} bytes lent")
    # The other direction is not held up.
    slow.send_frame(TEXT, "still here")
    flooder.expect(TEXT, "still here")
    # Once the slow one reads, everything arrives; in TLS a record may have gone in part.
    threading.Thread(target=flooder.send, args=(b"",), daemon=True).start()
    got = 0
    while got < stopped_at:
        slow.buffer.clear()
        slow.fill()
        got += len(slow.buffer)
    assert got == stopped_at
    wait_until(lambda: sluice.report()["rings_lent"] == 0, "rings given back")
    assert sluice.report()["pipes_lent"] == 0


@suite.check_each(*LINKS)
def back_pressure(link):
    """Whoever does not read costs one ring, and TCP stops the other side."""
    small = 64 * 1024
    with link.upstream() as upstream, link.sluice(upstream) as sluice:
        client, server = pair(sluice, upstream, receive_buffer=small)
        check_back_pressure(sluice, client, server, f"{link}, upstream")
    with link.upstream(receive_buffer=small) as upstream, link.sluice(upstream) as sluice:
        client, server = pair(sluice, upstream)
        check_back_pressure(sluice, server, client, f"{link}, client")


@suite.check_each(*LINKS)
def stalled_remainder_moves_to_a_small_ring(link):
    """What a slow reader leaves is kept in the smallest ring that holds it."""
    with link.upstream() as upstream, link.sluice(upstream) as sluice:
        client, server = pair(sluice, upstream, receive_buffer=16 * 1024)
        server.sock.setblocking(False)
        held = 0
        for step in range(20_000):  # in small steps, so that the ring is hardly filled when it stalls
            try:
                server.sock.send(frame(BINARY, b"s" * 1000))
            except BlockingIOError:
                break
            held = sluice.report()["bytes_lent"] if step % 10 == 9 else 0
            if held:
                break
        assert held > 0
        wait_until(lambda: sluice.report()["bytes_lent"] < RING, "a smaller ring", 5)
        client.close()


@suite.check_each(*LINKS)
def send_timeout_aborts_the_slow_reader(link):
    for slow in ("client", "upstream"):
        small = 16 * 1024
        with link.upstream(receive_buffer=small if slow == "upstream" else 0) as upstream, \
                link.sluice(upstream, "@send_timeout 2s") as sluice:
            client, server = pair(sluice, upstream,
                                  receive_buffer=small if slow == "client" else 0)
            reader, flooder = (client, server) if slow == "client" else (server, client)
            flood = frame(BINARY, b"f" * 65536, flooder.masked)
            push_until_blocked(flooder, flood, seconds=0.5)
            flooder.expect_end()  # its peer is lost
            flooder.close()
            line = sluice.access_line("close", reason="send_timeout")
            assert (line["closed_by"], line["fault"]) == ("proxy", slow), line
            if not link.secure:  # in TLS the records that a reset cut are what is found first
                reader.expect_reset()
            wait_until(lambda: sluice.report()["rings_lent"] == 0, "rings given back")


@suite.check_each(PLAIN, SECURE[0])
def a_little_at_a_time_is_not_nothing(link):
    """send_timeout does not strike a reader whose progress the kernel's buffer hides."""
    with link.upstream() as upstream, link.sluice(upstream, "@send_timeout 2s") as sluice:
        client, server = pair(sluice, upstream, receive_buffer=8 * 1024)
        push_until_blocked(server, frame(BINARY, b"f" * 65536), seconds=0.2)
        for _ in range(12):
            time.sleep(0.3)
            assert client.sock.recv(4 * 1024)
        client.send_frame(TEXT, "still here")
        server.expect(TEXT, "still here")
        # It takes nothing any more; zero-window probes still move a little for a while.
        wait_until(lambda: any(line.get("reason") == "send_timeout" for line in sluice.access()),
                   "the abort", PATIENCE)
        assert sluice.access_line("close", reason="send_timeout")["fault"] == "client"
        client.close()
        server.close()


class IdleServer(threading.Thread):
    """Accepts thousands of sessions and holds them."""

    def __init__(self, upstream):
        super().__init__(daemon=True)
        self.upstream = upstream
        self.held = []

    def run(self):
        try:
            while True:
                wire = self.upstream.accept()
                wire.send(answer_101(wire.head().get("Sec-WebSocket-Key")))
                self.held.append(wire)
        except OSError:
            pass  # the listener was closed


@suite.check_each(*SECURE)
def slow_readers_cost_a_ring_and_some_ciphertext(link):
    """Besides the ring, TLS holds at most what one call has encrypted: 64 KiB."""
    def stall(count):
        for _ in range(count):
            client, server = pair(sluice, upstream, receive_buffer=16 * 1024)
            held.append((client, server))
            push_until_blocked(server, flood, seconds=0.1)
    held = []
    flood = frame(BINARY, b"f" * 65536)
    with link.upstream() as upstream, link.sluice(upstream) as sluice:
        worker = sluice.workers()[0]
        stall(4)  # what the first ones make the process set up
        before = user_bytes(worker)
        stall(12)
        each = (user_bytes(worker) - before) / 12
        print(f"slow readers, {link}: {each:.0f} bytes of user memory each")
        assert sluice.report()["bytes_lent"] <= 16 * RING
        if not SANITIZED:
            assert each <= RING + 64 * 1024 + 30_000, each  # and the idle session
        for client, server in held:
            client.reset()
            server.close()
        sluice.wait_sessions(0)


def user_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no Private_Dirty")


def open_sessions(sluice, count):
    clients = []
    for _ in range(count):
        client = dial(sluice.port, wrap=sluice.wrap)
        client.send(request())
        assert client.head().status == 101
        clients.append(client)
    return clients


@suite.check_each(*LINKS)
def idle_sessions_own_nothing(link):
    """5,000 idle sessions: no ring is lent, each costs at most 256 bytes of user memory, and each
    connection in TLS at most 15 KB more for each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(5000, (hard - 200) // 2 - 600)
    some = 500
    if link.secure:  # which takes these tests longer to set up
        some, count = 50, min(count, 250)
    with link.upstream() as upstream, link.sluice(upstream, access=False) as sluice:
        servers = IdleServer(upstream)
        servers.start()
        held = open_sessions(sluice, some)  # what the first ones make the process set up
        worker = sluice.workers()[0]
        sluice.report()
        before = user_bytes(worker)
        held += open_sessions(sluice, count)
        for client, server in zip(held[:200], servers.held):
            client.send_frame(TEXT, "some of them speak")
            server.frame()
        wait_until(lambda: sluice.report()["sessions"] == count + some, "sessions")
        report = wait_until(lambda: (lambda r: r if r["rings_lent"] == 0 else None)(sluice.report()),
                            "an idle worker lends no ring")
        assert report["blocks_lent"] == report["transits_lent"] == 0, report
        assert report["relaying"] == count + some, report
        each = (user_bytes(worker) - before) / count
        print(f"idle sessions, {link}: {count} more cost {each:.0f} bytes of user memory each "
              f"(the session object: {report['bytes_a_session']})")
        if not SANITIZED:
            rounding = 65536 / count
            assert each <= 256 + rounding + 15 * 1024 * link.text.count("wss"), each
        for wire in held:
            wire.reset()
        sluice.wait_sessions(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@suite.check
def unix_sockets_both_ways():
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    with Upstream(unix_path=folder + "/up.sock") as upstream:
        conf = f"listen unix:{folder}/in.sock\nroute /\n  proxy_pass ws://unix:{folder}/up.sock:/deep"
        with Sluice(conf, workers=2) as sluice:
            assert os.stat(folder + "/in.sock").st_mode & 0o777 == 0o666
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(folder + "/in.sock")
            client = Wire(sock, masked=True)
            client.send(request("/x"))
            server = upstream.upgrade()
            assert server.request.target == "/deep/x"
            assert server.request.get("X-Forwarded-For") is None, "it has no address"
            assert client.head().status == 101
            threading.Thread(target=client.send_frame, args=(BINARY, b"u" * 1_000_000)).start()
            assert server.frame() == (0x82, b"u" * 1_000_000)
        assert not os.path.exists(folder + "/in.sock"), "the socket is left behind"


if sys.version_info < (3, 9):
    sys.exit("python 3.9 or newer is needed")
suite.run()
