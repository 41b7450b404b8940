//! Life: the seams as they are when a real address is driven.

use std::sync::{Arc, Mutex, PoisonError};

use crate::fact::Source;
use crate::http::Http;
use crate::journal::Journal;
use crate::observe::engine::EngineSensor;
use crate::sim::BoxView;
use crate::target::Attached;
use crate::world::{Sample, Seams, Sensor, World};

/// What a run against an address is made of.
pub struct Life {
    /// How requests travel.
    pub wire: Http,
    /// What looks at the server.
    pub sensors: Vec<LifeSensor>,
    /// Where entries go.
    pub sink: Journal,
}

impl World for Life {
    type Wire = Http;
    type Target = Attached;
    type Sensor = LifeSensor;
    type Sink = Journal;

    fn open(self) -> Seams<Life> {
        Seams { wire: self.wire, target: Attached, sensors: self.sensors, sink: self.sink }
    }
}

/// The box of a simulated server, as a sensor on it would see it.
pub type SharedBox = Arc<Mutex<BoxView>>;

/// Everything that looks at a server from here.
pub enum LifeSensor {
    /// The engine's metrics or health.
    Engine(EngineSensor<Http>),
    /// The box of the simulated server, of which the kernel would tell.
    Kernel(SharedBox),
    /// The memory of that box.
    Host(SharedBox),
}

impl Sensor for LifeSensor {
    fn source(&self) -> Source {
        match self {
            LifeSensor::Engine(sensor) => sensor.source(),
            LifeSensor::Kernel(_) => Source::Kernel,
            LifeSensor::Host(_) => Source::Host,
        }
    }

    fn what(&self) -> &'static str {
        match self {
            LifeSensor::Engine(sensor) => sensor.what(),
            LifeSensor::Kernel(_) => "oom_kills",
            LifeSensor::Host(_) => "mem_available_bytes",
        }
    }

    fn cadence_us(&self) -> u64 {
        match self {
            LifeSensor::Engine(sensor) => sensor.cadence_us(),
            LifeSensor::Kernel(_) | LifeSensor::Host(_) => 1_000_000,
        }
    }

    async fn look(&mut self) -> Result<Vec<Sample>, String> {
        let sample = |name: &str, value: f64| {
            Ok(vec![Sample { instance: String::new(), name: name.to_owned(), value }])
        };
        match self {
            LifeSensor::Engine(sensor) => sensor.look().await,
            LifeSensor::Kernel(view) => sample("oom_kills", seen(view)?.oom_kills as f64),
            LifeSensor::Host(view) => {
                sample("mem_available_bytes", seen(view)?.memory_available_bytes as f64)
            }
        }
    }
}

fn seen(view: &SharedBox) -> Result<BoxView, String> {
    let view = view.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if view.reachable { Ok(view) } else { Err("the box does not answer".to_owned()) }
}
