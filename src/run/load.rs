//! stub
#![allow(missing_docs)]
use crate::fact::{Abilities, Request};
use crate::plan::Ask;
use crate::secret::Secrets;
use crate::spec::Limits;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::Wire;
use std::rc::Rc;
#[derive(Default)]
pub struct Progress;
impl Progress {
    pub fn in_flight(&self) -> u32 {
        0
    }
    pub fn tokens(&self) -> u64 {
        0
    }
}
pub struct Done {
    pub request: Request,
    pub itl_us: Vec<(u64, u64)>,
    pub gap_us: Vec<u64>,
    pub tokens: Vec<(At, u64)>,
    pub frames: Vec<u8>,
}
pub struct Errand {
    pub abilities: Abilities,
    pub limits: Limits,
    pub model: String,
    pub secrets: Rc<Secrets>,
    pub progress: Rc<Progress>,
}
pub async fn send<W: Wire>(
    _w: &W,
    _t: &Timeline,
    _a: Ask,
    _e: &Errand,
    _c: tokio::sync::watch::Receiver<Option<&'static str>>,
) -> Done {
    std::future::pending().await
}
