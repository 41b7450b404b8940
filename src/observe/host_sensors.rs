//! Lists the sensors that read the server's machine from that machine. Each reads a few small files
//! that the kernel generates from memory. Such a read may still block, so each sensor has its own
//! thread. A new sensor is registered here with one line.

use super::cgroup::Cgroup;
use super::host::HostMemory;
use super::kernel::OomKills;
use super::kmsg::KernelLog;
use super::kmsg::owner::MainProcess;
use super::root::Root;
use super::thread::Threaded;
use super::tree::ServerProcesses;
use crate::fact::Source;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{LocalFuture, Observation, Sensor, ServerPid};

/// Interval at which it is reported that there is nothing to read: once a minute.
const ELSEWHERE_US: u64 = 60_000_000;

/// Reader of this machine's files, on its own thread.
pub(crate) trait HostReader: Send {
    /// Source of the readings.
    fn source(&self) -> Source;

    /// Name of what is read, for the row that reports a miss.
    fn what(&self) -> &'static str;

    /// Time between two reads, in microseconds.
    fn cadence_us(&self) -> u64;

    /// Reads the present values.
    ///
    /// # Errors
    /// The reason in words why nothing could be read.
    fn read(&mut self, now: At) -> Result<Observation, String>;
}

/// Creates the sensors of this machine, and of the server's processes where they are known. Where
/// they are not, whose process the kernel killed is told by the port at which the server listens.
pub(crate) fn here(
    timeline: Timeline,
    server_pid: Option<&ServerPid>,
    port: Option<u16>,
) -> Vec<Box<dyn Sensor>> {
    let root = Root::here;
    let main = match (server_pid, port) {
        (Some(server_pid), _) => MainProcess::Known(server_pid.clone()),
        (None, Some(port)) => MainProcess::AtPort(port),
        (None, None) => MainProcess::Unknown,
    };
    let mut readers: Vec<Box<dyn HostReader>> = vec![
        Box::new(HostMemory::new(root())),
        Box::new(OomKills::new(root())),
        Box::new(KernelLog::new(root(), main)),
    ];
    if let Some(server_pid) = server_pid {
        readers.push(Box::new(Cgroup::new(root(), server_pid.clone())));
        readers.push(Box::new(ServerProcesses::new(root(), server_pid.clone())));
    }
    let sensor = |reader| Box::new(Threaded::start(reader, timeline)) as Box<dyn Sensor>;
    readers.into_iter().map(sensor).collect()
}

/// Creates a sensor that reports why there is nothing to read: the server is at `host`, not here.
pub(crate) fn elsewhere(host: &str) -> Vec<Box<dyn Sensor>> {
    vec![Box::new(RemoteKernel { host: host.to_owned() })]
}

/// Kernel of a server that is on another machine.
struct RemoteKernel {
    host: String,
}

impl Sensor for RemoteKernel {
    fn source(&self) -> Source {
        Source::Kernel
    }

    fn what(&self) -> &'static str {
        "kernel"
    }

    fn cadence_us(&self) -> u64 {
        ELSEWHERE_US
    }

    fn look(&mut self) -> LocalFuture<'_, Result<Observation, String>> {
        let why = format!("is on another machine: {}", self.host);
        Box::pin(std::future::ready(Err(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series;

    #[tokio::test]
    async fn a_server_elsewhere_is_a_miss_of_the_kernel_that_names_the_host() {
        let mut sensors = elsewhere("spark");
        assert_eq!((sensors.len(), sensors[0].source()), (1, Source::Kernel));
        assert_eq!(sensors[0].look().await, Err("is on another machine: spark".to_owned()));
    }

    #[tokio::test]
    async fn processes_are_looked_at_only_where_somebody_knows_them() {
        let sources = |server_pid: Option<&ServerPid>| {
            let sensors = here(Timeline::start(), server_pid, None);
            sensors.iter().map(|sensor| sensor.source()).collect::<Vec<_>>()
        };
        let own = [Source::Host, Source::Kernel, Source::Kernel];
        assert_eq!(sources(None), own);
        let all = [&own[..], &[Source::Container, Source::Process]].concat();
        assert_eq!(sources(Some(&ServerPid::default())), all);
    }

    #[tokio::test]
    async fn what_is_read_of_this_machine_stands_in_the_table_of_series() {
        let server_pid = ServerPid::default();
        server_pid.set(Some(std::process::id()));
        let mut read = 0;
        for mut sensor in here(Timeline::start(), Some(&server_pid), None) {
            // Files that this machine does not allow to be read have no series here.
            for sample in sensor.look().await.unwrap_or_default().samples {
                let series = series::of(sensor.source(), &sample.name);
                assert!(series.is_some_and(|of| of.name == sample.name), "{sample:?}");
                read += 1;
            }
        }
        assert!(read >= 8, "memory and processes are read everywhere: {read}");
    }
}
