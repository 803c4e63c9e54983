"""What tests of relaying share: seeded frames of every kind in every split, sent and received by
threads that keep digests of them."""
import hashlib
import random
import struct
import threading

from wire import BINARY, CLOSE, PING, PONG, TEXT, frame


def random_size(rng, largest):
    kind = rng.random()
    if kind < 0.15:
        return 0
    if kind < 0.5:
        return rng.randrange(1, 126)
    if kind < 0.85:
        return rng.randrange(126, 5000)
    return rng.randrange(5000, largest)


def random_frames(rng, masked, bytes_wanted, largest):
    """Frames of messages, whole and fragmented, with control frames in between."""
    def control():
        if rng.random() < 0.1 and controls[0] < 90:  # a hundred a second are allowed
            controls[0] += 1
            yield rng.choice((PING, PONG)), rng.randbytes(rng.randrange(126)), True
    controls = [0]
    total = 0
    yield BINARY, rng.randbytes(largest), True
    while total < bytes_wanted:
        opcode = rng.choice((TEXT, BINARY))
        pieces = rng.choice((1, 1, 1, 2, 5))
        for i in range(pieces):
            payload = rng.randbytes(random_size(rng, 200_000))
            total += len(payload) + 100
            yield opcode if i == 0 else 0, payload, i == pieces - 1
            yield from control()


class Sender(threading.Thread):
    """Sends seeded frames in seeded pieces and remembers their digest."""

    def __init__(self, wire, seed, largest):
        super().__init__(daemon=True)
        self.wire, self.seed, self.largest = wire, seed, largest
        self.digest = hashlib.sha256()

    def run(self):
        rng = random.Random(self.seed)
        pending = bytearray()
        for opcode, payload, fin in random_frames(rng, self.wire.masked, 600_000, self.largest):
            self.digest.update(struct.pack("!BQ", (0x80 if fin else 0) | opcode, len(payload)))
            self.digest.update(payload)
            pending += frame(opcode, payload, self.wire.masked, fin)
            at = 0
            while len(pending) - at > 20 or rng.random() < 0.2 and at < len(pending):
                piece = rng.choice((1, 2, 13, rng.randrange(1, 200), 65536, 400_000))
                self.wire.send(bytes(pending[at:at + piece]))
                at += piece
            del pending[:at]
        self.wire.send(bytes(pending) + frame(CLOSE, b"", self.wire.masked))


class Receiver(threading.Thread):
    def __init__(self, wire):
        super().__init__(daemon=True)
        self.wire = wire
        self.digest = hashlib.sha256()

    def run(self):
        while True:
            first, payload = self.wire.frame()
            if first == 0x80 | CLOSE:
                return
            self.digest.update(struct.pack("!BQ", first, len(payload)))
            self.digest.update(payload)
