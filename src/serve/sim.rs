//! The simulator behind a real port: vLLM's HTTP face over `sim::Engine`, in
//! real time. One thread; a driver brings the engine up to now, and each
//! connection is a task. When the model's server dies, the port really refuses.

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
use crate::sim::world::{Desk, SimEvent};
use crate::sim::{Ailment, BoxView, Setup, SimEngine};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::TargetOrder;

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: u32 = 1024;
/// How old the published view of the box may be.
const VIEW_EVERY: Duration = Duration::from_millis(500);

/// What a simulated server is told to be.
#[derive(Clone, Debug)]
pub(crate) struct SimConfig {
    /// What is simulated.
    pub setup: Setup,
    /// Where its noise comes from.
    pub seed: u64,
    /// What goes wrong with it.
    pub ailments: Vec<Ailment>,
}

/// A simulated server with its port taken, not yet running.
pub(crate) struct BoundSimServer {
    desk: Rc<Desk>,
    port: Port,
    address: SocketAddr,
}

/// The port, in one of its two states.
enum Port {
    /// Ours, and refusing.
    Bound(TcpSocket),
    Listening(TcpListener),
}

impl Port {
    /// Opens it, if it is not open.
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
    /// Takes the port, and opens it unless the server is still to start. To be
    /// called within a tokio runtime. `tell` hears what becomes of it, its log among that.
    ///
    /// # Errors
    /// The port is in use or may not be used.
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
        let desk = Rc::new(Desk::new(engine, Timeline::start(), order.seed, Box::new(tell)));
        Ok(BoundSimServer { desk, port, address })
    }

    /// Where it listens, or will.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the future is dropped. Load begins with the first request
    /// to an endpoint that answers.
    ///
    /// # Errors
    /// Another program took the port while the server was down.
    pub(crate) async fn run(self) -> Result<(), Mistake> {
        self.desk.load_begins_by_itself();
        self.serve().await
    }

    async fn serve(self) -> Result<(), Mistake> {
        let BoundSimServer { desk, port, address } = self;
        let local = LocalSet::new();
        let listen = local.run_until(listen(desk.clone(), port, address));
        tokio::select! { biased;
            ended = listen => ended,
            () = desk.drive() => Ok(()),
        }
    }
}

/// Opens and closes the port as the engine comes and goes.
async fn listen(desk: Rc<Desk>, port: Port, address: SocketAddr) -> Result<(), Mistake> {
    let door = desk.door();
    let mut connections = JoinSet::new();
    let mut port = port;
    loop {
        let life = door.until(|door| door.open).await.life;
        // Whoever is left of an earlier life has had its time to hear of its end.
        connections.abort_all();
        let listener = port.open(address)?;
        accept_during(life, &desk, &listener, &mut connections).await;
        drop(listener);
        // Bound but not listening: the port is kept, and connections are refused.
        port = Port::Bound(socket(address)?);
        // A box that is away ends no connection; that its port does refuse is the kernel's doing.
        if door.until(|door| !door.silent).await.abrupt {
            connections.abort_all();
        }
    }
}

/// Accepts connections until this life of the server is over.
async fn accept_during(
    life: u64,
    desk: &Rc<Desk>,
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
) {
    let door = desk.door();
    loop {
        tokio::select! { biased;
            _ = door.until(|door| !door.open || door.life != life) => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // An error here is of that one connection, or of a limit that passes.
                if let Ok((stream, _)) = accepted {
                    connections.spawn_local(reply::converse(desk.clone(), stream, life));
                }
            }
        }
    }
}

fn socket(bind: SocketAddr) -> Result<TcpSocket, Mistake> {
    let socket = if bind.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        // Without it, connections of an earlier life would keep the port for a minute.
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

/// What is told to a simulated server on a thread of its own.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// Load begins, and is planned to last so many microseconds.
    LoadBegan(Option<u64>),
    /// An order, and the number of its action.
    Order(TargetOrder, u64),
}

/// A simulated server on a thread of its own. Dropping it ends the server.
pub(crate) struct SimHandle {
    address: SocketAddr,
    timeline: Timeline,
    words: Option<mpsc::UnboundedSender<Word>>,
    view: Arc<Mutex<BoxView>>,
    thread: Option<JoinHandle<()>>,
}

impl SimHandle {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Load begins now, and is planned to last so many microseconds: ailments get their times.
    pub(crate) fn load_began(&self, planned_us: Option<u64>) {
        self.tell(Word::LoadBegan(planned_us));
    }

    fn tell(&self, word: Word) {
        if let Some(words) = &self.words {
            // Fails only if the server has ended, and then there is nothing to tell.
            let _ = words.send(word);
        }
    }

    /// What hands it orders, for as long as it is there.
    pub(crate) fn orders(&self) -> impl Fn(TargetOrder, u64) + 'static {
        let words = self.words.as_ref().map(mpsc::UnboundedSender::downgrade);
        move |order, action| {
            if let Some(words) = words.as_ref().and_then(mpsc::WeakUnboundedSender::upgrade) {
                let _ = words.send(Word::Order(order, action));
            }
        }
    }

    /// The clock by which it stamps what becomes of it.
    pub(crate) fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// The same, to be kept by a sensor.
    pub(crate) fn shared_view(&self) -> Arc<Mutex<BoxView>> {
        self.view.clone()
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.words = None;
        if let Some(thread) = self.thread.take() {
            // It ends at once; a panic in it has been told by its own thread.
            let _ = thread.join();
        }
    }
}

/// Starts a simulated server on a thread of its own. When this returns, its port
/// is taken, and open unless the server is still to start. Nothing ails before [`Handle::load_began`].
///
/// # Errors
/// The port is in use or may not be used, or no thread can be had.
// The simulator must not share the run's thread: its work would be measured as lateness of the load.
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
                let view = Arc::new(Mutex::new(server.desk.view()));
                let timeline = server.desk.timeline();
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

/// Serves until the handle is dropped, and publishes the view of the box.
async fn until_dropped(
    server: BoundSimServer,
    mut inbox: mpsc::UnboundedReceiver<Word>,
    view: &Mutex<BoxView>,
) {
    let (desk, shown) = (server.desk.clone(), server.desk.clone());
    let obey = async {
        while let Some(word) = inbox.recv().await {
            match word {
                Word::LoadBegan(planned_us) => desk.load_began(planned_us),
                Word::Order(order, action) => desk.order(order, action),
            }
        }
    };
    let publish = async {
        let mut tick = tokio::time::interval(VIEW_EVERY);
        loop {
            let door = shown.door().get();
            *view.lock().unwrap_or_else(PoisonError::into_inner) = shown.view();
            // Who comes and goes is seen at once, the rest by and by.
            tokio::select! { biased;
                _ = shown.door().until(|now| *now != door) => {}
                _ = tick.tick() => {}
            }
        }
    };
    tokio::select! { biased;
        () = obey => {}
        () = publish => {}
        // The port was lost while the server was down: to everyone it stays down.
        _ = server.serve() => {}
    }
}
