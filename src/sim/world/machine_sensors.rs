//! Sensors of the simulated server's machine.

use std::rc::Rc;

use crate::fact::Source;
use crate::series::{
    AILMENT_HITS, ANONYMOUS, MEM_AVAILABLE, OOM_KILLS, OPEN_FILES, RSS, SHARED, THREADS,
};
use crate::sim::{Ailment, MachineState};
use crate::world::{self, LocalFuture, Sample, Sensor};

/// Cadence of the sensors, microseconds.
const CADENCE_US: u64 = 1_000_000;

/// Title of the server's process.
const TITLE: &str = "VLLM::EngineCore";

/// Function that returns the present state of the machine.
pub(crate) type ReadMachine = Rc<dyn Fn() -> MachineState>;

/// Quantity that a sensor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MachineQuantity {
    /// Number of OOM kills since boot.
    OomKills,
    /// Available memory.
    MemAvailable,
    /// Memory, threads and files of the server's process.
    Process,
}

/// Sensor of one quantity of the machine.
struct MachineSensor {
    what: MachineQuantity,
    look: ReadMachine,
}

/// Returns a sensor for each quantity, and one for the ailments, if there are any.
pub(crate) fn sensors(look: &ReadMachine, ailments: &[String]) -> Vec<Box<dyn Sensor>> {
    let sensor = |what| Box::new(MachineSensor { what, look: look.clone() }) as Box<dyn Sensor>;
    let mut sensors: Vec<Box<dyn Sensor>> =
        [MachineQuantity::OomKills, MachineQuantity::MemAvailable, MachineQuantity::Process]
            .map(sensor)
            .into();
    let of_server = |(_, text): &(usize, &String)| {
        Ailment::parse(text).is_ok_and(|ailment| !ailment.kind.affects_longhaul())
    };
    let of_server = ailments.iter().enumerate().filter(of_server);
    let ailments: Vec<_> = of_server.map(|(place, text)| (place, text.clone())).collect();
    if !ailments.is_empty() {
        sensors.push(Box::new(AilmentSensor { ailments, look: look.clone() }));
    }
    sensors
}

/// Sensor of what the ailments did so far.
struct AilmentSensor {
    /// Ailments of the server with their place among all, as they were written.
    ailments: Vec<(usize, String)>,
    look: ReadMachine,
}

impl Sensor for AilmentSensor {
    fn source(&self) -> Source {
        AILMENT_HITS.source
    }

    fn what(&self) -> &'static str {
        AILMENT_HITS.name
    }

    fn cadence_us(&self) -> u64 {
        CADENCE_US
    }

    fn look(&mut self) -> LocalFuture<'_, Result<world::Observation, String>> {
        let hits = (self.look)().ailment_hits;
        let sample = |(place, text): &(usize, String)| {
            Some(Sample::of(text, &AILMENT_HITS, *hits.get(*place)? as f64))
        };
        let samples: Vec<Sample> = self.ailments.iter().filter_map(sample).collect();
        Box::pin(std::future::ready(Ok(samples.into())))
    }
}

impl MachineSensor {
    fn samples(&self) -> Result<Vec<Sample>, String> {
        let view = (self.look)();
        if !view.reachable {
            return Err("the machine does not answer".to_owned());
        }
        Ok(match self.what {
            MachineQuantity::OomKills => vec![Sample::one(&OOM_KILLS, view.oom_kills as f64)],
            MachineQuantity::MemAvailable => {
                vec![Sample::one(&MEM_AVAILABLE, view.memory_available_bytes as f64)]
            }
            MachineQuantity::Process => of_process(&view),
        })
    }
}

/// Samples of the server's process; none while there is none.
fn of_process(view: &MachineState) -> Vec<Sample> {
    let Some(process) = view.resources else { return Vec::new() };
    vec![
        Sample::one(&THREADS, process.threads as f64),
        Sample::one(&OPEN_FILES, process.open_files as f64),
        Sample::of(TITLE, &RSS, process.resident_bytes as f64),
        Sample::one(&ANONYMOUS, process.anonymous_bytes as f64),
        Sample::one(&SHARED, process.shared_bytes as f64),
    ]
}

impl Sensor for MachineSensor {
    fn source(&self) -> Source {
        match self.what {
            MachineQuantity::OomKills => Source::Kernel,
            MachineQuantity::MemAvailable => Source::Host,
            MachineQuantity::Process => Source::Process,
        }
    }

    fn what(&self) -> &'static str {
        match self.what {
            MachineQuantity::OomKills => OOM_KILLS.name,
            MachineQuantity::MemAvailable => MEM_AVAILABLE.name,
            MachineQuantity::Process => "processes",
        }
    }

    fn cadence_us(&self) -> u64 {
        CADENCE_US
    }

    fn look(&mut self) -> LocalFuture<'_, Result<world::Observation, String>> {
        Box::pin(std::future::ready(self.samples().map(Into::into)))
    }
}
