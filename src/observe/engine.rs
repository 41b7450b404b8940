//! Reads the engine over HTTP: its metrics where it has them, else its health. A refused connection
//! is a reading (`up` = 0), not a miss.

mod page;
mod processes;

use page::MetricsPage;
use processes::MetricsProcesses;

use crate::engine::Engine;
use crate::fact::{BrokenHow, Source, Statement};
use crate::protocol::probe::{self, METRICS};
use crate::series::{
    HEALTH_STATUS, KV_USAGE, KV_USAGE_MAX, METRICS_PROCESS, Series, SeriesUnit, UP,
};
use crate::unit::At;
use crate::world::{Broken, Call, LocalFuture, Observation, Reply, Sample, Sensor, Wire};

/// Limit of a metrics page; vLLM's has some 60 KB.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Cadence: every five seconds, two readings to a row.
const CADENCE_US: u64 = 5_000_000;

/// Sensor of an engine's metrics, or only of whether it answers.
pub(crate) struct EngineSensor<W: Wire> {
    wire: W,
    engine: Engine,
    path: &'static str,
    /// Path that shows whether the server is well.
    health: &'static str,
    processes: MetricsProcesses,
}

impl<W: Wire> EngineSensor<W> {
    /// Creates the sensor from the text of `/metrics`, or for an engine that has none, and the path
    /// of probes.
    pub(crate) fn new(wire: W, metrics: Option<&str>, health: &'static str) -> Self {
        let engine = metrics.map_or(Engine::Unknown, Engine::of_metrics);
        let path = if metrics.is_some() { METRICS } else { health };
        EngineSensor { wire, engine, path, health, processes: MetricsProcesses::default() }
    }
}

impl<W: Wire> Sensor for EngineSensor<W> {
    fn source(&self) -> Source {
        Source::Engine
    }

    fn what(&self) -> &'static str {
        self.path
    }

    fn cadence_us(&self) -> u64 {
        CADENCE_US
    }

    fn look(&mut self) -> LocalFuture<'_, Result<Observation, String>> {
        Box::pin(self.page())
    }
}

impl<W: Wire> EngineSensor<W> {
    /// Requests and reads the page.
    async fn page(&mut self) -> Result<Observation, String> {
        let (status, body, at) = match self.get(self.path).await {
            Ok(page) => page,
            Err(broken) => return gone(broken),
        };
        let is_metrics = self.path == METRICS;
        if !probe::is_up(self.path, status, &body) {
            return if is_metrics { self.health(status).await } else { Ok(not_up(status)) };
        }
        let mut samples = vec![Sample::one(&UP, 1.0)];
        if is_metrics {
            if status != 200 || body.len() > PAGE_BYTES_MAX {
                return Err(format!("{METRICS} answered {status} with {} bytes", body.len()));
            }
            samples.extend(self.metrics(&String::from_utf8_lossy(&body), at));
        }
        let note = |words| Statement::note("metrics", words);
        let seen = self.processes.take_notes().into_iter().map(note).collect();
        Ok(Observation { samples, seen, ..Observation::default() })
    }

    /// Looks at the health where the metrics have failed with a status. They may fail alone: they
    /// can be switched off, and their files may be on a disk that is gone.
    async fn health(&self, metrics: u16) -> Result<Observation, String> {
        match self.get(self.health).await {
            Ok((status, body, _)) if probe::is_up(self.health, status, &body) => {
                Err(format!("{METRICS} answered {metrics}, and no metrics"))
            }
            Ok((status, ..)) => Ok(not_up(status)),
            Err(broken) => gone(broken),
        }
    }

    /// Requests a page; of one that is too long, the beginning. Returns its status, its body, and
    /// the time of the body's end.
    async fn get(&self, path: &str) -> Result<(u16, Vec<u8>, At), Broken> {
        let mut reply = self.wire.call(Call::get(path)).await?;
        let (mut body, mut until) = (Vec::new(), At::ZERO);
        while let Some((at, bytes)) = reply.chunk().await? {
            until = at;
            body.extend_from_slice(&bytes);
            if body.len() > PAGE_BYTES_MAX {
                break;
            }
        }
        Ok((reply.status(), body, until))
    }

    /// Reads the engine's series from a metrics page, of all processes that answer in turn.
    fn metrics(&mut self, text: &str, at: At) -> Vec<Sample> {
        let metrics = self.engine.metrics();
        let number = self.processes.fold(MetricsPage::read(text, metrics), at);
        let mut samples = Vec::new();
        samples.extend(number.map(|number| Sample::one(&METRICS_PROCESS, number as f64)));
        for (index, (series, _)) in metrics.iter().enumerate() {
            let values = if series.is_start_time() {
                self.processes.started()
            } else {
                self.processes.values(index)
            };
            samples.extend(of_series(series, &values));
        }
        samples
    }
}

/// Returns the samples of a series from its values by engine: the newest start time, the mean and
/// the largest share, or the sum.
fn of_series(series: &Series, values: &[f64]) -> Vec<Sample> {
    let largest = values.iter().copied().reduce(f64::max);
    let Some(largest) = largest else { return Vec::new() };
    let sum: f64 = values.iter().sum();
    let value = match series.unit {
        _ if series.is_start_time() => largest,
        SeriesUnit::Share => sum / values.len() as f64,
        _ => sum,
    };
    let mut samples = vec![Sample::one(series, value)];
    if *series == KV_USAGE && values.len() > 1 {
        samples.push(Sample::one(&KV_USAGE_MAX, largest));
    }
    samples
}

/// Returns the reading of an answer that does not show the server to be up.
fn not_up(status: u16) -> Observation {
    vec![Sample::one(&HEALTH_STATUS, f64::from(status)), Sample::one(&UP, 0.0)].into()
}

/// Converts a failed request. A connection that was refused, or that speaks another protocol, is a
/// reading; an answer that was cut off, or a connection that this machine does not give, is a
/// miss.
fn gone(broken: Broken) -> Result<Observation, String> {
    match broken.how {
        BrokenHow::Refused
        | BrokenHow::Unreachable
        | BrokenHow::Unresolved
        | BrokenHow::Untrusted
        | BrokenHow::Reset
        | BrokenHow::Malformed => Ok(vec![Sample::one(&UP, 0.0)].into()),
        BrokenHow::CutOff | BrokenHow::Local => Err(broken.words),
    }
}

#[cfg(test)]
mod tests;
