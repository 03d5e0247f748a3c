//! What the chart can make, on a real API server: it takes every object of every set of values in `tests/chart`, and keeps none.

use e2e::Scenario;

#[test]
fn the_api_server_takes_what_the_chart_makes() {
    let s = Scenario::start("chart");
    let tried = s
        .cluster
        .script("scripts/chart.sh", &["server", &s.namespace]);
    tried.unwrap();
}
