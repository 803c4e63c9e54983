"""Limits of sessions and descriptors: what a worker promises, what those beyond it are told, and what
happens where descriptors run out all the same."""
import os
import pwd
import re
import resource
import signal
import socket
import time

from harness import PATIENCE, Sluice, Suite, open_files, simple, wait_until
from wire import TEXT, Reset, Upstream, dial, pair, refusal, request

suite = Suite()


@suite.check_each(1, 20, 100)
def promised_sessions_beside_many_listeners(listeners):
    """At a small descriptor limit, each promised session is served and everybody else told 503."""
    limits = ("bash", "-c", f'ulimit -n {190 + listeners}; exec "$0" "$@"')
    held_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(listeners)]
    ports = [sock.getsockname()[1] for sock in held_ports]
    for sock in held_ports:
        sock.close()
    lines = "".join(f"listen 127.0.0.1:{port}\n" for port in ports)
    with Upstream() as upstream, Sluice(
            f"@worker_connections 5000\n{lines}route /\n  proxy_pass {upstream.uri}", listen=False,
            prefix=limits) as sluice:
        most = most_permitted(sluice)
        assert most >= 20, most
        sessions = []
        for i in range(most):
            client = dial(ports[i % len(ports)])
            client.send(request())
            server = upstream.upgrade()
            assert client.head().status == 101
            sessions.append((client, server))
        # Some that never take their answer, as many as are waited for, and beyond them a crowd.
        silent = [dial(ports[-1]) for _ in range(32)]
        crowd = [dial(ports[i % len(ports)]) for i in range(100)]
        for client in crowd:
            client.send(request())
        assert {client.head().status for client in crowd} == {503}
        sluice.signal(signal.SIGUSR1)
        wait_until(lambda: "logs reopened" in sluice.errors(), "new logs")
        for client, server in sessions:
            client.send_frame(TEXT, "still here")
            server.expect(TEXT, "still here")
        assert "accepting pauses" not in sluice.errors()
        for client in silent + crowd:
            client.close()
        for wire in sessions[0]:
            wire.reset()
        wait_until(lambda: any(line["event"] == "close" for line in sluice.access()),
                   "a close line in the new log")


@suite.check
def crowd_beyond_worker_connections():
    with Upstream() as upstream, simple(upstream, "@worker_connections 2") as sluice:
        held = [pair(sluice, upstream) for _ in range(2)]
        crowd = [dial(sluice.port) for _ in range(60)]
        for client in crowd:
            client.send(request())
        statuses = []
        for client in crowd:
            try:
                statuses.append(client.head().status)
            except (Reset, EOFError):
                statuses.append(0)
        assert statuses.count(503) >= 33, statuses
        assert set(statuses) <= {503, 0}, statuses
        line = " warn worker_connections 2 reached: further clients are told 503"
        # It is written when the turn ends in which the clients were told.
        wait_until(lambda: sluice.errors().count(line) >= 1, "the line")
        assert sluice.errors().count(line) <= 5, sluice.errors()  # the others are counted
        held[0][0].send_frame(TEXT, "still here")
        held[0][1].expect(TEXT, "still here")


@suite.check
def beyond_worker_connections_503():
    with Upstream() as upstream, simple(upstream, "@worker_connections 3") as sluice:
        held = [pair(sluice, upstream) for _ in range(3)]
        head, _ = refusal(sluice, request())
        assert head.status == 503 and head.get("Retry-After"), head.raw
        held[0][0].send_frame(TEXT, "still here")
        held[0][1].expect(TEXT, "still here")
        held[0][0].reset()
        held[0][1].expect_end()
        held[0][1].close()
        wait_until(lambda: served(sluice, upstream), "room again")


def served(sluice, upstream):
    """Whether a client's handshake reaches the upstream."""
    client = dial(sluice.port)
    client.send(request())
    upstream.listener.settimeout(0.3)
    try:
        upstream.upgrade()
        return True
    except OSError:  # the time is over
        return False
    finally:
        upstream.listener.settimeout(PATIENCE)
        client.close()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


@suite.check
def descriptor_limit_is_raised_and_bounds_the_sessions():
    """worker_connections is by default what the worker's own descriptors leave of the hard limit."""
    limits = ("bash", "-c", 'ulimit -S -n 140; ulimit -H -n 160; exec "$0" "$@"')
    with Upstream() as upstream, simple(upstream, prefix=limits) as sluice:
        soft, hard = resource.prlimit(sluice.process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard, (soft, hard)
        with simple(upstream, "@worker_connections 5000", prefix=limits) as greedy:
            most = most_permitted(greedy)  # told once it is open
            own = len(open_files(greedy.workers()[0]))
        assert most == (hard - own - 93) // 2 > 0, (most, own)
        held = [pair(sluice, upstream) for _ in range(most)]
        assert refusal(sluice, request())[0].status == 503
        held[0][0].send_frame(TEXT, "still here")
        held[0][1].expect(TEXT, "still here")


def most_permitted(sluice):
    """What is promised where more was wanted than the descriptor limit permits."""
    return int(wait_until(lambda: re.findall(
        r"worker_connections \d+ is more than \d+ descriptors permit, \d+ of them the worker's own: "
        r"(\d+)\n", sluice.errors()), "what is permitted")[0])


@suite.check
def out_of_descriptors():
    """Accepting pauses, nothing spins, live sessions are untouched, and it recovers."""
    # The limit of another process is changed here, which needs the same user.
    top = "@worker_connections 1000\n@user " + pwd.getpwuid(os.geteuid()).pw_name
    with Upstream() as upstream, simple(upstream, top) as sluice:
        client, server = pair(sluice, upstream)
        worker = sluice.workers()[0]
        used = len(open_files(worker))
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 4, limits[1]))
        crowd = [dial(sluice.port) for _ in range(20)]
        wait_until(lambda: "accepting pauses: accept: Too many open files" in sluice.errors(),
                   "the pause is told")
        ticks = cpu_ticks(worker)
        for _ in range(10):
            time.sleep(0.1)
            client.send_frame(TEXT, "still here")
            server.expect(TEXT, "still here")
        spent = cpu_ticks(worker) - ticks
        assert spent < 30, f"{spent} ticks in a second: it spins"
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
        begin = time.monotonic()
        crowd[-1].send(request())
        upstream.upgrade()
        assert crowd[-1].head().status == 101
        assert time.monotonic() - begin < 5  # tests/FAULTS.md, and room for a busy machine


@suite.check
def no_descriptor_is_lost():
    with Upstream() as upstream, simple(upstream) as sluice:
        pair(sluice, upstream)[0].reset()
        sluice.wait_sessions(0)
        worker = sluice.workers()[0]
        before = len(open_files(worker))
        for _ in range(100):
            pair(sluice, upstream)[0].reset()
            refusal(sluice, b"nonsense\r\n\r\n")
        wait_until(lambda: len(open_files(worker)) == before, "descriptors as before")


suite.run()
