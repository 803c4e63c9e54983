"""buffer_memory: readers that take nothing cannot make a worker hold more, and cost those that keep
up nothing; who has taken nothing for longest goes first."""
import contextlib

from harness import Suite, wait_until
from tls import LINKS
from wire import BINARY, frame, pair, push_until_blocked

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


suite.run()
