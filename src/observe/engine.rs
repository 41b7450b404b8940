//! Reads the engine over HTTP: its metrics where it has them, else its health. A refused connection
//! is a reading (`up` = 0), not a miss.

use crate::engine::Engine;
use crate::fact::{BrokenHow, Source};
use crate::protocol::prometheus;
use crate::series::UP;
use crate::world::{Broken, Call, LocalFuture, Look, Reply, Sample, Sensor, Wire};

/// Limit of a metrics page; vLLM's has some 60 KB.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Cadence: every five seconds, two readings to a row.
const CADENCE_US: u64 = 5_000_000;

/// Sensor of an engine's metrics, or only of whether it answers.
pub(crate) struct EngineSensor<W: Wire> {
    wire: W,
    engine: Engine,
    path: &'static str,
}

impl<W: Wire> EngineSensor<W> {
    /// Creates the sensor from the text of `/metrics`, or for an engine that has none.
    pub(crate) fn new(wire: W, metrics: Option<&str>, health: bool) -> Self {
        let engine = metrics.map_or(Engine::Unknown, Engine::of_metrics);
        let path = match (metrics, health) {
            (Some(_), _) => "/metrics",
            (None, true) => "/health",
            (None, false) => "/v1/models",
        };
        EngineSensor { wire, engine, path }
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

    fn look(&mut self) -> LocalFuture<'_, Result<Look, String>> {
        Box::pin(self.page())
    }
}

impl<W: Wire> EngineSensor<W> {
    /// Requests and parses the metrics page.
    async fn page(&mut self) -> Result<Look, String> {
        let mut reply = match self.wire.call(Call::get(self.path)).await {
            Ok(reply) => reply,
            Err(broken) => return gone(broken),
        };
        let status = reply.status();
        let mut page = Vec::new();
        loop {
            match reply.chunk().await {
                Ok(Some((_, bytes))) => page.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(broken) => return gone(broken),
            }
            if page.len() > PAGE_BYTES_MAX {
                return Err(format!("{} has more than {PAGE_BYTES_MAX} bytes", self.path));
            }
        }
        let mut samples = vec![Sample::one(&UP, f64::from(u8::from(status < 500)))];
        if self.path == "/metrics" {
            if status != 200 {
                return Err(format!("{} answered {status}", self.path));
            }
            let page = String::from_utf8_lossy(&page);
            for (series, names) in self.engine.metrics() {
                let value = names.iter().find_map(|name| prometheus::sum(&page, name));
                samples.extend(value.map(|value| Sample::one(series, value)));
            }
        }
        Ok(samples.into())
    }
}

/// Converts a failed request: a refused connection is a reading, any other failure a miss.
fn gone(broken: Broken) -> Result<Look, String> {
    match broken.how {
        BrokenHow::Refused
        | BrokenHow::Unreachable
        | BrokenHow::Unresolved
        | BrokenHow::Untrusted
        | BrokenHow::Reset => Ok(vec![Sample::one(&UP, 0.0)].into()),
        BrokenHow::CutOff | BrokenHow::Malformed => Err(broken.words),
    }
}
