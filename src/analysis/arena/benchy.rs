//! Converts tables from and to llama-benchy's JSON: each of its runs is a prefill row and a decode
//! row of the table.

use serde::{Deserialize, Serialize};

use super::{ArenaRow, Column, Origin, Spread, Table, TestKind};

/// Document with the keys of llama-benchy 0.4.0. Unknown values are null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct BenchyJson {
    /// Version of the measuring program.
    #[serde(default)]
    version: Option<String>,
    /// Time of the measurement, in UTC.
    #[serde(default)]
    timestamp: Option<String>,
    /// Method by which the latency was measured.
    #[serde(default)]
    latency_mode: Option<String>,
    /// Latency that `est_ppt` subtracts, milliseconds.
    #[serde(default)]
    latency_ms: Option<f64>,
    model: String,
    /// Whether contexts were loaded beforehand.
    #[serde(default)]
    prefix_caching_enabled: Option<bool>,
    /// Largest number of concurrent streams.
    #[serde(default)]
    max_concurrency: Option<u32>,
    benchmarks: Vec<Run>,
}

/// Mean with its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Metric {
    mean: f64,
    #[serde(default)]
    std: Option<f64>,
    #[serde(default)]
    values: Vec<f64>,
}

/// Results of one visited cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Run {
    concurrency: u32,
    context_size: u64,
    #[serde(default)]
    prompt_size: Option<u64>,
    #[serde(default)]
    response_size: Option<u64>,
    is_context_prefill_phase: bool,
    #[serde(default)]
    pp_throughput: Option<Metric>,
    #[serde(default)]
    pp_req_throughput: Option<Metric>,
    #[serde(default)]
    tg_throughput: Option<Metric>,
    #[serde(default)]
    tg_req_throughput: Option<Metric>,
    #[serde(default)]
    peak_throughput: Option<Metric>,
    #[serde(default)]
    peak_req_throughput: Option<Metric>,
    #[serde(default)]
    ttfr: Option<Metric>,
    #[serde(default)]
    est_ppt: Option<Metric>,
    #[serde(default)]
    e2e_ttft: Option<Metric>,
    // Tokens per second over time are in no table.
    #[serde(default, skip_deserializing)]
    throughput_over_time: (),
    #[serde(default, skip_deserializing)]
    requests_throughput_over_time: (),
}

impl BenchyJson {
    /// Converts a table to this form.
    pub(crate) fn of(table: &Table) -> BenchyJson {
        let mut benchmarks: Vec<(Run, Option<TestKind>)> = Vec::new();
        for row in &table.rows {
            let follows = benchmarks.last_mut().filter(|(run, only)| {
                // The decode row belongs to the prefill row right before it.
                only.is_some_and(TestKind::is_prefill) && !row.kind.is_prefill() && run.is_of(row)
            });
            if let Some((run, only)) = follows {
                run.add(row);
                *only = None;
            } else {
                benchmarks.push((Run::of(row), Some(row.kind)));
            }
        }
        let origin = table.origin.clone();
        BenchyJson {
            version: origin.version,
            timestamp: origin.timestamp,
            latency_mode: origin.latency_ms.map(|_| "api".to_owned()),
            latency_ms: origin.latency_ms,
            model: table.model.clone(),
            prefix_caching_enabled: origin.prefix_caching,
            max_concurrency: Some(table.streams_max()),
            benchmarks: benchmarks.into_iter().map(|(run, _)| run).collect(),
        }
    }

