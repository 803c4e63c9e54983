"""buffer_memory: readers that take nothing cannot make a worker hold more, and cost those that keep
up nothing; who has taken nothing for longest goes first."""
import contextlib

from harness import Sluice, Suite, wait_until
from tls import LINKS
from wire import BINARY, Upstream, dial, frame, pair, push_until_blocked, request

suite = Suite()

BUDGET = 2 << 20
RING = 64 * 1024
CROWD = 60


def push(wire, data):
    with contextlib.suppress(OSError):  # ended meanwhile
        push_until_blocked(wire, data, seconds=0.05)


@suite.check_each(*LINKS)
def readers_that_take_nothing_are_bounded(link):
    conf = f"@buffer_memory {BUDGET // 1024}k\n@ring_size {RING // 1024}k\n@splice off\n" \
           "@close_timeout 200ms"
    held = []
    flood = frame(BINARY, b"f" * 65536)
    with link.upstream() as upstream, link.sluice(upstream, conf) as sluice:
        honest = pair(sluice, upstream)
        most = 0
        for number in range(CROWD):
            client, server = pair(sluice, upstream, receive_buffer=16 * 1024)
            held.append((client, server))
            push(server, flood)
            if number % 10 != 9:
                continue
            most = max(most, sluice.report()["bytes_lent"])
            honest[0].send_frame(BINARY, b"still here")
            honest[1].expect(BINARY, b"still here")
            honest[1].send_frame(BINARY, b"h" * 200_000)
            honest[0].expect(BINARY, b"h" * 200_000)
        # Beyond the budget only tiny rings are lent.
        assert most <= BUDGET + CROWD * 4096, most
        wait_until(lambda: sluice.report()["bytes_lent"] <= BUDGET * 3 // 4, "room again", 10)
        assert f"buffer_memory {BUDGET} bytes: ended" in sluice.errors()
        wait_until(lambda: sluice.report()["sessions"] < CROWD, "the ended ones gone")
        lines = [line for line in sluice.access() if line.get("reason") == "buffer_memory"]
        assert lines and {line["fault"] for line in lines} == {"client"}, lines
        ended = {line["client"] for line in lines}
        order = [f"127.0.0.1:{client.sock.getsockname()[1]}" in ended for client, _ in held]
        # Those that stalled first went first, but for a few: a kernel that probes a shut window gets
        # a few bytes through, which is progress.
        assert all(order[:max(0, sum(order) - 8)]), order
        honest[0].send_frame(BINARY, b"and now")
        honest[1].expect(BINARY, b"and now")
        for client, server in held:
            client.close()
            server.close()


@suite.check
def readers_of_refusals_are_bounded_as_well():
    """An answer that is no 101 is relayed through rings, too."""
    conf = f"@buffer_memory {BUDGET // 1024}k\n@ring_size {RING // 1024}k\n@splice off\n" \
           "@close_timeout 200ms"

    def refuse(wire):
        wire.head()
        wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 100000000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(1_000):
                wire.send(b"r" * 100_000)
    with Upstream() as upstream, Sluice(
            f"{conf}\nroute /refused\n  proxy_pass {upstream.uri}\n") as sluice:
        upstream.serve(refuse, times=None)
        held = []
        most = 0
        for number in range(CROWD):
            client = dial(sluice.port, receive_buffer=16 * 1024)
            client.send(request("/refused"))
            held.append(client)
            if number % 10 == 9:
                most = max(most, sluice.report()["bytes_lent"])
        assert most <= BUDGET + CROWD * 4096, most
        wait_until(lambda: sluice.report()["bytes_lent"] > BUDGET * 3 // 4, "a crowd", 10)
        # Smaller rings may do; else who has taken nothing for longest is ended.
        wait_until(lambda: sluice.report()["bytes_lent"] <= BUDGET * 3 // 4, "room again", 10)
        for client in held:
            client.close()


suite.run()
