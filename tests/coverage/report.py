#!/usr/bin/env python3
"""Prints line and branch coverage per folder from what the tests of a coverage build left behind, and
what was missed.

    report.py BUILD_FOLDER SOURCE_FOLDER
"""
import glob
import json
import os
import shutil
import subprocess
import sys

FOLDERS = ("net", "protocol", "tls", "core")


def tool(name):
    for candidate in (name, *(f"{name}-{version}" for version in range(20, 13, -1))):
        if shutil.which(candidate):
            return candidate
    sys.exit(f"coverage: {name} is missing; Debian's package llvm has it")


def export(build, profile):
    binaries = [os.path.join(build, "bin", name)
                for name in ("sluice", "unit_tests", "sim", "alloc_tests", "kqueue_tests")]
    binaries = [binary for binary in binaries if os.path.exists(binary)]
    objects = [word for binary in binaries[1:] for word in ("-object", binary)]
    done = subprocess.run([tool("llvm-cov"), "export", f"-instr-profile={profile}", binaries[0],
                           *objects], capture_output=True, check=True)
    return json.loads(done.stdout)["data"][0]["files"]


def missed_lines(entry):
    """Lines that no segment counted, as "12-15, 20"."""
    lines = set()
    segments = entry["segments"]
    for segment, following in zip(segments, segments[1:]):
        line, _, count, has_count, _, is_gap = segment[:6]
        if has_count and count == 0 and not is_gap:
            lines.update(range(line, max(following[0], line + 1)))
    ranges = []
    for line in sorted(lines):
        if ranges and ranges[-1][1] == line - 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def share(covered, count):
    return f"{100.0 * covered / count:5.1f} %" if count else "      -"


def main():
    build, source = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    profile = os.path.join(build, "merged.profdata")
    raw = glob.glob(os.path.join(build, "profiles", "*.profraw"))
    if not raw:
        sys.exit("coverage: no test has run")
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-failure-mode=all", "-o", profile,
                    *raw], check=True, stderr=subprocess.DEVNULL)
    sums = {folder: [0, 0, 0, 0] for folder in FOLDERS}
    missed = []
    for entry in export(build, profile):
        name = os.path.relpath(entry["filename"], source)
        folder = name.split(os.sep)[0]
        if folder not in sums:
            continue
        lines, branches = entry["summary"]["lines"], entry["summary"]["branches"]
        for i, number in enumerate((lines["covered"], lines["count"], branches["covered"],
                                    branches["count"])):
            sums[folder][i] += number
        if lines["covered"] < lines["count"]:
            missed.append(f"  {name}: {missed_lines(entry)}")
    print("missed lines:")
    print("\n".join(sorted(missed)))
    print(f"{'folder':10} {'lines':>8} {'branches':>9}")
    total = [sum(column) for column in zip(*sums.values())]
    for folder, numbers in [*sums.items(), ("all", total)]:
        print(f"{folder:10} {share(*numbers[:2]):>8} {share(*numbers[2:]):>9}")


if __name__ == "__main__":
    main()
