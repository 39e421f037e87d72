"""What a campaign comes to: as JSON, and as a page to read."""

import json
import os
import platform
from collections import Counter, defaultdict
from pathlib import Path


def machine():
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}"


def percentile(values, share):
    """The least value that so large a share of them does not pass; None of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else None


def summarize(values):
    return {"count": len(values), "p50": percentile(values, 50), "p99": percentile(values, 99), "max": max(values, default=None)}


def numbers(campaign, command):
    """Everything that is worth keeping, as what JSON knows."""
    faults, recoveries = Counter(), defaultdict(list)
    for step in campaign.steps:
        faults += step.tally
        if step.happened and all(step.happened):
            recoveries[step.kinds[0] if len(step.kinds) == 1 else "pairs"].append(step.recovery)
    loaded = sum(len(part.loaded) for part in campaign.parts)
    available = sum(len(part.available) for part in campaign.parts)
    everything = [recovery for values in recoveries.values() for recovery in values]
    return {
        "command": command,
        "seed": campaign.seed,
        "machine": machine(),
        "seconds": round(campaign.now(), 1),
        "violation": campaign.violation,
        "faults": sum(faults.values()),
        "not come about": sum(step.missed for step in campaign.steps),
        "steps": len(campaign.steps),
        "pairs": sum(len(step.kinds) > 1 for step in campaign.steps),
        "faults by kind": dict(sorted(faults.items())),
        "events": sum(part.events for part in campaign.parts),
        "entries": sum(part.entries for part in campaign.parts),
        "events of histories": sum(part.told for part in campaign.parts),
        "recovery": summarize(everything),
        "recovery by kind": {kind: summarize(values) for kind, values in sorted(recoveries.items())},
        "restart to first commit": summarize(_values(campaign, "first_commit")),
        "takeover": summarize(_values(campaign, "takeover")),
        "availability": {"seconds with load": loaded, "of them available": available, "longest gap": _longest_gap(campaign)},
        "exits of workers": dict(sorted(Counter(str(code) for _, _, code in campaign.exits).items())),
        "parts": [
            {name: value for name, value in vars(part).items() if name not in ("loaded", "available")}
            for part in campaign.parts
        ],
        "timeline": campaign.timeline,
    }


def _values(campaign, name):
    return [getattr(step, name) for step in campaign.steps if getattr(step, name) is not None]


def _longest_gap(campaign):
    """Seconds in a row in which load came and nothing was committed."""
    longest = 0
    for part in campaign.parts:
        available, gap = set(part.available), 0
        for second in part.loaded:
            gap = 0 if second in available else gap + 1
            longest = max(longest, gap)
    return longest


def _seconds(value):
    return "-" if value is None else f"{value:.2f}"


def _row(name, found):
    return f"| {name} | {found['count']} | {_seconds(found['p50'])} | {_seconds(found['p99'])} | {_seconds(found['max'])} |"


def page(found):
    """Of those numbers."""
    availability = found["availability"]
    share = 100 * availability["of them available"] / (availability["seconds with load"] or 1)
    groups = defaultdict(lambda: [0, []])
    for kind, count in found["faults by kind"].items():
        groups[group_of(kind)][0] += count
    lines = [
        f"`{found['command']}`",
        "",
        f"Seed {found['seed']}; {found['machine']}; {found['seconds']:.0f} s.",
        "",
        f"**{found['violation'] or 'No violation, no hand needed.'}** {found['faults']} faults in {found['steps']} steps, "
        f"{found['pairs']} of them pairs; {found['not come about']} more did not come about. "
        f"{found['events']} events, {found['entries']} entries, {len(found['parts'])} audits; "
        f"{found['events of histories']} events of histories.",
        "",
        "| seconds | count | p50 | p99 | most |",
        "|---|---|---|---|---|",
        _row("restart to first commit", found["restart to first commit"]),
        _row("takeover by another", found["takeover"]),
        _row("recovery, all kinds", found["recovery"]),
        *(_row(f"recovery, {kind}", values) for kind, values in _grouped(found).items()),
        "",
        f"Available in {availability['of them available']} of {availability['seconds with load']} seconds with load "
        f"({share:.1f} %), longest gap {availability['longest gap']} s. Throughput of a burst, before and after the faults of "
        "each part: " + ", ".join(f"{part['before']} and {part['after']}" for part in found["parts"]) + " events/s.",
        "",
        f"Workers ended with: {', '.join(f'{code}: {count} times' for code, count in found['exits of workers'].items())}.",
        "",
    ]
    return "\n".join(lines)


def group_of(kind):
    """Failpoints by their action, everything else by itself."""
    parts = kind.split("/")
    return f"failpoint, {parts[2]}" if parts[0] == "failpoint" else kind


def _grouped(found):
    """p50 is that of the kinds' p50, p99 and most are the most of theirs."""
    groups = defaultdict(list)
    for kind, values in found["recovery by kind"].items():
        groups[group_of(kind)].append(values)
    return {
        group: {
            "count": sum(values["count"] for values in kinds),
            "p50": percentile([values["p50"] for values in kinds], 50),
            "p99": max(values["p99"] for values in kinds),
            "max": max(values["max"] for values in kinds),
        }
        for group, kinds in groups.items()
    }


def write(found, path):
    """PATH.json and PATH.md."""
    Path(f"{path}.json").write_text(json.dumps(found, indent=1) + "\n")
    Path(f"{path}.md").write_text(page(found))
