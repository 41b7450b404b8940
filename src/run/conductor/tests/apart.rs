//! Tests lanes that advance independently: each sends its next slot when its
//! last request ended and its client's think time is over. No round waits for
//! all lanes.

use std::time::Duration;

use super::toy::Toy;
use crate::fact::{Batch, ClosedBecause, Fact, Phase, Request};
use crate::plan::tests::scenario;
use crate::plan::{Plan, Slot};
use crate::run::conductor::lanes::{LanePolicy, Lanes, Laps};
use crate::run::conductor::{Conductor, INTERRUPT};
use crate::spec::Extent;
use crate::spec::scenario::{Drill, DrillKind};
use crate::unit::At;

/// Think time of a lane's client, microseconds; differs between lanes.
fn think_us(lane: u32) -> u64 {
    700_000 + 900_000 * u64::from(lane)
}

/// Policy of lanes that advance independently.
struct Apart {
    phase: Option<Phase>,
    free_from: At,
    /// End of each lane's last request in this phase.
    last: Vec<Option<At>>,
}

impl Apart {
    fn new(plan: &Plan) -> Apart {
        Apart { phase: None, free_from: At::ZERO, last: vec![None; plan.lanes() as usize] }
    }
}

impl LanePolicy for Apart {
    fn began(&mut self, phase: Phase, at: At, _: u64) {
        self.phase = Some(phase);
        self.last.fill(None);
        self.allow_from(at);
    }

    fn allow_from(&mut self, at: At) {
        self.free_from = self.free_from.max(at);
    }

    fn is_boundary(&self) -> bool {
        true
    }

    fn repeats(&self) -> bool {
        false
    }

    fn assign_slots(&mut self, _: &Plan, lanes: &mut Lanes) {
        let Some(phase) = self.phase else { return };
        for (lane, nth) in
            (0..).zip(lanes.next()).filter(|(lane, _)| !lanes.has(*lane)).collect::<Vec<_>>()
        {
            let ended = self.last[lane as usize].unwrap_or(self.free_from);
            let due = At(ended.0 + think_us(lane)).max(self.free_from);
            lanes.assign(Slot { phase, lane, nth, repeat: 0 }, Some(due));
        }
    }

    fn ended(&mut self, _: &mut Lanes, slot: Slot, request: &Request) {
        self.last[slot.lane as usize] = Some(request.done);
    }

    fn finished_batch(&self, _: &Lanes) -> Option<Batch> {
        None
    }

    fn on_batch_written(&mut self, _: &Plan, _: At, _: u64) {}

    fn on_outage(&mut self, lanes: &mut Lanes, _: At) {
        lanes.drop_waiting();
    }

    fn on_short_outage(&mut self, _: At) {}

    fn requeue_in_flight(&mut self, lanes: &mut Lanes) {
        lanes.take_back();
    }

    fn opened(&mut self, _: &Plan, lanes: &mut Lanes, at: At, _: u64) {
        self.requeue_in_flight(lanes);
        lanes.drop_waiting();
        self.last.fill(None);
        self.free_from = at;
    }

    fn laps(&self) -> Laps {
        Laps { done: u64::from(self.last.iter().all(Option::is_some)), whole: true, last_us: 0 }
    }
}

fn apart(drills: &[Drill]) -> Toy {
    let mut scenario = scenario(&[0, 64], &[3]);
    scenario.drills = drills.to_vec();
    let mut toy = Toy::of(scenario, Extent::Duration(Duration::from_secs(60)), 0);
    toy.conductor = Conductor::of(toy.plan.clone(), Box::new(Apart::new(&toy.plan)));
    toy
}

#[test]
fn each_lane_goes_on_when_its_last_ask_ended_and_its_client_has_thought() {
    let mut toy = apart(&[]);
    assert_eq!(toy.run(), ClosedBecause::Done);
    let mut sent = Vec::new();
    for lane in 0..3 {
        let soak = toy.requests(|row| row.lane == lane && row.phase == Phase::Soak);
        for pair in soak.windows(2) {
            assert_eq!(pair[1].slot, pair[0].slot + 1);
            assert_eq!(
                (pair[1].due, pair[1].sent),
                (At(pair[0].done.0 + think_us(lane)), pair[1].due)
            );
        }
        sent.push(soak.len());
    }
    assert!(sent[0] > sent[1] && sent[1] > sent[2], "no lane waits for another: {sent:?}");
    assert!(toy.requests(|_| true).iter().any(|row| row.cell.depth == 64));
    assert_eq!(toy.phases(), [Phase::Warmup, Phase::Soak, Phase::Drain]);
}

#[test]
fn a_drill_begins_when_the_lanes_have_come_to_rest_and_they_go_on_where_they_were() {
    let idle = Duration::from_secs(10);
    let mut toy = apart(&[Drill { kind: DrillKind::Idle(idle), at: Duration::from_secs(20) }]);
    assert_eq!(toy.run(), ClosedBecause::Done);
    assert_eq!(toy.phases(), [Phase::Warmup, Phase::Soak, Phase::Idle, Phase::Soak, Phase::Drain]);
    let began = toy.entries.iter().find_map(|entry| match &entry.fact {
        Fact::Phase(began) if began.phase == Phase::Idle => Some(entry.at),
        _ => None,
    });
    let began = began.unwrap();
    let idle = began.0..began.0 + 10_000_000;
    assert!(
        toy.requests(|row| idle.contains(&row.sent.0) || idle.contains(&(row.done.0 - 1)))
            .is_empty()
    );
    for lane in 0..3 {
        let soak = toy.requests(|row| row.lane == lane && row.phase == Phase::Soak);
        let slots: Vec<u64> = soak.iter().map(|row| row.slot).collect();
        assert_eq!(slots, (0..slots.len() as u64).collect::<Vec<_>>());
    }
}

#[test]
fn an_outage_holds_all_lanes_and_each_goes_on_with_its_next_slot() {
    let mut toy = apart(&[]);
    toy.away = Some((At(15_000_000), At(30_000_000)));
    assert_eq!(toy.run(), ClosedBecause::Done);
    let dark = toy.requests(|row| (16_000_000..30_000_000).contains(&row.sent.0));
    assert!(dark.is_empty(), "{dark:?}");
    assert!(toy.now.seconds() > 70.0, "the clock of the service stood still");
    assert!(toy.requests(|row| row.sent.0 > 31_000_000).len() > 20);
}

#[test]
fn an_interrupt_lets_every_lane_end() {
    let mut toy = apart(&[]);
    while toy.in_flight.len() < 2 {
        toy.step();
    }
    toy.act(INTERRUPT);
    assert_eq!(toy.run(), ClosedBecause::Interrupted);
    assert!(toy.requests(|row| row.ended.is_bad()).is_empty());
}
