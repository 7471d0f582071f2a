//! What theory says the ends of a cell come to, in the terms of a row.

use keepalive_lab_results::Forecast;
use keepalive_lab_results::metadata::Kernel;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_theory::{Ground, Prediction, predict};

use super::circumstances::Circumstances;

/// The forecasts for both ends of a cell.
pub(crate) fn of_cell(cell: &Cell, circumstances: &Circumstances) -> Ends<Forecast> {
    let Some(kernel) = timers_of(&circumstances.kernel) else { return Ends::from_fn(|_| Forecast::Unknown) };
    let ground = Ground { kernel, sysctls: circumstances.sysctls.clone() };
    let predictions = predict(&cell.experiment, &ground);
    Ends::from_fn(|end: End| of_prediction(predictions.get(end)))
}

/// The kernel as the theory of its timers wants it; `None` where its version or tick rate is not known.
fn timers_of(kernel: &Kernel) -> Option<tcp_timers::Kernel> {
    Some(tcp_timers::Kernel { version: kernel.release.parse().ok()?, hz: kernel.hz? })
}

fn of_prediction(prediction: &Prediction) -> Forecast {
    match prediction {
        Prediction::Error { after, errno, .. } => Forecast::Error {
            errno: errno.name().to_owned(),
            min_s: after.min.as_secs_f64(),
            max_s: after.max.as_secs_f64(),
        },
        Prediction::Alive { .. } => Forecast::NoError(Outcome::Alive),
        Prediction::Closed { .. } => Forecast::NoError(Outcome::Closed),
        Prediction::Unconnected { .. } => Forecast::NoError(Outcome::Unconnected),
        Prediction::Unpredicted { .. } => Forecast::Unknown,
    }
}
