//! `longhaul rehearse`: the whole plan against the simulated server, in virtual
//! time: hours in seconds, by the code that a run takes.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, LocalSet};

use super::drive::screen::Screen;
use super::drive::{
    self, Setting, Specs, Went, Wish, ailing, carry_out, conclude, prepare, stopping,
};
use super::inputs::FLAGSHIP;
use super::sim::no_profile;
use crate::error::Mistake;
use crate::exit::Exit;
use crate::journal::manifest::{Anchor, Node};
use crate::journal::{self, Journal, Manifest};
use crate::run::stop::Stop;
use crate::run::{WallClock, Watcher};
use crate::secret::Secrets;
use crate::sim::world::boxes::Look;
use crate::sim::world::{BoxSensor, Desk, Disk, Host, Signs, SimTarget, SimWire, signs};
use crate::sim::{Engine, Setup};
use crate::timeline::Timeline;
use crate::unit::At;

/// When every rehearsal begins: midnight, so that its wall times read as time since the
/// start, of a day on which nobody served a language model.
const EPOCH: Duration = Duration::from_secs(946_684_800);

/// The scenario where the user names none: six hours.
const SCENARIO: &str = "short";

/// Rehearses and judges.
pub fn rehearse(mut wish: Wish) -> Exit {
    wish.again = drive::Again { verb: "rehearse", flags: Vec::new() };
    let wide = wish.wide;
    conclude(went(&wish), wide)
}

/// Rehearses, and leaves the judging to whoever asked; a signal stops it.
pub fn went(wish: &Wish) -> Went {
    let specs = match specs(wish) {
        Ok(specs) => specs,
        Err(wrong) => return Went::Mistake(wrong),
    };
    in_virtual_time(async {
        let (stopper, mut stop) = stopping();
        let prepared = prepared(wish, &specs, &mut stop).await?;
        let on_fail = wish.stop_on_fail.then_some(stopper);
        let mut screen = Screen::rehearsed(prepared.asked.clone(), on_fail);
        let went = carry_out(prepared, stop, &mut screen).await;
        screen.end();
        Ok(went)
    })
}

/// Rehearses without telling anybody but the watcher: for tests of what a rehearsal shows.
pub fn play(wish: &Wish, stop: Stop, watcher: &mut dyn Watcher) -> Went {
    let specs = match specs(wish) {
        Ok(specs) => specs,
        Err(wrong) => return Went::Mistake(wrong),
    };
    in_virtual_time(async {
        let mut stop = stop;
        let prepared = prepared(wish, &specs, &mut stop).await?;
        Ok(carry_out(prepared, stop, watcher).await)
    })
}

/// Runs under a paused clock: it goes on by itself to the next thing that is due.
fn in_virtual_time(play: impl Future<Output = Result<Went, Went>>) -> Went {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    match runtime {
        Ok(runtime) => {
            let played = async { play.await.unwrap_or_else(|went| went) };
            runtime.block_on(LocalSet::new().run_until(played))
        }
        Err(why) => Went::Mistake(Mistake::new(format!("no runtime: {why}"))),
    }
}

async fn prepared(
    wish: &Wish,
    specs: &Specs,
    stop: &mut Stop,
) -> Result<prepare::Prepared<Rehearsal>, Went> {
    prepare::vacant(wish)?;
    let rehearsal = Rc::new(Rehearsal::begin(wish, specs)?);
    prepare::prepare(wish, specs, &rehearsal, stop).await
}

/// What was asked, read; in real time, since a recipe may have to be fetched.
fn specs(wish: &Wish) -> Result<Specs, Mistake> {
    let recipe = wish.asked.recipe(Some(FLAGSHIP))?;
    let scenario = wish.asked.scenario(SCENARIO)?;
    let profile = wish.asked.profile(recipe.as_ref())?;
    if profile.is_none() {
        return Err(no_profile());
    }
    Ok(Specs { recipe, scenario, profile, simulate: true })
}

/// Virtual time, a simulated server and box, and a machine of longhaul's own.
struct Rehearsal {
    desk: Rc<Desk>,
    /// What becomes of the server, until somebody follows it.
    signs: RefCell<Option<Signs>>,
    /// The task that keeps the server going, until somebody waits for its end.
    driven: RefCell<Option<JoinHandle<()>>>,
    host: Rc<Host>,
    timeline: Timeline,
    planned_us: Option<u64>,
    /// Whether the server never comes up, by what the recipe asks of it.
    refuses: bool,
}

