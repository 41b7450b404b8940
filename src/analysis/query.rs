//! Queries an analysis for a distribution, a share or a number of events in the part of the run
//! that a selector names.

use crate::fact::{Ended, GapKind, Group, Phase, Seq};
use crate::incident::Incident;
use crate::measure::{Count, INTERVAL_CONFIDENCE, Quantity, RequestShare, Statistic};
use crate::spec::Select;
use crate::stats::{Dist, Estimate, RankInterval, UnknownValues};

use super::{Analysis, FirstFired, GroupStatistics, Judged, Tally};

/// Share of a whole number of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub part: u64,
    /// Number of requests in the whole.
    pub of: u64,
}

impl Share {
    /// Returns the fraction; `None` where the whole is 0.
    pub(crate) fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.part as f64 / self.of as f64)
    }
}

/// Returns a statistic of some values; `None` with fewer than it needs.
pub(crate) fn statistic(dist: &Dist, statistic: Statistic) -> Option<Estimate> {
    statistic_with(dist, statistic, UnknownValues::default())
}

/// Returns a statistic of some values and of others that are not known.
pub(crate) fn statistic_with(
    dist: &Dist,
    statistic: Statistic,
    unknown: UnknownValues,
) -> Option<Estimate> {
    if dist.n() < statistic.samples_min() {
        return None;
    }
    match statistic {
        Statistic::P50 | Statistic::P95 | Statistic::P99 => {
            dist.percentile_with(statistic.percentile()?, unknown)
        }
        Statistic::Mean => dist.mean_with(unknown),
        Statistic::Max => dist.max_with(unknown),
    }
}

/// Returns the interval of a percentile; `None` for another statistic, with fewer values than the
/// percentile needs, and where neither end is known.
pub(crate) fn interval(dist: &Dist, statistic: Statistic) -> Option<RankInterval> {
    let share = statistic.percentile().filter(|_| dist.n() >= statistic.samples_min())?;
    dist.interval(share, INTERVAL_CONFIDENCE)
}

/// Bound on the evidence of an answer.
const EVIDENCE_MAX: usize = 8;

