//! Serves the simulator on a real port: vLLM's HTTP responses over [`SimEngine`], in real time. One
//! thread: a driver keeps the engine at the present time, and each connection is a task. When the
//! simulated process ends, the port refuses connections.

mod connection;
mod reply;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use crate::error::Mistake;
use crate::sim::world::{Connections, SimEvent};
use crate::sim::{Ailment, MachineState, Setup, SimEngine};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::TargetOrder;

/// Length of the kernel's queue of connections that are not yet accepted.
const BACKLOG: u32 = 1024;
/// Maximum age of the published state of the machine.
const VIEW_EVERY: Duration = Duration::from_millis(500);

/// Settings of a simulated server.
#[derive(Clone, Debug)]
pub(crate) struct SimConfig {
    /// Settings of engine and machine.
    pub setup: Setup,
    /// Seed of its noise.
    pub seed: u64,
    /// Faults of the server.
    pub ailments: Vec<Ailment>,
}

/// A simulated server whose port is bound, not yet running.
pub(crate) struct BoundSimServer {
    connections: Rc<Connections>,
    port: Port,
    address: SocketAddr,
}

/// State of the port.
enum Port {
    /// Bound but not listening: connections are refused.
    Bound(TcpSocket),
    Listening(TcpListener),
}

impl Port {
    /// Opens the port, if it is not open.
    fn open(self, address: SocketAddr) -> Result<TcpListener, Mistake> {
        match self {
            Port::Bound(socket) => {
                socket.listen(BACKLOG).map_err(|error| unusable(address, &error))
            }
            Port::Listening(listener) => Ok(listener),
        }
    }
}

impl BoundSimServer {
    /// Binds the port, and opens it unless the server is still to start. Needs a tokio runtime.
    /// `tell` receives the server's events, its log lines included.
    ///
    /// # Errors
    /// The port is in use or not permitted.
    pub(crate) fn bind(
        bind: SocketAddr,
        order: SimConfig,
        tell: impl FnMut(At, SimEvent) + 'static,
    ) -> Result<BoundSimServer, Mistake> {
        let socket = socket(bind)?;
        let address = socket.local_addr().map_err(|error| unusable(bind, &error))?;
        let engine = SimEngine::new(order.setup, order.seed, order.ailments, At::ZERO);
        let port = Port::Bound(socket);
        let port = if engine.listening() { Port::Listening(port.open(address)?) } else { port };
        let connections =
            Rc::new(Connections::new(engine, Timeline::start(), order.seed, Box::new(tell)));
        Ok(BoundSimServer { connections, port, address })
    }

    /// Address of the port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the future is dropped. The first generation request begins the load.
    ///
    /// # Errors
    /// Another program bound the port while the server was down.
    pub(crate) async fn run(self) -> Result<(), Mistake> {
        self.connections.load_begins_by_itself();
        self.serve().await
    }

    async fn serve(self) -> Result<(), Mistake> {
        let BoundSimServer { connections, port, address } = self;
        let local = LocalSet::new();
        let listen = local.run_until(listen(connections.clone(), port, address));
        tokio::select! { biased;
            ended = listen => ended,
            () = connections.drive() => Ok(()),
        }
    }
}

/// Opens and closes the port with the engine's state.
async fn listen(
    connections: Rc<Connections>,
    port: Port,
    address: SocketAddr,
) -> Result<(), Mistake> {
    let port_state = connections.port_state();
    let mut tasks = JoinSet::new();
    let mut port = port;
    loop {
        let life = port_state.until(|port_state| port_state.open).await.life;
        // Connections of an earlier process lifetime have had time to receive its end.
        tasks.abort_all();
        let listener = port.open(address)?;
        accept_during(life, &connections, &listener, &mut tasks).await;
        drop(listener);
        // Bound but not listening: the port is kept, and connections are refused.
        port = Port::Bound(socket(address)?);
        // A machine without power ends no connection. That this port then refuses new ones is a
        // limit of real sockets.
        if port_state.until(|port_state| !port_state.silent).await.abrupt {
            tasks.abort_all();
        }
    }
}

/// Accepts connections until this process lifetime has ended.
async fn accept_during(
    life: u64,
    connections: &Rc<Connections>,
    listener: &TcpListener,
    tasks: &mut JoinSet<()>,
) {
    let port_state = connections.port_state();
    loop {
        tokio::select! { biased;
            _ = port_state.until(|port_state| !port_state.open || port_state.life != life) => return,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => {
                // An error here concerns one connection only, or a temporary limit.
                if let Ok((stream, _)) = accepted {
                    tasks.spawn_local(reply::serve_connection(connections.clone(), stream, life));
                }
            }
        }
    }
}

fn socket(bind: SocketAddr) -> Result<TcpSocket, Mistake> {
    let socket = if bind.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        // Without it, connections of an earlier process lifetime would block the port for a minute.
        socket.set_reuseaddr(true)?;
        socket.bind(bind)?;
        Ok(socket)
    });
    bound.map_err(|error| unusable(bind, &error))
}

