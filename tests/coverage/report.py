#!/usr/bin/env python3
"""Prints line and branch coverage per folder from what the tests of a coverage build left behind, and
what was missed. Exit status 1 below the goals.

    report.py BUILD_FOLDER SOURCE_FOLDER
"""
import glob
import json
import os
import shutil
import subprocess
import sys

FOLDERS = ("net", "protocol", "tls", "core")
GOAL_LINES, GOAL_PROTOCOL_BRANCHES = 90, 95  # percent, of all and of protocol/


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
    return ranges_of(lines)


def missed_branches(entry):
    """Lines with a condition that was never true, or never false. A template has several."""
    outcomes = {}
    for line, column, _, _, true_count, false_count, *_ in entry["branches"]:
        seen = outcomes.setdefault((line, column), [0, 0])
        seen[0] += true_count
        seen[1] += false_count
    return ranges_of({line for (line, _), seen in outcomes.items() if 0 in seen})


def ranges_of(lines):
    ranges = []
    for line in sorted(lines):
        if ranges and ranges[-1][1] == line - 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def percent(covered, count):
    return 100.0 * covered / count if count else 0.0


def share(covered, count):
    return f"{percent(covered, count):5.1f} %" if count else "      -"


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
        if lines["covered"] < lines["count"] or branches["covered"] < branches["count"]:
            missed.append(f"  {name}: lines {missed_lines(entry) or '-'}; "
                          f"branches of lines {missed_branches(entry) or '-'}")
    print("missed:")
    print("\n".join(sorted(missed)))
    print(f"{'folder':10} {'lines':>8} {'branches':>9}")
    total = [sum(column) for column in zip(*sums.values())]
    for folder, numbers in [*sums.items(), ("all", total)]:
        print(f"{folder:10} {share(*numbers[:2]):>8} {share(*numbers[2:]):>9}")
    lines, branches = percent(*total[:2]), percent(*sums["protocol"][2:])
    if lines < GOAL_LINES or branches < GOAL_PROTOCOL_BRANCHES:
        sys.exit(f"coverage: below the goals, {GOAL_LINES} % of all lines and "
                 f"{GOAL_PROTOCOL_BRANCHES} % of protocol's branches")


if __name__ == "__main__":
    main()
