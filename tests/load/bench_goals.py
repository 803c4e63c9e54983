"""The goals of the benchmark (ratios of the proxy's CPU per message in the same round, bytes of an
idle session), and what was reached of them."""
import dataclasses
import statistics

SUBJECT = "sluice"


@dataclasses.dataclass(frozen=True)
class Goal:
    """At most `most` times what `against` needs, of several ("a|b") the one that needs less;
    without `against`, bytes a session."""
    workload: str
    against: str
    most: float


def goals_of(workloads, against, most):
    return [Goal(workload, against, most) for workload in workloads]


SMALL = ("echo-16", "echo-125", "echo-1k", "echo-125-1000")
LARGE = ("echo-16k", "echo-64k", "echo-1m")
PUSH = ("push-125", "push-16k")
PEERS = "nginx|nginx-tuned|haproxy"
GOALS = (
    *goals_of(SMALL, "relay-256k", 1.05),
    *goals_of(LARGE, "relay-256k", 1.05),
    Goal("pipe-16", "relay-256k", 1.3),
    Goal("pipe-125", "relay-256k", 1.15),
    *goals_of(SMALL, "nginx-tuned", 1.0),
    *goals_of(("echo-64k", "echo-1m"), "nginx", 0.2),
    *goals_of(("echo-64k", "echo-1m"), "nginx-tuned", 0.75),
    Goal("echo-125", "haproxy", 0.85),
    Goal("echo-64k", "haproxy", 0.5),
    Goal("pipe-16", "haproxy", 0.7),
    *goals_of(PUSH, "relay-256k", 1.1),
    *goals_of(PUSH, "nginx-tuned", 0.9),
    Goal("idle", "", 512.0),
    *goals_of(("tls-full", "tls-resumed"), PEERS, 1.0),
    *goals_of(("tls-125", "tls-16k"), PEERS, 0.9),
    Goal("tls-idle", "", 15.0 * 1024),
    Goal("http-small", PEERS, 1.0),
    Goal("http-1m", PEERS, 0.8),
)


def spread(values):
    """Median, least and greatest; None of nothing."""
    values = list(values)
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "rounds": len(values)}


def values_of(records, workload, proxy, key):
    """By round."""
    return {record["round"]: record[key] for record in records
            if record["workload"] == workload and record["proxy"] == proxy and key in record}


def ratios(records, workload, proxy, against, key="cpu_us"):
    """One for each round that has both."""
    ours = values_of(records, workload, proxy, key)
    theirs = values_of(records, workload, against, key)
    return [ours[each] / theirs[each] for each in sorted(ours) if theirs.get(each)]


def better_of(records, workload, names, key="cpu_us"):
    """The one with the least median, "" where none was measured."""
    medians = {name: spread(values_of(records, workload, name, key).values())
               for name in names.split("|")}
    measured = {name: found["median"] for name, found in medians.items() if found}
    return min(measured, key=measured.get, default="")


def judge(records):
    """For every goal that was measured: what was reached, and whether the spread is clear of it."""
    verdicts = []
    for goal in GOALS:
        against = better_of(records, goal.workload, goal.against) if goal.against else ""
        if goal.against:
            values = ratios(records, goal.workload, SUBJECT, against)
        else:
            values = values_of(records, goal.workload, SUBJECT, "bytes_per_session").values()
        reached = spread(values)
        if reached is None:
            continue
        verdicts.append({**dataclasses.asdict(goal), "against": against, **reached,
                         "better_of": goal.against.split("|") if "|" in goal.against else [],
                         "reached": reached["median"] <= goal.most,
                         "clear": reached["max"] <= goal.most or reached["min"] > goal.most})
    return verdicts