impl Rehearsal {
    fn begin(wish: &Wish, specs: &Specs) -> Result<Rehearsal, Mistake> {
        let ailments = ailing::read(&wish.ailments)?;
        let (Some(recipe), Some(profile)) = (&specs.recipe, &specs.profile) else {
            return Err(no_profile());
        };
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH + EPOCH);
        let seed = wish.server_seed();
        let setup = Setup::of(recipe, profile);
        let refuses = setup.refuses;
        let engine = Engine::new(setup, seed, ailments.clone(), At::ZERO);
        let (tell, signs) = signs();
        let desk = Rc::new(Desk::new(engine, timeline, seed, Box::new(tell)));
        let driving = desk.clone();
        let driven = tokio::task::spawn_local(async move { driving.drive().await });
        let driven = RefCell::new(Some(driven));
        let (planned_us, _) = prepare::planned_us(specs, wish.asked.seed);
        let host = Rc::new(Host::new(timeline, seed, ailments));
        let signs = RefCell::new(Some(signs));
        Ok(Rehearsal { desk, signs, driven, host, timeline, planned_us, refuses })
    }
}

impl Setting for Rehearsal {
    type Wire = SimWire;
    type Target = SimTarget;
    type Sink = Disk<Journal>;

    fn wire(&self) -> SimWire {
        SimWire::new(self.desk.clone())
    }

    fn target(&self) -> SimTarget {
        let desk = self.desk.clone();
        let give = move |order, action| desk.order(order, action);
        // Who comes second finds the way closed, and a server of which nothing is heard.
        let signs = self.signs.take().unwrap_or_else(|| signs().1);
        SimTarget::new(signs, self.timeline, Box::new(give))
    }

    /// A simulated server is up before anybody asks; one that cannot come up is a verdict on
    /// the recipe.
    fn starts(&self) -> bool {
        self.refuses
    }

    fn timeline(&self) -> Timeline {
        self.timeline
    }

    fn wall(&self) -> WallClock {
        let host = self.host.clone();
        Box::new(move |now| host.wall_us(now))
    }

    fn address(&self) -> &'static str {
        "http://rehearsed"
    }

    fn secrets(&self) -> Rc<Secrets> {
        Rc::default()
    }

    fn node(&self) -> Node {
        Node { host: "rehearsed".to_owned(), role: "load".to_owned(), ..Node::default() }
    }

    fn anchor(&self) -> Anchor {
        Anchor { wall_us: self.timeline.wall_us(), ..Anchor::default() }
    }

    /// A number tells rehearsals apart, since all of them begin at the same time; it stands
    /// nowhere inside, so that two of one seed are the same.
    fn folder(&self, recipe: &str, scenario: &str) -> PathBuf {
        let name = |n: u32| Path::new("runs").join(format!("rehearsed-{recipe}-{scenario}-{n}"));
        (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
    }

    /// Written at once: a thread behind a channel would let hours pass unseen.
    fn journal(&self, folder: &Path, manifest: &Manifest) -> Result<Disk<Journal>, Mistake> {
        let journal = Journal::inline(folder, manifest)?;
        Ok(Disk::new(journal, self.host.clone(), journal::QUEUE_JOBS_MAX))
    }

    fn sees(&self) -> (bool, bool) {
        (true, true)
    }

    fn boxes(&self) -> Vec<BoxSensor> {
        let desk = self.desk.clone();
        BoxSensor::all(&(Rc::new(move || desk.view()) as Look))
    }

    fn load_began(&self) {
        self.desk.load_began(self.planned_us);
        self.host.load_began(self.planned_us);
    }

    fn is_live(&self) -> bool {
        false
    }

    async fn broke(&self) -> String {
        let driven = self.driven.borrow_mut().take();
        match driven {
            Some(driven) => match driven.await {
                Ok(()) => "the simulated server ended by itself".to_owned(),
                Err(broke) => format!("the simulated server broke: {broke}"),
            },
            None => std::future::pending().await,
        }
    }
}
