"""Master, workers and signals: core/DESIGN.md sections 4 and 7 (signals, workers, logs) and the
rows of tests/FAULTS.md that concern processes; limits_test.py has those about descriptors."""
import os
import re
import signal
import socket
import subprocess
import time

from harness import (BIN, Sluice, Suite, conf_for, failed_start, free_port, simple, wait_until)
from wire import (BINARY, CLOSE, TEXT, Reset, Upstream, close_in_order, close_payload, dial,
                  dial_or_none, header, pair, request)

suite = Suite()


def pid_of_session(sluice, workers, client):
    """The worker that holds this client's session: each writes its lines when it gets to it, so
    their order tells nothing."""
    address, port = client.sock.getsockname()
    line = sluice.access_line("open", client=f"{address}:{port}")
    return workers[int(line["id"].split("-")[0])]


@suite.check
def killed_worker_is_back_and_others_go_on():
    with Upstream() as upstream, simple(upstream, workers=2) as sluice:
        sluice.may_be_killed = True
        workers = sorted(sluice.workers())
        sessions = {}
        while len(sessions) < 2:  # until both workers have one
            ends = pair(sluice, upstream)
            sessions.setdefault(pid_of_session(sluice, workers, ends[0]), ends)
        victim, survivor = workers
        os.kill(victim, signal.SIGKILL)
        begin = time.monotonic()
        wait_until(lambda: len(sluice.workers()) == 2 and victim not in sluice.workers(),
                   "a new worker", 1)
        for _ in range(20):  # connections that land on either worker
            pair(sluice, upstream)[0].close()
        print(f"killed worker: both serve again within {(time.monotonic() - begin) * 1000:.0f} ms")
        client, server = sessions[survivor]
        client.send_frame(TEXT, "still here")
        server.expect(TEXT, "still here")
        try:
            assert sessions[victim][0].rest() == b""
        except Reset:
            pass  # the kernel ends what the dead worker held in either way
        assert "was killed by signal 9, starting it again" in sluice.errors()


@suite.check
def counters_outlive_their_worker():
    with Upstream() as upstream, simple(upstream) as sluice:
        sluice.may_be_killed = True
        client, server = pair(sluice, upstream)
        client.send_frame(TEXT, "counted")
        server.expect(TEXT, "counted")
        close_in_order(client, server)
        wait_until(lambda: sluice.report().get("ended_by_peer_close") == 1, "the end is counted")
        before = sluice.report()
        assert (before["accepted"], before["relayed"], before["client_messages"]) == (1, 1, 1), before
        victim = sluice.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: sluice.workers() not in ([victim], []), "a new worker")
        pair(sluice, upstream)[0].close()
        after = sluice.report()
        assert after["relayed"] == 2 and after["client_messages"] == 1, after


@suite.check
def ids_are_unique_across_restarts():
    """Also where a worker takes its predecessor's place within the same second."""
    with Upstream() as upstream, simple(upstream) as sluice:
        sluice.may_be_killed = True
        for count in (1, 2, 3):
            worker = wait_until(sluice.workers, "a worker")[0]
            pair(sluice, upstream)[0].close()
            wait_until(lambda count=count: len([line for line in sluice.access()
                                                if line["event"] == "open"]) == count, "its line")
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda worker=worker: sluice.workers() not in ([worker], []), "another worker")
        ids = [line["id"] for line in sluice.access() if line["event"] == "open"]
        assert len(set(ids)) == 3, ids
        for each in ids:
            assert re.fullmatch(r"0-[0-9a-z]{6}-1", each), ids


@suite.check
def worker_that_keeps_dying_is_started_with_growing_pauses():
    with Upstream() as upstream, simple(upstream) as sluice:
        sluice.may_be_killed = True
        for _ in range(4):
            worker = wait_until(sluice.workers, "a worker")[0]
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: worker not in sluice.workers(), "its end")
        wait_until(lambda: "again in 0 ms" in sluice.errors() and "again in 100 ms" in sluice.errors()
                   and "again in 200 ms" in sluice.errors(), "growing pauses")
        wait_until(sluice.workers, "a worker")
        pair(sluice, upstream)


@suite.check
def term_and_int_close_at_boundaries_and_exit_within_a_second():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Upstream() as upstream, simple(upstream) as sluice:
            client, server = pair(sluice, upstream)
            inside, behind = pair(sluice, upstream)
            behind.send(header(0x82, 1000, False) + b"x" * 500)
            inside.take(504)
            waiting = dial(sluice.port)
            waiting.send(b"GET /")
            time.sleep(0.05)
            begin = time.monotonic()
            sluice.signal(number)
            client.expect_close(1001)
            server.expect_close(1001)
            behind.expect_close(1001)
            inside.expect_reset()
            assert waiting.rest() == b""
            assert sluice.wait(5) == 0
            took = time.monotonic() - begin
            assert took < 4, took  # close_timeout is 5 s
            client.expect_end()


