"""TLS for the integration tests: an authority whose certificates are made when a test asks for them,
and sockets in TLS on which Wire works unchanged. Needs the openssl command besides the standard
library."""
import atexit
import functools
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from harness import PATIENCE, Sluice, wait_until
from wire import Upstream

FOLDER = tempfile.mkdtemp(prefix="sluice-tls-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

SANS = ("DNS:localhost", "DNS:test.example", "IP:127.0.0.1")

AUTHORITY_CONF = """
[ca]
default_ca = this
[this]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


def openssl(*words, **options):
    done = subprocess.run(["openssl", *words], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, check=False, **options)
    assert done.returncode == 0, f"openssl {' '.join(words)}: {done.stderr.decode()}"
    return done.stdout


def new_key(path, kind="EC"):
    option = "ec_paramgen_curve:P-256" if kind == "EC" else "rsa_keygen_bits:2048"
    openssl("genpkey", "-algorithm", kind, "-pkeyopt", option, "-out", path)
    os.chmod(path, 0o600)
    return path


class Certificate:
    """A certificate's file and its key's."""

    def __init__(self, path, key):
        self.path, self.key = path, key

    @property
    def lines(self):
        """What a listener's section says to show it."""
        return f"  tls_certificate {self.path}\n  tls_key {self.key}\n"


class Authority:
    """Signs certificates; `path` is its own, for those who are to trust it."""

    def __init__(self, name="sluice test authority"):
        self.folder = tempfile.mkdtemp(dir=FOLDER)
        self.conf = os.path.join(self.folder, "ca.conf")
        self.path = os.path.join(self.folder, "ca.pem")
        self.key = new_key(os.path.join(self.folder, "ca.key"))
        self.count = 0
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(AUTHORITY_CONF.format(folder=self.folder))
        with open(os.path.join(self.folder, "index.txt"), "w", encoding="ascii"):
            pass
        openssl("req", "-new", "-x509", "-config", self.conf, "-extensions", "authority",
                "-subj", f"/CN={name}", "-key", self.key, "-days", "30", "-out", self.path)

    def issue(self, subject="/CN=test.example", sans=SANS, expired=False, kind="EC"):
        self.count += 1
        stem = os.path.join(self.folder, f"leaf-{self.count}")
        key = new_key(stem + ".key", kind)
        with open(stem + ".ext", "w", encoding="ascii") as file:
            file.write("basicConstraints = CA:FALSE\n")
            if sans:
                file.write(f"subjectAltName = {','.join(sans)}\n")
        openssl("req", "-new", "-config", self.conf, "-subj", subject, "-key", key,
                "-out", stem + ".csr")
        times = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z") if expired else ()
        openssl("ca", "-batch", "-notext", "-config", self.conf, "-in", stem + ".csr",
                "-extfile", stem + ".ext", "-out", stem + ".pem", *times)
        return Certificate(stem + ".pem", key)

    def revocations(self, *revoked):
        """A file with this authority's CRL, on which those stand and whoever stood there before."""
        for certificate in revoked:
            openssl("ca", "-batch", "-config", self.conf, "-revoke", certificate.path)
        self.count += 1
        path = os.path.join(self.folder, f"revoked-{self.count}.pem")
        openssl("ca", "-gencrl", "-config", self.conf, "-out", path)
        return path

    def ocsp_response(self, certificate):
        """A file with what this authority's OCSP responder says about the certificate."""
        asked, answer = certificate.path + ".ask", certificate.path + ".ocsp"
        openssl("ocsp", "-issuer", self.path, "-cert", certificate.path, "-no_nonce",
                "-reqout", asked)
        openssl("ocsp", "-index", os.path.join(self.folder, "index.txt"), "-rsigner", self.path,
                "-rkey", self.key, "-CA", self.path, "-reqin", asked, "-respout", answer)
        return answer


@functools.lru_cache(maxsize=None)
def authority():
    return Authority()


@functools.lru_cache(maxsize=None)
def stranger():
    """An authority that nobody was told to trust."""
    return Authority("another authority")


@functools.lru_cache(maxsize=None)
def site():
    """The certificate that servers show where nothing else matters, the proxy among them."""
    return authority().issue()


def client_context(trusted=None, version=None, certificate=None, ciphers=None, alpn=()):
    """What a client wants; `version` is the only one it speaks, TLS 1.0 and 1.1 among them."""
    context = ssl.create_default_context(cafile=trusted or authority().path)
    if version:
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, version
        context.minimum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    if certificate:
        context.load_cert_chain(certificate.path, certificate.key)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def server_context(certificate=None, trusted=None, version=None, alpn=()):
    """What an upstream shows; with `trusted` it demands a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = certificate or site()
    context.load_cert_chain(certificate.path, certificate.key)
    if trusted:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusted)
    if version:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class TlsSocket:
    """A socket in TLS, over memory: unlike ssl.SSLSocket it may send and receive in two threads at
    once, and it can put its ciphertext on the wire in pieces of `piece` bytes."""

    def __init__(self, sock, context, server_side=False, name=None, session=None, piece=0):
        self.sock = sock
        self.piece = piece
        self.unsent = b""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side, name, session)
        self.lock = threading.Lock()  # around self.tls
        self.send_lock = threading.Lock()  # ciphertext leaves in the order in which it was made
        try:
            self.run(self.tls.do_handshake)
        except (OSError, EOFError):
            sock.close()
            raise

    def run(self, step):
        """One call into TLS, again and again while it waits for more ciphertext."""
        while True:
            result = wanted = None
            with self.lock:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    wanted = True
                except ssl.SSLError:
                    self.send_alert()
                    raise
            if self.outgoing.pending:
                self.sendall(b"")
            if not wanted:
                return result
            data = self.sock.recv(1 << 16)
            with self.lock:
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()

    def send_alert(self):
        try:
            self.sock.sendall(self.outgoing.read())
        except OSError:
            pass  # the peer is gone

    def recv(self, count):
        """As socket.recv: b"" after close_notify; an end without one is ssl.SSLEOFError."""
        return self.run(lambda: self.tls.read(count))

    def encrypt(self, data):
        with self.lock:
            at = 0
            while at < len(data):
                at += self.tls.write(data[at:at + 16384])
            self.unsent += self.outgoing.read()

    def sendall(self, data):
        with self.send_lock:
            self.encrypt(data)
            data, self.unsent = self.unsent, b""
            self.send_pieces(data)

    def send_pieces(self, data):
        if not self.piece:
            return self.sock.sendall(data)
        for at in range(0, len(data), self.piece):
            self.sock.sendall(data[at:at + self.piece])
            time.sleep(0.0001)  # or TCP would join them again
        return None

    def send(self, data):
        """For a non-blocking socket: encrypts one record at most, once the one before has gone."""
        with self.send_lock:
            if not self.unsent:
                data = data[:16384]
                self.encrypt(data)
            else:
                data = b""
            self.unsent = self.unsent[self.sock.send(self.unsent):]
            return len(data)

    def shutdown(self, how):
        """close_notify, then FIN."""
        assert how == socket.SHUT_WR
        self.say_goodbye()
        try:
            self.sock.shutdown(how)
        except OSError:
            pass  # close_notify was enough for the peer to be gone

    def say_goodbye(self):
        with self.lock:
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass  # the peer has not said goodbye yet
        self.sendall(b"")

    def cut(self):
        """Ends without close_notify."""
        self.sock.close()

    def setsockopt(self, level, option, value):
        if option == socket.SO_LINGER:  # about to be reset: nothing more is said
            self.close = self.cut
        self.sock.setsockopt(level, option, value)

    def close(self):
        try:
            self.sock.setblocking(False)
            self.say_goodbye()
        except (OSError, EOFError):
            pass  # the peer is gone, or takes nothing
        self.sock.close()

    def __getattr__(self, name):  # settimeout, setblocking, fileno, getsockname, ...
        return getattr(self.sock, name)


def client_wrap(context=None, name="test.example", session=None, piece=0):
    """Makes a client's TlsSocket of a connected socket."""
    context = context or client_context()
    return lambda sock: TlsSocket(sock, context, name=name, session=session, piece=piece)


def server_wrap(context=None, piece=0):
    context = context or server_context()
    return lambda sock: TlsSocket(sock, context, server_side=True, piece=piece)


class Link:
    """Which of a session's connections are in TLS: Link("wss/ws") is the client's alone."""

    def __init__(self, text):
        self.text = text
        self.client, self.upstream_scheme = text.split("/")

    def __str__(self):
        return self.text

    @property
    def secure(self):
        return "wss" in self.text

    def upstream(self, **options):
        if self.upstream_scheme == "wss":
            options.setdefault("wrap", server_wrap())
        return Upstream(**options)

    def sluice(self, upstream, top="", piece=0, **options):
        conf = "route /\n  proxy_pass " + upstream.uri
        if self.upstream_scheme == "wss":
            top += f"\n@tls_ca {authority().path}"
        if self.client == "wss":
            conf = site().lines + conf
            options["wrap"] = client_wrap(piece=piece)
        return Sluice(f"{top}\n{conf}", **options)


PLAIN = Link("ws/ws")
SECURE = (Link("wss/ws"), Link("ws/wss"), Link("wss/wss"))
LINKS = (PLAIN, *SECURE)


class SClient:
    """`openssl s_client` against a port; its output grows while it runs."""

    def __init__(self, port, *options):
        self.output = ""
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", authority().path,
             *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.output += line.decode("utf-8", "replace")

    def type(self, text):
        """False where the program has ended: it may between a look at it and this."""
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def wait_for(self, *texts):
        """Waits until one of the texts is there, or the program has ended."""
        def there():
            return any(text in self.output for text in texts) or not self.reader.is_alive()
        wait_until(there, f"{texts} of s_client")
        assert any(text in self.output for text in texts), self.output
        return self.output

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # what was typed last found nobody
