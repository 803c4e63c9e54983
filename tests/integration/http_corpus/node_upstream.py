"""node_upstream.mjs as a process: an upstream, and what it says that it read."""
import base64
import json
import os
import subprocess

from http_corpus.strict import Message

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_upstream.mjs")


def pairs(flat):
    return list(zip(flat[::2], flat[1::2], strict=True))


class NodeUpstream:
    def __init__(self, node):
        self.process = subprocess.Popen([node, PROGRAM], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.uri = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def take(self, last_target):
        """The requests that were read, in order, up to one for that target, which must come."""
        messages = []
        while True:
            told = json.loads(self.process.stdout.readline())
            if told["target"] == last_target:
                return messages
            fields = pairs(told["fields"])
            messages.append(Message(told["method"], told["target"], told["version"], fields,
                                    body=base64.b64decode(told["body"]),
                                    trailers=tuple(pairs(told["trailers"]))))
            messages[-1].chunked = bool(messages[-1].all("Transfer-Encoding"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
