"""acme_dir: an authority that asks for a challenge gets what somebody has put into the folder, from
every worker, whatever the routes say."""
import os
import signal
import time

from control import command
from harness import Sluice, Suite, conf_for, wait_until
from wire import Upstream, close_in_order, dial, request

suite = Suite()

FOLDER = "/.well-known/acme-challenge/"


def plain(name, method="GET"):
    return f"{method} {FOLDER}{name} HTTP/1.1\r\nHost: test.example\r\n\r\n".encode()


class Acme(Sluice):
    """A sluice with a folder for challenges, `self.challenges`."""

    def __init__(self, conf, **options):
        super().__init__(f"@acme_dir challenges\n{conf}", **options)
        self.challenges = os.path.join(self.folder, "challenges")
        self.generation = 1

    def write_conf(self, text):
        super().write_conf(text.replace("FOLDER", self.folder))

    def put(self, name, text, mode=0o644):
        os.makedirs(self.challenges, exist_ok=True)
        path = os.path.join(self.challenges, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def ask(self, name, method="GET"):
        client = dial(self.port)
        try:
            client.send(plain(name, method))
            head = client.head()
            return head.status, client.take(int(head.get("Content-Length")))
        finally:
            client.close()

    def reload(self, old, new):
        with open(self.conf_path, encoding="utf-8") as file:
            text = file.read()
        assert old in text
        self.write_conf(text.replace(old, new))
        self.generation += 1
        self.signal(signal.SIGHUP)
        wait_until(lambda: f" in use as generation {self.generation}," in self.errors(), "a reload")

    def comes_to(self, name, *wanted):
        """Many times in a row: several workers answer."""
        wait_until(lambda: all(self.ask(name) == wanted for _ in range(8)), f"{name}: {wanted}")


@suite.check
def files_are_served_while_they_are_there():
    with Upstream() as upstream, Acme(conf_for(upstream), workers=3) as sluice:
        assert sluice.ask("token")[0] == 404  # the folder is not there
        sluice.put("token", "token.thumbprint")
        sluice.comes_to("token", 200, b"token.thumbprint")
        sluice.put("other", "another")
        begin = time.monotonic()
        sluice.comes_to("other", 200, b"another")
        print(f"a new file: served by all within {(time.monotonic() - begin) * 1000:.0f} ms")
        client = dial(sluice.port)
        client.send(plain("token", "HEAD") + plain("token?x"))
        for _ in range(2):
            head = client.head()
            assert (head.status, head.get("Content-Length")) == (200, "16"), head.raw
            assert head.get("Content-Type") == "application/octet-stream"
        assert client.take(16) == b"token.thumbprint"
        client.close()
        for name in ("../sluice.conf", "..%2fsluice.conf", "", ".", "token/", "a.b", "x" * 200):
            status, body = sluice.ask(name)
            assert status in (400, 404) and b"workers" not in body, (name, status)
        os.remove(os.path.join(sluice.challenges, "token"))
        wait_until(lambda: sluice.ask("token")[0] == 404, "the file is gone")
        assert b"Nothing is served" in sluice.ask("token")[1]
        sluice.access_line("request", target=FOLDER + "other", status="200")


@suite.check
def links_and_what_is_not_public_are_not_served():
    with Upstream() as upstream, Acme(conf_for(upstream)) as sluice:
        sluice.put("secret", "hunter2", mode=0o600)
        os.symlink(sluice.conf_path, os.path.join(sluice.challenges, "link"))
        os.link(os.path.join(sluice.challenges, "secret"), os.path.join(sluice.challenges, "hard"))
        os.mkfifo(os.path.join(sluice.challenges, "pipe"))
        sluice.put("good", "text")
        sluice.comes_to("good", 200, b"text")
        for name in ("secret", "link", "hard", "pipe"):
            assert sluice.ask(name)[0] == 404, name
        assert "link is not served: it is a link" in sluice.errors()


@suite.check
def routes_go_on_beside_it():
    with Upstream() as upstream, Acme(conf_for(upstream)) as sluice:
        sluice.put("token", "text")
        sluice.comes_to("token", 200, b"text")
        client = dial(sluice.port)
        client.send(plain("token"))
        assert client.head().status == 200 and client.take(4) == b"text"
        client.send(request("/socket"))  # on the same connection
        server = upstream.upgrade()
        assert client.head().status == 101
        close_in_order(client, server)
        assert sluice.ask("token", method="POST")[0] == 426  # a route's


@suite.check
def reloads_and_new_workers_know_of_it():
    with Upstream() as upstream, Acme(conf_for(upstream)) as sluice:
        sluice.put("token", "one")
        sluice.comes_to("token", 200, b"one")
        other = os.path.join(sluice.folder, "other")
        os.mkdir(other)
        with open(os.path.join(other, "token"), "w", encoding="utf-8") as file:
            file.write("two")
        sluice.reload("acme_dir challenges", "acme_dir other")
        sluice.comes_to("token", 200, b"two")
        sluice.reload("workers 1", "workers 3")
        sluice.comes_to("token", 200, b"two")
        sluice.reload("acme_dir other", "log_query off")
        assert sluice.ask("token")[0] == 426
        sluice.reload("log_query off", "acme_dir challenges")
        sluice.comes_to("token", 200, b"one")


@suite.check
def drained_and_without_a_route_it_answers_all_the_same():
    with Acme("@control unix:FOLDER/control.sock\nroute /x\n  return 200 ok") as sluice:
        sluice.put("token", "text")
        sluice.comes_to("token", 200, b"text")
        done = command(sluice.conf_path, "drain", "listener", f"127.0.0.1:{sluice.port}")
        assert done.returncode == 0, done.stderr
        assert sluice.ask("token") == (200, b"text")


suite.run()
