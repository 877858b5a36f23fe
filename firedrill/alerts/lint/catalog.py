"""The checks by name, each with an example, its remedy, and its name in pint and promtool.

`make docs` writes docs/checks/ from it, and a test finds each example and no remedy.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A check as its page shows it."""

    name: str
    severity: str
    finds: str
    """What it finds, and what happens then."""
    bad: str
    """Rules that have the finding, as items of a group's `rules`."""
    good: str
    """The same rules without it."""
    pint: str = ""
    """The name of pint's check, if it has one."""
    promtool: str = ""


def _alert(expr: str, more: str = "") -> str:
    quoted = expr.replace("'", "''")
    return f"- alert: Example\n  expr: '{quoted}'\n{more}"


def _record(name: str, expr: str) -> str:
    return f"- record: {name}\n  expr: {expr}\n"


ENTRIES = (
    Entry(
        "file", "error",
        "The file cannot be read, is no rule file, or has a key or value that Prometheus refuses."
        " Prometheus then loads none of its rules.",
        _alert("up == 0", "  for: 5 minutes\n"),
        _alert("up == 0", "  for: 5m\n"),
        "yaml/parse", "check rules",
    ),
    Entry(
        "promtool", "error",
        "`promtool check rules` refuses the rule: its expression, a template, or a name."
        " Prometheus then loads none of the file's rules.",
        _alert("rate(http_requests_total) > 1"),
        _alert("rate(http_requests_total[5m]) > 1"),
        "promql/syntax", "check rules",
    ),
    Entry(
        "documents", "warning",
        "The file has several YAML documents. Prometheus reads the first one, and ignores the rest"
        " without a word.",
        _alert("up == 0") + "---\ngroups: [{name: second, rules: [{record: a:b, expr: up}]}]\n",
        _alert("up == 0"),
    ),
    Entry(
        "duplicate", "warning",
        "Two rules of a file have the same name and labels. Their series are one, and each"
        " evaluation of one overwrites the other.",
        _alert("up == 0") + _alert("up == 0"),
        _alert("up == 0", "  labels: {severity: warning}\n")
        + _alert("up == 0", "  for: 5m\n  labels: {severity: critical}\n"),
        "rule/duplicate", "duplicate-rules",
    ),
    Entry(
        "ignore", "warning",
        "A comment `# firedrill: ignore CHECK REASON` names no check, or gives no reason.",
        "# firedrill: ignore severity\n" + _alert("up == 0"),
        "# firedrill: ignore severity routed by team\n" + _alert("up == 0"),
    ),
    Entry(
        "value_in_label", "error",
        "A label holds the value. Each new value is another alert, so `for` begins anew and may"
        " never end. Without `for`, or for a value that never changes, it is a warning: each new"
        " value sends another notification. A condition on the value is no mistake:"
        " `{{ if gt $value 90.0 }}critical{{ else }}warning{{ end }}`.",
        _alert("disk_used > 50", "  for: 5m\n  labels: {used: '{{ $value }}'}\n"),
        _alert("disk_used > 50", "  for: 5m\n  annotations: {used: '{{ $value }}'}\n"),
        "alerts/template",
    ),
    Entry(
        "template_label", "warning",
        "A template uses a label that the expression aggregates away. It is always empty.",
        _alert("sum by (job) (up) == 0", "  annotations: {summary: '{{ $labels.instance }}'}\n"),
        _alert("sum by (job) (up) == 0", "  annotations: {summary: '{{ $labels.job }}'}\n"),
        "alerts/template",
    ),
    Entry(
        "severity", "warning",
        "The alert has no severity, or one that is not critical, warning or info. The bundle's"
        " routing goes by these.",
        _alert("up == 0", "  labels: {severity: page}\n"),
        _alert("up == 0", "  labels: {severity: critical}\n"),
        "rule/label",
    ),
    Entry(
        "summary", "warning",
        "The alert has no annotation `summary`, so its notification has no headline.",
        _alert("up == 0"),
        _alert("up == 0", "  annotations: {summary: A target is down}\n"),
        "alerts/annotation",
    ),
    Entry(
        "description", "warning",
        "The alert has no annotation `description`, so its notification does not say what to do.",
        _alert("up == 0"),
        _alert("up == 0", "  annotations: {description: 'Restart {{ $labels.instance }}.'}\n"),
        "alerts/annotation",
    ),
    Entry(
        "short_for", "warning",
        "`for` is shorter than two evaluations, so a single evaluation fires the alert. The"
        " interval is that of the group, else that of Prometheus.",
        _alert("up == 0", "  for: 1s\n"),
        _alert("up == 0", "  for: 1m\n"),
    ),
    Entry(
        "short_window", "warning",
        "A window spans less than four scrapes. One failed scrape leaves rate() without the two"
        " samples that it needs. Give your interval by --scrape-interval or --prometheus.",
        _alert("rate(http_requests_total[2s]) > 1"),
        _alert("rate(http_requests_total[5m]) > 1"),
        "promql/rate",
    ),
    Entry(
        "empty_selector", "error",
        "A selector contradicts itself, so it selects nothing. With --run, a selector that finds"
        " nothing in the run is a warning.",
        _alert('up{job="a", job="b"} == 0'),
        _alert('up{job=~"a|b"} == 0'),
        "promql/impossible",
    ),
    Entry(
        "result", "error",
        "The expression gives a range of samples or a string. Prometheus loads it, and every"
        " evaluation fails.",
        _alert("up[5m]"),
        _alert("max_over_time(up[5m]) == 0"),
    ),
    Entry(
        "constant", "error",
        "The alert compares numbers that never change.",
        _alert("vector(1) > 2"),
        _alert("up < 1"),
        "promql/impossible",
    ),
    Entry(
        "never", "error",
        "The expression never gives a result, whatever the series are.",
        _alert("up > 1 and up < 0"),
        _alert("up > 1 or up < 0"),
        "promql/impossible",
    ),
    Entry(
        "bool", "warning",
        "A comparison with `bool` gives 0 where it is not met, and an alert fires on 0, too.",
        _alert("up == bool 0"),
        _alert("up == 0"),
        "alerts/comparison",
    ),
    Entry(
        "order", "warning",
        "The group records a series after the rule that reads it. The rule sees the value of the"
        " evaluation before.",
        _alert("job:up:sum == 0") + _record("job:up:sum", "sum by (job) (up)"),
        _record("job:up:sum", "sum by (job) (up)") + _alert("job:up:sum == 0"),
        "rule/dependency",
    ),
    Entry(
        "versions", "warning",
        "The rule means something else, or nothing, in another major version of Prometheus.",
        _alert('rate(request_seconds_bucket{le="1"}[5m]) > 1'),
        _alert('rate(request_seconds_bucket{le=~"1([.]0)?"}[5m]) > 1'),
        "promql/features",
    ),
    Entry(
        "unknown_metric", "warning",
        "The run (--run) or the Prometheus (--prometheus) has no series of this name. Without"
        " either, unknown names are one line and no finding.",
        _alert("htpp_requests_total > 1"),
        _alert("up > 1"),
        "promql/series",
    ),
    Entry(
        "no_threshold", "warning",
        "The alert compares nothing. It fires while its series has a value, 0 included.",
        _alert("rate(http_errors_total[5m])"),
        _alert("rate(http_errors_total[5m]) > 0"),
        "alerts/comparison",
    ),
    Entry(
        "histogram_without_le", "error",
        "histogram_quantile() gets classic buckets without the label le, and gives nothing. Native"
        " histograms have no le and no _bucket, and are no mistake.",
        _alert("histogram_quantile(0.9, sum by (job) (rate(request_seconds_bucket[5m]))) > 1"),
        _alert("histogram_quantile(0.9, sum by (job, le) (rate(request_seconds_bucket[5m]))) > 1"),
    ),
    Entry(
        "no_shared_labels", "warning",
        "The two sides of an operator have different labels, so no element matches another.",
        _alert("sum by (job) (errors) / sum (requests) > 0.1"),
        _alert("sum by (job) (errors) / sum by (job) (requests > 0) > 0.1"),
        "promql/vector_matching",
    ),
    Entry(
        "rate_of_gauge", "warning",
        "rate(), irate() or increase() of a gauge takes each fall for a restart. A gauge is known"
        " by the bundle, by --prometheus, or by an ending such as _ratio or _info.",
        _alert("rate(disk_used_ratio[5m]) > 0"),
        _alert("deriv(disk_used_ratio[5m]) > 0"),
        "promql/rate",
    ),
    Entry(
        "rate_of_sum", "warning",
        "A rate of a sum takes the restart of one target for a jump of the sum. Take the sum of"
        " rates.",
        _alert("rate(sum(http_requests_total)[5m:1m]) > 1"),
        _alert("sum(rate(http_requests_total[5m])) > 1"),
        "promql/rate",
    ),
    Entry(
        "increase_equals", "warning",
        "increase() and rate() are extrapolated to the edges of the window, so they are rarely"
        " whole numbers. An exact comparison is met by chance.",
        _alert("increase(restarts_total[5m]) == 1"),
        _alert("increase(restarts_total[5m]) > 0"),
    ),
    Entry(
        "raw_counter", "warning",
        "The alert compares a counter itself. A counter grows until a restart and then begins at 0,"
        " so the alert fires for good, and ends with a restart.",
        _alert("http_errors_total > 100"),
        _alert("increase(http_errors_total[5m]) > 100"),
        "promql/counter",
    ),
    Entry(
        "absent_regex", "warning",
        "absent() of a pattern is silent while one series matches it, although the others are"
        " missing.",
        _alert('absent(up{job=~"a|b"})'),
        _alert('absent(up{job="a"}) or absent(up{job="b"})'),
        "alerts/absent",
    ),
    Entry(
        "zero_division", "warning",
        "The alert divides by something that can be 0. The result is then +Inf, which is above any"
        " limit. Sides of one metric are 0 together and give NaN, which meets no limit; they are"
        " no finding.",
        _alert("memory_used / memory_quota > 0.9"),
        _alert("memory_used / (memory_quota > 0) > 0.9"),
        "promql/nan",
    ),
    Entry(
        "keep_firing_for", "warning",
        "The alert is about a resource of a process. When it runs out, the process ends, its"
        " metrics vanish, and the alert resolves at the worst moment.",
        _alert("process_resident_memory_bytes > 1e9"),
        _alert("process_resident_memory_bytes > 1e9", "  keep_firing_for: 10m\n"),
    ),
)  # fmt: skip
BY_NAME = {entry.name: entry for entry in ENTRIES}


