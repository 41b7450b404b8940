//! Models the KV cache: blocks of 16 tokens, looked up by a chained hash of their content, evicted
//! in least-recently-used order.

use std::collections::{BTreeMap, HashMap};

/// Tokens per block, vLLM's default on GPUs.
pub(crate) const BLOCK: u64 = 16;

#[derive(Clone, Debug, Default)]
struct Block {
    /// Chained hash over this block and all before it; set when the block is full and published.
    hash: Option<u64>,
    /// Number of requests that hold the block.
    holders: u32,
    /// Key of the block in [`Cache::free`].
    freed: u64,
}

/// The blocks of the cache, held and free. A free block keeps its content until it is reused.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    blocks: Vec<Block>,
    /// Free blocks in least-recently-used order.
    free: BTreeMap<u64, usize>,
    /// Published blocks by hash. Never iterated: a `HashMap`'s order must not reach an output.
    by_hash: HashMap<u64, usize>,
    frees: u64,
}

impl Cache {
    /// Creates a free cache of `tokens` tokens.
    pub(crate) fn new(tokens: u64) -> Cache {
        let count = (tokens / BLOCK).max(1) as usize;
        Cache {
            blocks: vec![Block::default(); count],
            free: (0..count).map(|index| (index as u64, index)).collect(),
            by_hash: HashMap::new(),
            frees: count as u64,
        }
    }

    /// Total number of blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Fraction of blocks that requests hold, 0 to 1.
    pub(crate) fn usage(&self) -> f64 {
        1.0 - self.free.len() as f64 / self.blocks.len() as f64
    }

    /// Returns the blocks of the longest cached prefix, with one more holder each.
    pub(crate) fn reuse(&mut self, hashes: &[u64]) -> Vec<usize> {
        let found: Vec<usize> =
            hashes.iter().map_while(|hash| self.by_hash.get(hash).copied()).collect();
        for index in &found {
            let block = &mut self.blocks[*index];
            if block.holders == 0 {
                self.free.remove(&block.freed);
            }
            block.holders += 1;
        }
        found
    }

    /// Extends `held` to `tokens` tokens. Returns false and changes nothing if there are too few
    /// free blocks.
    pub(crate) fn grow(&mut self, held: &mut Vec<usize>, tokens: u64) -> bool {
        let more = (tokens.div_ceil(BLOCK) as usize).saturating_sub(held.len());
        if more > self.free.len() {
            return false;
        }
        for _ in 0..more {
            if let Some((_, index)) = self.free.pop_first() {
                let block = &mut self.blocks[index];
                if let Some(hash) = block.hash.take() {
                    self.by_hash.remove(&hash);
                }
                block.holders = 1;
                held.push(index);
            }
        }
        true
    }

    /// Publishes a full block for reuse, unless another block has the same content.
    pub(crate) fn publish(&mut self, index: usize, hash: u64) {
        if self.blocks[index].hash.is_none() && !self.by_hash.contains_key(&hash) {
            self.blocks[index].hash = Some(hash);
            self.by_hash.insert(hash, index);
        }
    }

    /// Releases blocks, the last first, so that the ends of prefixes are evicted before their
    /// beginnings.
    pub(crate) fn release(&mut self, held: &mut Vec<usize>) {
        while let Some(index) = held.pop() {
            let block = &mut self.blocks[index];
            block.holders = block.holders.saturating_sub(1);
            if block.holders == 0 {
                block.freed = self.frees;
                self.free.insert(self.frees, index);
                self.frees += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(cache: &mut Cache, hashes: &[u64]) -> Vec<usize> {
        let mut held = Vec::new();
        assert!(cache.grow(&mut held, hashes.len() as u64 * BLOCK));
        for (index, hash) in held.iter().zip(hashes) {
            cache.publish(*index, *hash);
        }
        held
    }

    #[test]
    fn a_freed_prefix_is_found_again_until_its_room_is_needed() {
        let mut cache = Cache::new(4 * BLOCK);
        let mut first = filled(&mut cache, &[1, 2]);
        cache.release(&mut first);
        let mut again = cache.reuse(&[1, 2, 3]);
        assert_eq!(again.len(), 2);
        cache.release(&mut again);
        let mut other = filled(&mut cache, &[7, 8, 9]);
        assert_eq!(cache.reuse(&[1, 2]).len(), 1, "the end of the prefix went first");
        cache.release(&mut other);
    }

    #[test]
    fn no_room_changes_nothing() {
        let mut cache = Cache::new(4 * BLOCK);
        let mut held = filled(&mut cache, &[1, 2, 3]);
        let mut more = Vec::new();
        assert!(!cache.grow(&mut more, 2 * BLOCK));
        assert!(more.is_empty());
        assert!((cache.usage() - 0.75).abs() < 1e-9);
        cache.release(&mut held);
        assert!(cache.usage().abs() < 1e-9);
    }

    #[test]
    fn a_block_with_two_holders_is_free_when_both_have_let_go() {
        let mut cache = Cache::new(4 * BLOCK);
        let mut first = filled(&mut cache, &[1]);
        let mut second = cache.reuse(&[1]);
        cache.release(&mut first);
        assert!(cache.usage() > 0.0);
        cache.release(&mut second);
        assert!(cache.usage().abs() < 1e-9);
    }
}