impl Analysis {
    /// Returns the atoms of a selection. Without a phase it selects every steady phase.
    pub(crate) fn atoms_of<'a>(
        &'a self,
        select: &'a Select,
    ) -> impl Iterator<Item = &'a GroupStatistics> {
        let fits =
            |atom: &&GroupStatistics| phase_fits(select, atom.phase) && select.takes(&atom.group);
        self.atoms.iter().filter(fits)
    }

    /// Returns the groups of a selection that have no cell, each once, in order.
    pub(crate) fn without_cell<'a>(&'a self, select: &'a Select) -> Vec<&'a Group> {
        let groups = self.atoms_of(select).map(|atom| &atom.group);
        let mut without: Vec<&Group> = groups.filter(|group| group.cell.is_none()).collect();
        without.sort_unstable();
        without.dedup();
        without
    }

    /// Returns the values of a quantity in a selection, outside of outages: those of whole answers,
    /// and bounds of those that were given up. Requests that only load a context (`p0`) have cells
    /// of their own and are not included.
    pub(crate) fn dist(&self, quantity: Quantity, select: &Select) -> Dist {
        let mut dist = Dist::new();
        match quantity {
            Quantity::Itl => self.gaps_of(GapKind::Itl, select, &mut dist),
            Quantity::Gap => self.gaps_of(GapKind::Gap, select, &mut dist),
            _ => {}
        }
        self.atoms_of(select)
            .filter(|atom| atom.group.asks())
            .filter_map(|atom| atom.dists.get(&quantity))
            .for_each(|part| dist.merge(part));
        dist
    }

    /// Returns how many requests of a selection gave a value of a quantity, of those that could have.
    pub(crate) fn judged(&self, quantity: Quantity, select: &Select) -> Judged {
        let atoms = self.atoms_of(select).filter(|atom| atom.group.asks());
        let mut all = Judged::default();
        atoms.filter_map(|atom| atom.judged.get(&quantity)).for_each(|part| all += *part);
        all
    }

    fn gaps_of(&self, kind: GapKind, select: &Select, dist: &mut Dist) {
        let parts = self.gaps.iter().filter(|part| {
            part.kind == kind
                && part.group.asks()
                && phase_fits(select, part.phase)
                && select.takes(&part.group)
        });
        parts.for_each(|part| dist.merge(&part.dist));
    }

    /// Returns the share of the whole answers of a selection whose tokens arrived in one piece.
    pub(crate) fn at_once(&self, select: &Select) -> Share {
        let atoms = self.atoms_of(select).filter(|atom| atom.group.asks());
        atoms.fold(Share::default(), |share, atom| Share {
            part: share.part + atom.at_once,
            of: share.of + atom.whole,
        })
    }

    /// Returns the prompts of a selection that were far off their planned length, of those whose
    /// tokens the server reported.
    pub(crate) fn far_off_depth(&self, select: &Select) -> Share {
        self.atoms_of(select).fold(Share::default(), |share, atom| Share {
            part: share.part + atom.far_off_depth,
            of: share.of + atom.counted,
        })
    }

    /// Returns how many requests of a selection ended in each way.
    pub(crate) fn endings(&self, select: &Select) -> Tally<Ended> {
        let mut tally = Tally::new();
        for atom in self.atoms_of(select) {
            for (ended, n) in &atom.ended {
                *tally.entry(*ended).or_default() += n;
            }
        }
        tally
    }

    /// Returns the number of requests of a selection whose ending `counts` accepts.
    pub(crate) fn count_ended(
        &self,
        select: &Select,
        counts: impl Fn(Ended) -> bool + Copy,
    ) -> u64 {
        self.atoms_of(select).map(|atom| atom.count(counts)).sum()
    }

    /// Returns a share of the requests of a selection. Requests that longhaul itself ended are
    /// excluded.
    pub(crate) fn portion(&self, portion: RequestShare, select: &Select) -> Share {
        let mut share = Share::default();
        for atom in self.atoms_of(select) {
            let (part, of) = match portion {
                RequestShare::Errors => {
                    (atom.count(Ended::is_bad), atom.count(|ended| !ended.ended_by_longhaul()))
                }
                RequestShare::OffDepth => (atom.off_depth, atom.counted),
                check => {
                    let fired = atom.checks.get(check.word()).copied().unwrap_or(0);
                    (fired, atom.count(Ended::is_good))
                }
            };
            share.part += part;
            share.of += of;
        }
        share
    }

    /// Returns the requests of a selection whose answer a parser damaged, of all that ended by
    /// themselves.
    pub(crate) fn parser_faults(&self, select: &Select) -> Share {
        self.atoms_of(select).fold(Share::default(), |share, atom| Share {
            part: share.part + atom.damaged,
            of: share.of + atom.count(|ended| !ended.ended_by_longhaul()),
        })
    }

    /// Returns the whole answers of a selection whose output tokens the server counted.
    pub(crate) fn output_counted(&self, select: &Select) -> Share {
        self.atoms_of(select).fold(Share::default(), |share, atom| Share {
            part: share.part + atom.output_counted,
            of: share.of + atom.count(Ended::is_good),
        })
    }

    /// Returns the whole answers of a selection in which there was nothing to see.
    pub(crate) fn blank(&self, select: &Select) -> Share {
        let atoms = self.atoms_of(select).filter(|atom| atom.group.asks());
        atoms.fold(Share::default(), |share, atom| Share {
            part: share.part + atom.blank,
            of: share.of + atom.count(Ended::is_good),
        })
    }

    /// Returns the first answer of a selection on which a check fired, and its group.
    pub(crate) fn first_fired<'a>(
        &'a self,
        check: &str,
        select: &'a Select,
    ) -> Option<(FirstFired, &'a Group)> {
        let of = |atom: &'a GroupStatistics| Some((*atom.first_fired.get(check)?, &atom.group));
        self.atoms_of(select).filter_map(of).min_by_key(|(first, _)| first.seq)
    }

    /// Returns the incidents that a gate on these events counts; with a phase, those that began in
    /// it.
    pub(crate) fn incidents_of(&self, count: Count, phase: Option<Phase>) -> Vec<&Incident> {
        let incidents = self.calendar.incidents.iter();
        incidents
            .filter(|incident| incident.counts(count))
            .filter(|incident| {
                let at = self.calendar.phase_at(incident.segment, incident.from);
                phase.is_none() || at == phase
            })
            .collect()
    }

    /// Returns the first bad endings of a selection.
    pub(crate) fn bad_seqs(&self, select: &Select) -> Vec<Seq> {
        let mut seqs: Vec<Seq> =
            self.atoms_of(select).flat_map(|atom| atom.evidence.iter().copied()).collect();
        seqs.sort_unstable();
        seqs.truncate(EVIDENCE_MAX);
        seqs
    }

    /// Returns the depths of the plan, in rising order, each once.
    pub(crate) fn planned_depths(&self) -> Vec<u64> {
        let mut depths: Vec<u64> = self.planned.iter().map(|cell| cell.depth).collect();
        depths.sort_unstable();
        depths.dedup();
        depths
    }
}

fn phase_fits(select: &Select, phase: Phase) -> bool {
    select.phase.map_or(phase.is_steady(), |wanted| phase == wanted)
}