def page(entry: Entry) -> str:
    """Return the text of a check's page."""
    same = [
        f"{program} calls it `{name}`."
        for program, name in (("pint", entry.pint), ("promtool", entry.promtool))
        if name
    ]
    parts = [
        f"# {entry.name}",
        f"Severity: {entry.severity}. {entry.finds}",
        "Example:",
        f"```yaml\n{entry.bad}```",
        "Remedy:",
        f"```yaml\n{entry.good}```",
        *([" ".join(same)] if same else []),
        f"To keep such a rule, write `# firedrill: ignore {entry.name} REASON` above it."
        if entry.name not in {"file", "promtool", "ignore"}
        else "Such a finding cannot be ignored.",
        "Generated by `make docs` from firedrill/alerts/lint/catalog.py.",
    ]
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """Return the text of the page that lists all checks."""
    rows = [
        f"| [{entry.name}]({entry.name}.md) | {entry.severity} | {entry.finds.split('. ')[0]} |"
        f" {entry.pint or '–'} | {entry.promtool or '–'} |"
        for entry in ENTRIES
    ]
    return (
        "# Checks of alert rules\n\n"
        "What `firedrill alerts check` finds. Each page has an example and a remedy. Generated by\n"
        "`make docs` from firedrill/alerts/lint/catalog.py.\n\n"
        "| check | severity | finds | pint | promtool |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )
