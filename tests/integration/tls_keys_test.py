"""Secrets stay secret: keys that others may read are refused, and neither keys nor secret headers
nor values of the environment come out anywhere, whatever happens."""
import grp
import os
import shutil
import signal
import ssl
import subprocess

from harness import BIN, Skip, Sluice, Suite, wait_until
from tls import (Certificate, authority, client_context, client_wrap, server_context, server_wrap,
                 site, stranger)
from wire import TEXT, Upstream, dial, pair, refusal, request

suite = Suite()

SECRETS = {"CANARY_ENV": "canary-in-the-environment", "CANARY_HEADER": "canary-in-a-header"}
IN_FILE, IN_CONF = "canary-in-a-file", "canary-in-the-conf"


def run(*words):
    done = subprocess.run([os.path.join(BIN, "sluice"), *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=20,
                          env={**os.environ, **SECRETS})
    return done.returncode, done.stdout + done.stderr


def copy_of(certificate, folder, mode=0o600):
    key = os.path.join(folder, "copy.key")
    shutil.copyfile(certificate.key, key)
    os.chmod(key, mode)
    return Certificate(certificate.path, key)


def line_of(conf_path, begin):
    with open(conf_path, encoding="ascii") as file:
        lines = file.read().split("\n")
    return next(number for number, line in enumerate(lines, 1) if line.startswith(begin))


ADVICE = "; chmod it to 600, or to 640 with the group root, ssl-cert or one that sluice runs in"
FOREIGN_GROUP = 54321  # nobody's


def refused_key(key, upstream, whose):
    """Each directive that names a key refuses it, at the start and with -t."""
    uri = upstream.uri.replace("ws:", "wss:")
    for conf, directive in (
            (f"{key.lines}route /\n  proxy_pass {upstream.uri}", "tls_key"),
            (f"upstream far\n  server {uri}\n  tls_client_certificate {key.path}\n"
             f"  tls_client_key {key.key}\nroute /\n  proxy_pass far", "tls_client_key")):
        sluice = Sluice(conf, wait=False)
        try:
            assert sluice.wait() == 1
            line = line_of(sluice.conf_path, f"  {directive} ")
            told = (f'sluice: {sluice.conf_path}:{line}: {directive}: "{key.key}" can be read or '
                    f"written by {whose}{ADVICE}\n")
            assert told in sluice.errors(), sluice.errors()
            assert run("-t", "-c", sluice.conf_path) == (1, told)
        finally:
            sluice.remove()


@suite.check
def keys_that_others_may_read_are_refused():
    with Upstream() as upstream:
        with Sluice(f"route /\n  proxy_pass {upstream.uri}") as scratch:
            for mode in (0o604, 0o602, 0o644, 0o444):
                bad = copy_of(site(), scratch.folder, mode)
                refused_key(bad, upstream, "everybody")
                os.remove(bad.key)


@suite.check
def keys_that_a_foreign_group_may_read_are_refused():
    if os.geteuid() != 0:
        raise Skip("only root gives a file to a group that it is not in")
    with Upstream() as upstream:
        with Sluice(f"route /\n  proxy_pass {upstream.uri}") as scratch:
            for mode in (0o640, 0o620, 0o440):
                bad = copy_of(site(), scratch.folder, mode)
                os.chown(bad.key, -1, FOREIGN_GROUP)
                refused_key(bad, upstream, f'the group "{FOREIGN_GROUP}"')
                os.remove(bad.key)


def trusted_groups():
    """Of which the key may be: our own, and where we may give files away root's and ssl-cert's."""
    groups = [os.getegid()]
    if os.geteuid() == 0:
        groups += [0] + [entry.gr_gid for entry in grp.getgrall() if entry.gr_name == "ssl-cert"]
    return groups


@suite.check
def keys_for_their_owner_or_a_trusted_group():
    with Upstream() as upstream:
        with Sluice(f"route /\n  proxy_pass {upstream.uri}") as scratch:
            own = [(mode, os.getegid()) for mode in (0o600, 0o400, 0o700)]
            for mode, group in own + [(0o640, group) for group in trusted_groups()]:
                good = copy_of(site(), scratch.folder, mode)
                os.chown(good.key, -1, group)
                with Sluice(f"{good.lines}route /\n  proxy_pass {upstream.uri}",
                            wrap=client_wrap()) as sluice:
                    pair(sluice, upstream)
                os.remove(good.key)


def needles():
    """What must never be seen: every line of each key's body, and each secret value."""
    found = [*SECRETS.values(), IN_FILE, IN_CONF]
    for certificate in (site(), edge()):
        with open(certificate.key, encoding="ascii") as file:
            found += [line for line in file.read().splitlines() if "-----" not in line]
    assert len(found) >= 8 and all(len(each) > 8 for each in found), found
    return found


EDGES = []


def edge():
    """The proxy's own certificate toward upstreams."""
    if not EDGES:
        EDGES.append(authority().issue("/CN=edge"))
    return EDGES[0]


def assert_silent(text, where):
    for needle in needles():
        assert needle not in text, f"{needle!r} shows in {where}"


def secretive(upstream, folder, more=""):
    """A conf full of secrets, in front of an upstream that asks for a certificate."""
    with open(os.path.join(folder, "token"), "w", encoding="ascii") as file:
        file.write(IN_FILE + "\n")
    return (f"@log_query on\n{site().lines}"
            f"upstream far\n  server {upstream.uri}\n  tls_ca {authority().path}\n"
            f"  tls_client_certificate {edge().path}\n  tls_client_key {edge().key}\n{more}"
            "route /\n  proxy_pass far\n"
            '  set_header Authorization "Bearer ${env:CANARY_HEADER}"\n'
            "  set_header X-Env ${env:CANARY_ENV}\n"
            f"  set_header X-File ${{file:{folder}/token}}\n"
            f"  set_header X-Conf {IN_CONF}\n")


def start(conf, **options):
    words = [f"{name}={value}" for name, value in SECRETS.items()]
    return Sluice(conf, prefix=("env", *words), wrap=client_wrap(), **options)


def outputs(sluice):
    with open(sluice.access_log, encoding="utf-8") as file:
        return sluice.errors() + file.read()


def exercise(sluice, upstream):
    """Everything that writes a log line and has a secret at hand."""
    client, server = pair(sluice, upstream, target="/x?y=z")
    head = server.request
    assert head.get("Authorization") == "Bearer " + SECRETS["CANARY_HEADER"]
    assert (head.get("X-Env"), head.get("X-File"), head.get("X-Conf")) == (
        SECRETS["CANARY_ENV"], IN_FILE, IN_CONF), head.raw
    assert server.sock.tls.getpeercert()["subject"] == ((("commonName", "edge"),),)
    client.send_frame(TEXT, "x")
    server.expect(TEXT, "x")
    server.reset()
    client.expect_end()
    client.close()

    def nonsense(wire):
        wire.head()
        wire.send(b"nonsense\r\n\r\n")
    upstream.serve(nonsense)
    assert refusal(sluice, request())[0].status == 502
    assert refusal(sluice, request(drop=("Host",)))[0].status == 400
    try:
        dial(sluice.port, wrap=client_wrap(client_context(trusted=stranger().path)))
    except ssl.SSLError:
        pass  # an alert of ours
    client = dial(sluice.port)
    client.send(request())
    assert client.head().status == 400
    sluice.report()


def demanding_upstream():
    return Upstream(wrap=server_wrap(server_context(trusted=authority().path)))


@suite.check
def canaries_in_logs():
    with demanding_upstream() as upstream:
        with Sluice("route /\n  proxy_pass ws://127.0.0.1:1") as scratch:
            with start(secretive(upstream, scratch.folder)) as sluice:
                exercise(sluice, upstream)
                sluice.signal(signal.SIGHUP)
                wait_until(lambda: "nothing changes" in sluice.errors()
                           or "in use as generation" in sluice.errors(), "the conf is checked")
                sluice.signal(signal.SIGUSR1)
                wait_until(lambda: "logs reopened" in sluice.errors(), "logs reopened")
                sluice.stop()
                assert_silent(outputs(sluice), "the logs")


@suite.check
def canaries_in_complaints():
    """-t, -V and every complaint about a conf that names secrets in wrong places."""
    with demanding_upstream() as upstream:
        with Sluice("route /\n  proxy_pass ws://127.0.0.1:1") as scratch:
            path = os.path.join(scratch.folder, "other.conf")
            good = secretive(upstream, scratch.folder)[1:]
            other = copy_of(authority().issue(), scratch.folder)
            broken_key = os.path.join(scratch.folder, "broken.key")
            with open(site().key, encoding="ascii") as file:
                body = file.read()
            with open(broken_key, "w", encoding="ascii") as file:
                file.write(body.replace("\n", "\n!", 2))
            os.chmod(broken_key, 0o600)
            with open(os.path.join(scratch.folder, "key-as-value"), "w", encoding="ascii") as file:
                file.write("".join(body.splitlines()[1:-1]))
            texts = (good, good + "  no_such_directive ${env:CANARY_ENV}\n",
                     good + "  connect_timeout ${env:CANARY_ENV}\n",
                     good + "  proxy_pass ${env:CANARY_ENV}\n",
                     good + f"  set_header Bad:Name ${{file:{scratch.folder}/token}}\n",
                     good + f"  host ${{file:{scratch.folder}/key-as-value}}/\n",
                     good + f"  set_header X ${{file:{site().key}}}\n",
                     good + f"include {site().key}\n",
                     good.replace(site().key, other.key), good.replace(site().key, broken_key),
                     good.replace(f"tls_certificate {site().path}", f"tls_certificate {site().key}"),
                     good.replace(f"tls_ca {authority().path}", f"tls_ca {site().key}"),
                     good.replace("tls_ca", "tls_ciphers ${env:CANARY_ENV}\n  tls_ca"),
                     good.replace("tls_ca", "tls_server_name ${env:CANARY_ENV}/\n  tls_ca"))
            for number, text in enumerate(texts):
                listen = "" if text.startswith("listen") else "log_query on\nlisten 127.0.0.1:1\n"
                with open(path, "w", encoding="ascii") as file:
                    file.write(listen + text.partition("\n")[2])
                for words in (("-t", "-c", path), ("-V", "-c", path)):
                    status, output = run(*words)
                    assert status == (0 if number == 0 or "-V" in words else 1), (text, output)
                    assert output, words
                    assert_silent(output, f"the output of {words} about\n{text}\n{output}")


@suite.check
def canaries_in_crashes():
    """A worker, then the master, are ended by the signals of failed assertions and wild pointers."""
    with demanding_upstream() as upstream:
        with Sluice("route /\n  proxy_pass ws://127.0.0.1:1") as scratch:
            for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
                sluice = start(secretive(upstream, scratch.folder))
                try:
                    exercise(sluice, upstream)
                    worker = sluice.workers()[0]
                    os.kill(worker, number)
                    wait_until(lambda number=number: f"was killed by signal {int(number)}"
                               in sluice.errors() or "exited with status" in sluice.errors(),
                               "the worker's end is told")
                    wait_until(lambda: sluice.workers() and worker not in sluice.workers(),
                               "a new worker")
                    assert_silent(outputs(sluice), f"the output after {number!r} of a worker")
                    sluice.signal(number)
                    assert sluice.wait() != 0
                    assert_silent(outputs(sluice), f"the output after {number!r} of the master")
                    left = [name for name in os.listdir(sluice.folder) if "core" in name]
                    assert not left, left
                finally:
                    sluice.remove()


suite.run()