fn unusable(bind: SocketAddr, error: &std::io::Error) -> Mistake {
    let port = bind.port();
    if error.kind() == ErrorKind::AddrInUse {
        return Mistake::new(format!("port {port} on {} is in use", bind.ip()))
            .hint("another port: --port 0 takes a free one");
    }
    Mistake::new(format!("cannot listen on {bind}: {error}"))
        .hint("a port from 1024 on, and an address of this machine")
}

/// Message to the thread of a simulated server.
#[derive(Clone, Copy, Debug)]
enum ThreadMessage {
    /// The load begins, and is planned to last this many microseconds.
    LoadBegan(Option<u64>),
    /// An order, with the number of its action.
    Order(TargetOrder, u64),
}

/// A simulated server on its own thread. Dropping the handle ends it.
pub(crate) struct SimHandle {
    address: SocketAddr,
    timeline: Timeline,
    words: Option<mpsc::UnboundedSender<ThreadMessage>>,
    view: Arc<Mutex<MachineState>>,
    thread: Option<JoinHandle<()>>,
}

impl SimHandle {
    /// Address of the port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins the load, planned to last `planned_us`: faults get their times.
    pub(crate) fn load_began(&self, planned_us: Option<u64>) {
        self.tell(ThreadMessage::LoadBegan(planned_us));
    }

    fn tell(&self, word: ThreadMessage) {
        if let Some(words) = &self.words {
            // Fails only if the server has ended; the message is then moot.
            let _ = words.send(word);
        }
    }

    /// Returns a function that sends orders, which has no effect after the server has ended.
    pub(crate) fn orders(&self) -> impl Fn(TargetOrder, u64) + 'static {
        let words = self.words.as_ref().map(mpsc::UnboundedSender::downgrade);
        move |order, action| {
            if let Some(words) = words.as_ref().and_then(mpsc::WeakUnboundedSender::upgrade) {
                let _ = words.send(ThreadMessage::Order(order, action));
            }
        }
    }

    /// Returns the clock of the events' timestamps.
    pub(crate) fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// Returns the shared state of the machine, for a sensor.
    pub(crate) fn shared_view(&self) -> Arc<Mutex<MachineState>> {
        self.view.clone()
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.words = None;
        if let Some(thread) = self.thread.take() {
            // The thread ends at once. A panic was already printed by the thread itself.
            let _ = thread.join();
        }
    }
}

/// Starts a simulated server on its own thread. On return, its port is bound, and open unless the
/// server is still to start. Faults need [`SimHandle::load_began`].
///
/// # Errors
/// The port is in use or not permitted, or no thread can be started.
// The simulator must not share the run's thread: its work would be measured as late requests.
#[allow(clippy::disallowed_methods)]
pub(crate) fn spawn(
    bind: SocketAddr,
    order: SimConfig,
    tell: impl FnMut(At, SimEvent) + Send + 'static,
) -> Result<SimHandle, Mistake> {
    let (started, awaited) = std::sync::mpsc::channel();
    let (words, inbox) = mpsc::unbounded_channel();
    let thread = std::thread::spawn(move || {
        let server = runtime().and_then(|runtime| {
            let within = runtime.enter();
            let server = BoundSimServer::bind(bind, order, tell)?;
            drop(within);
            Ok((server, runtime))
        });
        match server {
            Ok((server, runtime)) => {
                let view = Arc::new(Mutex::new(server.connections.view()));
                let timeline = server.connections.timeline();
                let _ = started.send(Ok((server.address, timeline, view.clone())));
                runtime.block_on(until_dropped(server, inbox, &view));
            }
            Err(mistake) => {
                let _ = started.send(Err(mistake));
            }
        }
    });
    let gone = || Err(Mistake::new("the simulated server's thread ended before it listened"));
    let (address, timeline, view) = awaited.recv().unwrap_or_else(|_| gone())?;
    Ok(SimHandle { address, timeline, words: Some(words), view, thread: Some(thread) })
}

fn runtime() -> Result<tokio::runtime::Runtime, Mistake> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Mistake::new(format!("the simulated server cannot start: {error}")))
}

/// Serves until the handle is dropped, and publishes the state of the machine.
async fn until_dropped(
    server: BoundSimServer,
    mut inbox: mpsc::UnboundedReceiver<ThreadMessage>,
    view: &Mutex<MachineState>,
) {
    let (connections, shown) = (server.connections.clone(), server.connections.clone());
    let obey = async {
        while let Some(word) = inbox.recv().await {
            match word {
                ThreadMessage::LoadBegan(planned_us) => connections.load_began(planned_us),
                ThreadMessage::Order(order, action) => connections.order(order, action),
            }
        }
    };
    let publish = async {
        let mut tick = tokio::time::interval(VIEW_EVERY);
        loop {
            let port_state = shown.port_state().get();
            *view.lock().unwrap_or_else(PoisonError::into_inner) = shown.view();
            // Changes of the port are published at once, the rest at the interval.
            tokio::select! { biased;
                _ = shown.port_state().until(|now| *now != port_state) => {}
                _ = tick.tick() => {}
            }
        }
    };
    tokio::select! { biased;
        () = obey => {}
        () = publish => {}
        // The port was lost while the server was down: it stays down for all clients.
        _ = server.serve() => {}
    }
}
