"""What tests of the admin address share: a sluice with one, and what it answers."""
import re
import socket

from balanced import Balanced
from harness import free_port, wait_until


class Admin(Balanced):
    """A sluice with an admin address, on a port of its own or at a unix socket."""

    def __init__(self, servers, lines="", top="", at=None, **options):
        self.at = at or f"127.0.0.1:{free_port()}"
        super().__init__(servers, lines, top=f"@admin {self.at}\n{top}", **options)

    def connect(self):
        return connect(self.at)

    def get(self, path="/metrics", host="localhost", fields=(), method="GET"):
        return ask(self.at, path, host, fields, method)

    def metrics(self):
        answer = self.get()
        assert answer.status == 200, answer.text
        return Metrics(answer.body)

    def code(self, path):
        return self.get(path).status


class Answer:
    def __init__(self, text):
        self.text = text
        head, _, self.body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        self.status = int(first.split(" ")[1]) if first else 0
        self.fields = dict(line.split(": ", 1) for line in lines)


def connect(at):
    if at.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(at[len("unix:"):])
        return sock
    host, port = at.rsplit(":", 1)
    return socket.create_connection((host, int(port)), 20)


def read_all(sock):
    text = b""
    try:
        while piece := sock.recv(65536):
            text += piece
    except ConnectionResetError:
        pass
    return Answer(text.decode())


def ask(at, path="/metrics", host="localhost", fields=(), method="GET"):
    with connect(at) as sock:
        lines = [f"{method} {path} HTTP/1.1"] + ([f"Host: {host}"] if host is not None else [])
        lines += [f"{name}: {value}" for name, value in fields]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return read_all(sock)


class Metrics:
    """Samples by name and labels; `of` sums those that have these labels."""

    line = re.compile(r'^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$')

    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = self.line.match(line).groups()
            found = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))
            self.samples.append((name, found, float(value)))

    def of(self, name, **labels):
        return sum(self.values(name, **labels))

    def values(self, name, **labels):
        return [value for each, found, value in self.samples if each == name and
                all(found.get(label) == wanted for label, wanted in labels.items())]

    def samples_of(self, name):
        """Values by their labels."""
        return {tuple(sorted(found.items())): value for each, found, value in self.samples
                if each == name}


def until(sluice, wanted, **labels):
    """Until each metric of `wanted` has exactly that value: the counters of what is on its way come
    a moment later."""
    last = {}

    def equal():
        metrics = sluice.metrics()
        last.update({name: metrics.of(name, **labels) for name in wanted})
        return last == wanted
    try:
        wait_until(equal, "metrics", 10)
    except AssertionError:
        raise AssertionError(f"{last} is not {wanted}") from None