@suite.check
def quit_waits_for_the_sessions():
    with Upstream() as upstream, simple(upstream, "@drain_timeout off", workers=2) as sluice:
        client, server = pair(sluice, upstream)
        sluice.signal(signal.SIGQUIT)

        def refused():
            try:
                socket.create_connection(("127.0.0.1", sluice.port), 1).close()
            except ConnectionResetError:
                pass  # queued where the listener was just closed
            except ConnectionRefusedError:
                return True
            return False
        wait_until(refused, "nothing is accepted any more")
        client.send_frame(TEXT, "still here")
        server.expect(TEXT, "still here")
        time.sleep(0.3)
        assert not sluice.dead()
        close_in_order(client, server)
        assert sluice.wait(10) == 0


@suite.check
def a_bad_conf_changes_nothing():
    with Upstream() as upstream, simple(upstream) as sluice:
        client, server = pair(sluice, upstream)
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: f"{sluice.conf_path} is in use as generation 2," in sluice.errors(),
                   "the good conf is told")
        sluice.write_conf("listen 1\nrout /\n")
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: f"{sluice.conf_path} is bad; nothing changes" in sluice.errors(),
                   "the bad conf is told")
        assert f'{sluice.conf_path}:2: unknown directive "rout", did you mean "route"?' \
            in sluice.errors()
        client.send_frame(TEXT, "still here")
        server.expect(TEXT, "still here")
        pair(sluice, upstream)


@suite.check
def usr1_reopens_the_logs():
    with Upstream() as upstream, simple(upstream, workers=2) as sluice:
        pair(sluice, upstream)
        wait_until(sluice.access, "an access line")
        os.rename(sluice.access_log, sluice.access_log + ".1")
        sluice.signal(signal.SIGUSR1)
        wait_until(lambda: "logs reopened" in sluice.errors(), "logs reopened")

        def new_line():
            pair(sluice, upstream)[0].close()
            return [line for line in sluice.access() if line["event"] == "open"]
        wait_until(new_line, "a line in the new file")
        size = os.path.getsize(sluice.access_log + ".1")
        time.sleep(0.2)
        pair(sluice, upstream)
        assert os.path.getsize(sluice.access_log + ".1") == size


@suite.check
def whoever_connects_at_the_start_is_served():
    """A connection that is taken, however early, is answered: no probe of ours queues it."""
    for _ in range(10):
        with Upstream() as upstream:
            sluice = simple(upstream, workers=2, wait=False)
            port = sluice.port
            try:
                client = wait_until(lambda port=port: dial_or_none(port), "a listener")
                client.send(request())
                server = upstream.upgrade()
                assert client.head().status == 101
                client.close()
                server.close()
                sluice.stop()
            finally:
                sluice.remove()


@suite.check
def address_in_use_is_said():
    with Upstream() as upstream, simple(upstream) as sluice:
        told = failed_start(f"listen 127.0.0.1:{sluice.port}\n{conf_for(upstream)}", listen=False)
        assert f"sluice: listen 127.0.0.1:{sluice.port}: bind: Address already in use" in told, told
        pair(sluice, upstream)


@suite.check
def addresses_are_told_at_start():
    port = free_port()
    with Upstream() as upstream:
        conf = f"listen [::1]:{port}\nroute /\n  proxy_pass {upstream.uri}"
        with Sluice(conf) as sluice:
            for address in (f"127.0.0.1:{sluice.port}", f"[::1]:{port}"):
                assert f" info listening on {address}" in sluice.errors(), sluice.errors()
            sock = socket.create_connection(("::1", port), 5)
            sock.sendall(request())
            server = upstream.upgrade()
            assert server.request.get("X-Forwarded-For") == "::1"
            sock.close()


@suite.check
def quit_right_after_the_start():
    """A signal that comes while workers are being born reaches them all."""
    for i in range(8):
        with Upstream() as upstream:
            sluice = simple(upstream, workers=16, wait=False)
            try:
                time.sleep(0.005 + 0.005 * i)
                sluice.signal(signal.SIGQUIT)
                status = sluice.wait(10)
                assert status in (0, -signal.SIGQUIT), status  # before main() the signal just ends it
            finally:
                sluice.remove()


@suite.check
def files_of_a_newer_instance_are_left_alone():
    with Upstream() as upstream:
        keeper = Sluice("route /\n  proxy_pass ws://127.0.0.1:1", wait=False)
        keeper.process.kill()
        keeper.process.wait()
        path, pid_file = keeper.folder + "/in.sock", keeper.folder + "/sluice.pid"
        conf = f"@pid_file {pid_file}\n@drain_timeout off\nlisten unix:{path}\nroute /\n  proxy_pass {upstream.uri}"
        with Sluice(conf) as old:
            client, server = pair(old, upstream)
            old.signal(signal.SIGQUIT)
            wait_until(lambda: not os.path.exists(path), "the old socket is gone")
            with Sluice(conf) as new:
                client.send_frame(CLOSE, close_payload(1000))
                server.expect_close(1000)
                server.close()
                client.close()
                assert old.wait(10) == 0
                assert os.path.exists(path), "the new socket was removed"
                with open(pid_file, encoding="ascii") as file:
                    assert int(file.read()) == new.process.pid
        keeper.remove()


