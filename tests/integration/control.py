"""What tests of the control socket share: a sluice that has one, `sluice -s`, and a client."""
import json
import os
import socket
import subprocess

from harness import BIN, Sluice, conf_for


class Controlled(Sluice):
    """A sluice with a control socket in its folder, and `top` as further lines."""

    def __init__(self, upstream, top="", mode="", **options):
        conf = conf_for(upstream) if upstream else "route /"
        super().__init__(f"@control unix:{{socket}}{mode}\n{top}\n{conf}", **options)

    def write_conf(self, text):
        super().write_conf(text.replace("{socket}", self.socket_path))

    @property
    def socket_path(self):
        return os.path.join(self.folder, "control.sock")

    def say(self, *words, **options):
        return command(self.conf_path, *words, **options)

    def status(self):
        done = self.say("status")
        assert done.returncode == 0, done
        return json.loads(done.stdout)


def command(conf, *words, prefix=()):
    return subprocess.run([*prefix, f"{BIN}/sluice", "-c", conf, "-s", *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, check=False)


class Line:
    """A connection to a control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.received = b""

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """The next one, or None where the connection has ended."""
        while b"\n" not in self.received:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                assert not self.received, self.received
                return None
            self.received += more
        line, _, self.received = self.received.partition(b"\n")
        return json.loads(line)

    def ask(self, word):
        self.send(word.encode() + b"\n")
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
