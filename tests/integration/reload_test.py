"""A new conf takes the place of the old one in the living workers: no session ends, no connection
is refused, and what is wrong changes nothing."""

import os
import re
import signal
import socket
import tempfile
import threading
import time

from harness import Sluice, Suite, free_port, open_files, wait_until
from tls import authority, client_context, server_context, server_wrap, site
from wire import TEXT, Upstream, close_in_order, dial, pair, request

suite = Suite()


class Reloading:
    """A sluice whose conf is written anew; `reload` waits until all workers use it."""

    def __init__(self, sluice):
        self.sluice = sluice
        self.generation = 1
        with open(sluice.conf_path, encoding="utf-8") as file:
            self.text = file.read()

    def write(self, text):
        self.sluice.write_conf(text)

    def reload(self, old=None, new=None):
        if old is not None:
            assert old in self.text, self.text
            self.text = self.text.replace(old, new)
            self.write(self.text)
        self.generation += 1
        self.sluice.signal(signal.SIGHUP)
        wait_until(lambda: f" is in use as generation {self.generation}," in self.sluice.errors(),
                   f"generation {self.generation}: {self.sluice.errors()[-2000:]}")

    def refused(self, text):
        before = self.sluice.errors().count(" is bad; nothing changes")
        self.write(text)
        self.sluice.signal(signal.SIGHUP)
        wait_until(lambda: self.sluice.errors().count(" is bad; nothing changes") > before,
                   "the conf is refused")
        self.write(self.text)


def echo(client, server, text):
    client.send_frame(TEXT, text)
    server.expect(TEXT, text)
    server.send_frame(TEXT, text)
    client.expect(TEXT, text)


@suite.check
def sessions_keep_the_conf_that_they_began_with():
    with Upstream() as first, Upstream() as second:
        conf = f"upstream chat\n  server {first.uri}\nroute /\n  max_message_size 100\n  proxy_pass chat"
        with Sluice(conf, workers=2) as sluice:
            reloading = Reloading(sluice)
            workers = sluice.workers()
            old = pair(sluice, first)
            reloading.reload(first.uri, second.uri)
            new = pair(sluice, second)
            reloading.reload("max_message_size 100", "max_message_size 1k")
            newest = pair(sluice, second)
            echo(*newest, "x" * 900)
            for each in (old, new):
                echo(*each, "x" * 100)
            for client, server in (old, new):
                client.send_frame(TEXT, "x" * 101)
                client.expect_close(1009)
                client.close()
                server.close()
            close_in_order(*newest)
            assert sluice.workers() == workers
            sluice.wait_idle()
            for worker in workers:
                wait_until(lambda w=worker: sluice.report(w)["confs"] == 1, "the old confs are gone")


@suite.check
def a_route_that_goes_is_a_404_and_one_that_comes_is_served():
    with Upstream() as upstream:
        with Sluice(f"route /old\n  proxy_pass {upstream.uri}") as sluice:
            reloading = Reloading(sluice)
            client, server = pair(sluice, upstream, target="/old")
            reloading.reload("route /old", "route /new")
            echo(client, server, "still here")
            refused = dial(sluice.port)
            refused.send(request("/old"))
            assert refused.head().status == 404
            echo(*pair(sluice, upstream, target="/new"), "new")


@suite.check
def what_is_wrong_is_told_whole_and_changes_nothing():
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        reloading = Reloading(sluice)
        client, server = pair(sluice, upstream)
        reloading.refused("listen 1\nrout /\nworkers none\n")
        for line in (':2: unknown directive "rout"', ":3: workers"):
            assert sluice.conf_path + line in sluice.errors(), sluice.errors()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            reloading.refused(reloading.text.replace("route /", f"listen 127.0.0.1:{port}\nroute /"))
        assert f"listen 127.0.0.1:{port}: bind: Address already in use" in sluice.errors()
        echo(client, server, "still here")
        echo(*pair(sluice, upstream), "new")
        reloading.reload()


@suite.check
def what_needs_a_restart_is_said_with_its_line():
    with Upstream() as upstream:
        with Sluice(f"@ring_size 64k\nroute /\n  proxy_pass {upstream.uri}") as sluice:
            reloading = Reloading(sluice)
            reloading.reload("ring_size 64k", "ring_size 128k\nsplice off")
            for name in ("ring_size", "splice"):
                assert re.search(rf"warn \S+sluice.conf:\d+: {name}: takes effect at the next start",
                                 sluice.errors()), sluice.errors()
            echo(*pair(sluice, upstream), "x" * 100_000)


class Stream:
    """New sessions at a steady rate, each with an echo, until it is stopped."""

    def __init__(self, port, rate):
        self.port = port
        self.pause = 1 / rate
        self.done = 0
        self.failed = []
        self.stopped = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopped:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    answer = sock.recv(64)
                    assert answer.startswith(b"HTTP/1.1 426 "), answer
                self.done += 1
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))
            time.sleep(self.pause)

    def stop(self):
        self.stopped = True
        self.thread.join()
        assert not self.failed, (len(self.failed), self.done, self.failed[:3])
        assert self.done > 10, self.done