    /// Converts the document to a table.
    ///
    /// # Errors
    /// Names the run with a size out of range or a figure that cannot be one, and the reason.
    pub(crate) fn table(self) -> Result<Table, (String, String)> {
        let mut rows = Vec::new();
        for (index, run) in self.benchmarks.iter().enumerate() {
            let refused = |why: String| (format!("benchmarks[{index}]"), why);
            run.head().bounded().map_err(|(what, why)| refused(format!("{what} {why}")))?;
            let of_run = run.rows();
            for row in &of_run {
                for (column, spread) in &row.columns {
                    if let Some(why) = column.refuses(spread.mean, spread.std) {
                        let (test, column) = (row.name(true), column.word());
                        return Err(refused(format!("`{column}` of {test} {why}")));
                    }
                }
            }
            rows.extend(of_run);
        }
        Ok(Table {
            rows,
            model: self.model,
            origin: Origin {
                version: self.version,
                timestamp: self.timestamp,
                latency_ms: self.latency_ms,
                prefix_caching: self.prefix_caching_enabled,
            },
            left_out: 0,
            notes: Vec::new(),
        })
    }
}

impl Run {
    fn of(row: &ArenaRow) -> Run {
        let mut run = Run {
            concurrency: row.streams,
            context_size: row.depth,
            is_context_prefill_phase: row.kind.is_context(),
            ..Run::default()
        };
        run.add(row);
        run
    }

    /// Whether a row measures the same requests.
    fn is_of(&self, row: &ArenaRow) -> bool {
        let same = |one: Option<u64>, other: Option<u64>| {
            one.zip(other).is_none_or(|(one, other)| one == other)
        };
        (self.concurrency, self.context_size, self.is_context_prefill_phase)
            == (row.streams, row.depth, row.kind.is_context())
            && same(self.prompt_size, row.prompt)
            && same(self.response_size, row.output)
    }

    fn add(&mut self, row: &ArenaRow) {
        self.prompt_size = self.prompt_size.or(row.prompt);
        self.response_size = self.response_size.or(row.output);
        for (column, spread) in &row.columns {
            let Spread { mean, std, ref values, .. } = *spread;
            *self.place(row.kind, *column) = Some(Metric { mean, std, values: values.clone() });
        }
    }

    /// Returns the field of a column.
    fn place(&mut self, kind: TestKind, column: Column) -> &mut Option<Metric> {
        match (column, kind.is_prefill()) {
            (Column::Ts, true) => &mut self.pp_throughput,
            (Column::Ts, false) => &mut self.tg_throughput,
            (Column::TsReq, true) => &mut self.pp_req_throughput,
            (Column::TsReq, false) => &mut self.tg_req_throughput,
            (Column::PeakTs, _) => &mut self.peak_throughput,
            (Column::PeakTsReq, _) => &mut self.peak_req_throughput,
            (Column::Ttfr, _) => &mut self.ttfr,
            (Column::EstPpt, _) => &mut self.est_ppt,
            (Column::E2eTtft, _) => &mut self.e2e_ttft,
        }
    }

    /// Returns a row without columns, with the run's own description.
    fn head(&self) -> ArenaRow {
        let (prompt, output) = (self.prompt_size, self.response_size);
        let kind = if self.is_context_prefill_phase { TestKind::CtxPp } else { TestKind::Pp };
        ArenaRow { prompt, output, ..ArenaRow::new(kind, self.context_size, self.concurrency) }
    }

    /// Returns the rows of the run, without empty ones.
    fn rows(&self) -> Vec<ArenaRow> {
        let kinds = if self.is_context_prefill_phase {
            [TestKind::CtxPp, TestKind::CtxTg]
        } else {
            [TestKind::Pp, TestKind::Tg]
        };
        let row = |kind: TestKind| {
            let mut run = self.clone();
            let mut spread = |column: &Column| {
                let Metric { mean, std, values } = run.place(kind, *column).take()?;
                let n = (!values.is_empty()).then_some(values.len() as u64);
                Some((*column, Spread { mean, std, n, values }))
            };
            let columns = kind.columns().iter().filter_map(&mut spread).collect();
            ArenaRow { kind, columns, ..self.head() }
        };
        kinds.map(row).into_iter().filter(|row| !row.columns.is_empty()).collect()
    }
}
