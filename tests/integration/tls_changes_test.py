"""tls_reload_on_change: files that are renewed under a running sluice, as certbot and others do it."""
import os
import shutil
import signal
import socket
import tempfile

from harness import Sluice, Suite, open_files, wait_until
from tls import FOLDER, authority, client_context, client_wrap
from wire import TEXT, Upstream, pair

suite = Suite()


class Site:
    """A pair behind links, as certbot keeps it: live/NAME points to archive/NAMEn."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(dir=FOLDER)
        for name in ("live", "archive"):
            os.mkdir(os.path.join(self.folder, name))
        self.count = 0

    def live(self, name):
        return os.path.join(self.folder, "live", name)

    def link(self, name, source):
        """Another file in the archive, and a link to it in the place of the one before."""
        self.count += 1
        kept = os.path.join(self.folder, "archive", f"{self.count}.{name}")
        shutil.copy(source, kept)
        os.symlink(f"../archive/{self.count}.{name}", self.live("next"))
        os.rename(self.live("next"), self.live(name))

    def renew(self, certificate):
        self.link("key.pem", certificate.key)
        self.link("cert.pem", certificate.path)

    @property
    def lines(self):
        return f"  tls_certificate {self.live('cert.pem')}\n  tls_key {self.live('key.pem')}\n"


def serial(port):
    """That of the certificate that a new client is shown."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        with client_context().wrap_socket(sock, server_hostname="test.example") as client:
            return client.getpeercert()["serialNumber"]


def reloads(sluice):
    return sluice.errors().count(f"{sluice.conf_path} is ")


def watching(upstream, site, top="@tls_reload_on_change on\n"):
    return Sluice(f"{top}{site.lines}route /\n  proxy_pass {upstream.uri}")


@suite.check
def a_renewed_pair_is_read_once():
    site = Site()
    site.renew(authority().issue())
    with Upstream() as upstream, watching(upstream, site) as sluice:
        shown = [serial(sluice.port)]
        client, server = pair(sluice, upstream, wrap=client_wrap())
        for times in (1, 2):
            site.renew(authority().issue())
            wait_until(lambda: reloads(sluice) == times, "the conf to be read anew")
            assert sluice.errors().count(" has changed\n") == times, sluice.errors()
            shown.append(serial(sluice.port))
            client.send_frame(TEXT, "still here")
            server.expect(TEXT, "still here")
        assert len(set(shown)) == 3, shown
        assert "bad" not in sluice.errors(), sluice.errors()


@suite.check
def a_key_that_comes_before_its_certificate_is_refused_until_it_comes():
    site = Site()
    site.renew(authority().issue())
    with Upstream() as upstream, watching(upstream, site) as sluice:
        renewed = authority().issue()
        site.link("key.pem", renewed.key)
        wait_until(lambda: reloads(sluice) == 1, "the conf to be read with half a pair")
        told = (f'{sluice.conf_path}:7: tls_key: "{site.live("key.pem")}": '
                "the key does not belong to the certificate\n")
        assert told in sluice.errors(), sluice.errors()
        assert f"{sluice.conf_path} is bad; nothing changes\n" in sluice.errors(), sluice.errors()
        site.link("cert.pem", renewed.path)
        wait_until(lambda: reloads(sluice) == 2, "the conf to be read with the whole pair")
        assert f"{sluice.conf_path} is in use as generation 2," in sluice.errors(), sluice.errors()


def watches(pid):
    return sum("inotify" in link for link in open_files(pid).values())


@suite.check
def the_master_alone_watches_and_only_where_it_is_asked_to():
    site = Site()
    site.renew(authority().issue())
    with Upstream() as upstream:
        with watching(upstream, site, top="") as sluice:
            assert watches(sluice.process.pid) == 0
        with watching(upstream, site) as sluice:
            assert watches(sluice.process.pid) == 1
            sluice.may_be_killed = True
            first, = sluice.workers()
            assert watches(first) == 0
            os.kill(first, signal.SIGKILL)  # its successor is forked from a master that watches
            wait_until(lambda: sluice.errors().count(" started, pid ") == 2, "another worker")
            second, = sluice.workers()
            wait_until(lambda: watches(second) == 0, "the worker to close what is the master's")


suite.run()