@suite.check
def nobody_is_refused_while_workers_come_and_go():
    with Upstream() as upstream:
        with Sluice(f"route /\n  proxy_pass {upstream.uri}", workers=2) as sluice:
            reloading = Reloading(sluice)
            sessions = [pair(sluice, upstream) for _ in range(20)]
            streams = [Stream(sluice.port, 200) for _ in range(3)]
            workers = 2
            for wanted in (4, 1, 3, 2, 1, 4):
                reloading.reload(f"workers {workers}", f"workers {wanted}")
                workers = wanted
                time.sleep(0.1)
            for stream in streams:
                stream.stop()
            for index, session in enumerate(sessions):
                echo(*session, f"still here {index}")
            for session in sessions:
                close_in_order(*session)
            reloading.reload("workers 4", "workers 1")
            wait_until(lambda: len(sluice.workers()) == 1, "the others leave when they are empty")
            echo(*pair(sluice, upstream), "new")


@suite.check
def nobody_who_was_queued_on_a_listener_that_goes_is_reset():
    with Upstream() as upstream:
        port = free_port()
        with Sluice(f"listen 127.0.0.1:{port}\nroute /\n  proxy_pass {upstream.uri}") as sluice:
            reloading = Reloading(sluice)
            worker = sluice.workers()[0]
            os.kill(worker, signal.SIGSTOP)  # so that they queue
            queued = [dial(port) for _ in range(400)]  # more than some turns accept
            for client in queued:
                client.send(request())
            text = reloading.text
            reloading.text = text.replace(f"listen 127.0.0.1:{port}\n", "")
            reloading.write(reloading.text)
            sluice.signal(signal.SIGHUP)
            time.sleep(0.2)
            os.kill(worker, signal.SIGCONT)
            for client in queued:
                server = upstream.upgrade()
                assert client.head().status == 101
                client.close()
                server.close()
            reloading.generation = 2
            wait_until(lambda: " is in use as generation 2," in sluice.errors(), "generation 2")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                raise AssertionError("the listener is still there")
            except ConnectionRefusedError:
                pass


@suite.check
def unix_listeners_come_and_go():
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        path = f"{folder}/x.sock"
        with Sluice(f"route /\n  proxy_pass {upstream.uri}", workers=2) as sluice:
            reloading = Reloading(sluice)
            reloading.reload("route /", f"listen unix:{path} mode=0600\nroute /")
            assert os.stat(path).st_mode & 0o777 == 0o600
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(64).startswith(b"HTTP/1.1 426 ")
            reloading.reload("mode=0600", "mode=0660")
            assert os.stat(path).st_mode & 0o777 == 0o660
            reloading.reload(f"listen unix:{path} mode=0660\n", "")
            assert not os.path.exists(path)


@suite.check
def plain_becomes_tls_and_upstreams_become_secure():
    with Upstream() as plain, Upstream(wrap=server_wrap(server_context())) as secure:
        conf = f"upstream chat\n  server {plain.uri}\nroute /\n  proxy_pass chat"
        with Sluice(conf) as sluice:
            reloading = Reloading(sluice)
            old = pair(sluice, plain)
            waiting = dial(sluice.port)  # accepted before, asks after
            wait_until(lambda: sluice.report()["sessions"] == 2, "it is accepted")
            reloading.reload(f"server {plain.uri}", f"server {secure.uri}\n  tls_ca {authority().path}"
                             "\n  tls_server_name test.example")
            echo(*old, "still here")
            waiting.send(request())
            server = secure.upgrade()
            assert waiting.head().status == 101
            echo(waiting, server, "secured")
            reloading.reload(f"listen 127.0.0.1:{sluice.port}\n",
                             f"listen 127.0.0.1:{sluice.port}\n{site().lines}")
            echo(*old, "still here")
            with socket.create_connection(("127.0.0.1", sluice.port)) as sock:
                with client_context().wrap_socket(sock, server_hostname="test.example") as client:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert client.recv(64).startswith(b"HTTP/1.1 426 ")


@suite.check
def a_hundred_reloads_leave_nothing_behind():
    with Upstream() as upstream:
        with Sluice(f"route /\n  proxy_pass {upstream.uri}", workers=2) as sluice:
            reloading = Reloading(sluice)
            client, server = pair(sluice, upstream)
            port = free_port()

            def come_and_go():
                reloading.reload("route /", f"listen 127.0.0.1:{port}\nroute /")
                reloading.reload(f"listen 127.0.0.1:{port}\n", "")

            def held():
                return [open_files(pid) for pid in (sluice.process.pid, *sluice.workers())]

            def more_than(before):
                now = held()
                same = [len(each) for each in now] == [len(each) for each in before]
                return "" if same else f"held before {before}, now {now}"
            # A worker that answers for a conf is done with its start, and one that reports with the
            # turn in which it answered.
            come_and_go()
            for worker in sluice.workers():
                sluice.report(worker)
            before = held()
            for _ in range(49):
                come_and_go()
            echo(client, server, "still here")
            wait_until(lambda: not more_than(before), lambda: more_than(before))
            close_in_order(client, server)
            sluice.wait_idle()


suite.run()
