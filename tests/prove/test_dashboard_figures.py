"""How exactly the dashboards show what was injected into a drill, on an idle machine."""

from grafana.source import client_panels, golden_signals_panels
from tests import recorded_drills
from tests.integration.alerts import panel_values


def deviation(shown, truth):
    """Return the deviation from the truth in percent."""
    return 100 * abs(shown - truth) / truth


def test_dashboards_show_what_was_injected(proof, tmp_path_factory):
    def measure():
        run = recorded_drills.play_faulty(tmp_path_factory.mktemp("faulty"))
        with panel_values.open_run(run) as shown:
            end, at = shown.end, shown.faults["latency"]["end"]
            shares = [
                deviation(shown.value(query, end, **labels), recorded_drills.FAILED_SHARE)
                for query, labels in panel_values.FAILED_SHARES.values()
            ]
            rates = [
                deviation(
                    shown.value(rate.failures, end, **rate.failures_labels),
                    recorded_drills.FAILED_SHARE
                    * shown.value(rate.requests, end, **rate.requests_labels),
                )
                for rate in panel_values.FAILURE_RATES.values()
            ]
            stuck = [
                deviation(shown.value(query, end, **labels), truth)
                for query, labels, truth in panel_values.SATURATION_FIGURES.values()
            ]
            slow = []
            for heatmap in (
                golden_signals_panels.CLIENT_HEATMAP,
                golden_signals_panels.SERVER_HEATMAP,
            ):
                below, up_to, every = (
                    shown.value(heatmap.queries[0], at, le=bound)
                    for bound in ("0.25", "0.5", "+Inf")
                )
                slow.append(100 * (up_to - below) / every)
        return {
            "failed share, off by (%)": max(shares),
            "failures a second, off by (%)": max(rates),
            "stuck workers and starved users, off by (%)": max(stuck),
            "slowed requests between 0.25 and 0.5 s (%)": min(slow),
        }

    limits = dict.fromkeys(
        (
            "failed share, off by (%)",
            "failures a second, off by (%)",
            "stuck workers and starved users, off by (%)",
        ),
        10,
    )
    proof.holds(
        measure,
        repeats=3,
        at_most=limits,
        at_least={"slowed requests between 0.25 and 0.5 s (%)": 90},
    )


def test_dashboards_show_an_open_loop_without_slots(proof, tmp_path_factory):
    def measure():
        run = recorded_drills.play_open_loop_without_slots(tmp_path_factory.mktemp("opened"))
        with panel_values.open_run(run) as shown:
            at = shown.end - 2  # Every rate looks back on the load alone.
            due, begun, _ = (
                shown.value(query, at) for query in golden_signals_panels.ARRIVALS.queries
            )
            in_flight, without_slot, _ = (
                shown.value(query, at) for query in client_panels.SLOTS.queries
            )
            from_schedule, from_sending, _, _ = (
                shown.value(query, at) for query in golden_signals_panels.FROM_SCHEDULE.queries
            )
        return {
            "due a second, off by (%)": deviation(due, 40),
            "begun a second, off by (%)": deviation(begun, 20),
            "in flight, off by": abs(in_flight - 20),
            # The fault began 7 s ago. Since then 40 arrivals a second were due, and 20 started.
            # The metrics may be a second old.
            "without a slot, off by": abs(without_slot - 20 * 7),
            "p99 from sending (s)": from_sending,
            "p99 from the schedule beyond that (s)": from_schedule - from_sending,
        }

    limits = {
        "due a second, off by (%)": 10,
        "begun a second, off by (%)": 20,
        "in flight, off by": 1,
        "without a slot, off by": 25,
        "p99 from sending (s)": 2,
    }
    proof.holds(
        measure, repeats=3, at_most=limits, at_least={"p99 from the schedule beyond that (s)": 2}
    )