@suite.check
def v6_listeners_leave_v4_alone():
    with Upstream() as upstream:
        port = free_port()
        conf = f"listen [::]:{port}\nlisten 0.0.0.0:{port}\nroute /\n  proxy_pass {upstream.uri}"
        with Sluice(conf, workers=2):
            for host in ("::1", "127.0.0.1"):
                sock = socket.create_connection((host, port), 5)
                sock.sendall(request())
                assert upstream.upgrade().request.get("X-Forwarded-For") == host
                sock.close()


@suite.check
def log_that_takes_nothing_costs_no_traffic():
    """A full disk, and a pipe that nobody reads: lines are dropped and counted."""
    with Upstream() as upstream:
        for target in ("/dev/full", "pipe"):
            read_end = write_end = None
            path = target
            if target == "pipe":
                read_end, write_end = os.pipe()
                path = f"/proc/{os.getpid()}/fd/{write_end}"
            with simple(upstream, f"@access_log {path}", access=False) as sluice:
                for _ in range(600):
                    client, server = pair(sluice, upstream, target="/" + "l" * 500)
                    client.reset()
                    server.close()
                client, server = pair(sluice, upstream)
                client.send_frame(BINARY, b"x" * 100_000)
                server.expect(BINARY, b"x" * 100_000)
                wait_until(lambda: "access log: " in sluice.errors()
                           and " lines dropped" in sluice.errors(), f"{target}: losses are told")
            for end in (read_end, write_end):
                if end is not None:
                    os.close(end)


@suite.check
def stuck_worker_is_killed_when_the_master_leaves():
    with Upstream() as upstream, simple(upstream) as sluice:
        sluice.may_be_killed = True
        pair(sluice, upstream)
        os.kill(sluice.workers()[0], signal.SIGSTOP)
        begin = time.monotonic()
        sluice.signal(signal.SIGTERM)
        assert sluice.wait(10) == 0
        assert time.monotonic() - begin < 3


@suite.check
def command_line():
    def run(*words):
        done = subprocess.run([os.path.join(BIN, "sluice"), *words], capture_output=True, text=True,
                              check=False, timeout=20)
        return done.returncode, done.stdout, done.stderr
    assert run("-v")[:2] == (0, run("-v")[1]) and run("-v")[1].startswith("sluice ")
    status, out, _ = run("-V")
    assert status == 0 and "llhttp" in out and "OpenSSL" in out
    status, out, _ = run("-h")
    assert status == 0 and "usage: sluice" in out
    assert run("--help")[0] == 0 and run("--version") == run("-v")
    assert "wslay" in run("-V")[1]
    status, _, errors = run("-x")
    assert status == 1 and "-x: no such option" in errors
    status, _, errors = run("-c")
    assert status == 1 and "needs a file" in errors
    status, _, errors = run("sluice.conf")
    assert status == 1 and "sluice.conf: unexpected word (-c FILE names a conf)" in errors
    here = os.path.dirname(os.path.abspath(__file__))
    good = os.path.abspath(os.path.join(here, "../../conf/sluice.conf"))
    for words in (["-tc", good], ["-t", "-c" + good], ["-c", good, "-t"]):
        assert run(*words) == (0, "", f"sluice: {good}: the conf is good\n"), words
    if not os.path.exists("/etc/sluice/sluice.conf"):
        status, _, errors = run("-t")
        assert status == 1 and errors.endswith("-c FILE reads another conf\n"), errors
    status, _, errors = run("-c", "/nonexistent/sluice.conf")
    assert status == 1 and "/nonexistent/sluice.conf" in errors


@suite.check
def pid_file_and_logs_that_cannot_be_opened():
    with Upstream() as upstream:
        folder = Sluice("route /\n  proxy_pass ws://127.0.0.1:1", wait=False)
        folder.process.kill()
        folder.process.wait()
        pid_file = os.path.join(folder.folder, "sluice.pid")
        with simple(upstream, f"@pid_file {pid_file}") as sluice:
            with open(pid_file, encoding="ascii") as file:
                assert int(file.read()) == sluice.process.pid
        assert not os.path.exists(pid_file), "it is removed at the end"
        folder.remove()
        told = failed_start(f"@access_log /nonexistent/access.log\n{conf_for(upstream)}", access=False)
        assert "/nonexistent/access.log: open: No such file or directory" in told, told


suite.run()
