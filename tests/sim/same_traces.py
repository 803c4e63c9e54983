"""Whether two builds of the simulator run the same seeds alike: what a change that means to change
no behaviour must show. Usage: same_traces.py BEFORE/sim AFTER/sim [A..B]; exits with 1 and names
the seeds where they differ. Traces tell syscalls and bytes, so a word of an answer counts, too."""
import subprocess
import sys

KINDS = ([], ["--tls"], ["--splice"])


def digests(program, kind, seeds):
    printed = subprocess.run([program, *kind, "--seeds", seeds, "--digests"],
                             capture_output=True, text=True, check=True).stdout
    return dict(line.split(": ") for line in printed.splitlines() if line.startswith("seed "))


def main(arguments):
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    before, after = arguments[:2]
    seeds = arguments[2] if len(arguments) == 3 else "1..1000"
    alike = True
    for kind in KINDS:
        one, other = digests(before, kind, seeds), digests(after, kind, seeds)
        differing = sorted((seed for seed in one.keys() | other.keys()
                            if one.get(seed) != other.get(seed)),
                           key=lambda seed: int(seed.split()[1]))
        name = kind[0][2:] if kind else "plain"
        print(f"{name}: {len(one)} seeds, {len(differing)} differ", *differing[:20])
        alike = alike and bool(one) and not differing
    return 0 if alike else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
