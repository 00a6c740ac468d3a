//! Space-Saving: the heaviest keys of a stream, in bounded memory (A. Metwally, D. Agrawal and A. El Abbadi, "Efficient
//! Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005).
//!
//! When a new key finds the table full, it takes the place of the lightest one and goes on from its weight. So a key whose
//! share of the stream is more than one in `capacity` is always in the table, whatever clients send beside it. What was
//! counted for the key that lost its place is handed to the caller, who counts it elsewhere: nothing is lost.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

/// The heaviest keys, each with a value.
///
/// Clients choose the keys, so that the hash has a random secret (the default of `HashMap`).
#[derive(Debug)]
pub(super) struct SpaceSaving<K, V> {
    capacity: usize,
    places: HashMap<K, u32>,
    slots: Vec<Slot<K, V>>,
    /// The slots, the lightest first, by what they weighed when somebody last looked. None weighs less now. Only a new key
    /// that needs a place looks, so that a known key costs no more than finding it.
    lightest: BinaryHeap<Reverse<(u64, u32)>>,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    weight: u64,
    value: V,
}

impl<K: Clone + Eq + Hash, V: Default> SpaceSaving<K, V> {
    /// A table of at most `capacity` keys, of which there is at least one.
    pub(super) fn new(capacity: u32) -> Self {
        Self {
            capacity: capacity.max(1) as usize,
            places: HashMap::new(),
            slots: Vec::new(),
            lightest: BinaryHeap::new(),
        }
    }

    /// Adds to the weight of a key. Returns its value, and the key that lost its place to it, if one did.
    pub(super) fn add(&mut self, key: &K, weight: u64) -> (&mut V, Option<(K, V)>) {
        if let Some(&place) = self.places.get(key) {
            let slot = &mut self.slots[place as usize];
            slot.weight = slot.weight.saturating_add(weight);
            return (&mut slot.value, None);
        }
        if self.slots.len() < self.capacity {
            return (self.push(key, weight), None);
        }
        let place = self.lightest_place();
        let slot = &mut self.slots[place as usize];
        let old = std::mem::replace(&mut slot.key, key.clone());
        slot.weight = slot.weight.saturating_add(weight);
        let counted = std::mem::take(&mut slot.value);
        self.places.remove(&old);
        self.places.insert(key.clone(), place);
        (&mut slot.value, Some((old, counted)))
    }

    /// Gives a new key a place of its own.
    fn push(&mut self, key: &K, weight: u64) -> &mut V {
        let index = self.slots.len();
        // The capacity is a `u32`.
        let place = u32::try_from(index).unwrap_or(u32::MAX);
        self.places.insert(key.clone(), place);
        self.lightest.push(Reverse((weight, place)));
        self.slots.push(Slot {
            key: key.clone(),
            weight,
            value: V::default(),
        });
        &mut self.slots[index].value
    }

    /// The place of the lightest key. Each step that corrects what a slot weighed is paid for by an addition to it.
    fn lightest_place(&mut self) -> u32 {
        loop {
            let Some(mut top) = self.lightest.peek_mut() else {
                return 0;
            };
            let Reverse((weighed, place)) = *top;
            let weight = self.slots[place as usize].weight;
            if weighed == weight {
                return place;
            }
            *top = Reverse((weight, place));
            drop::<PeekMut<'_, _>>(top);
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let place = *self.places.get(key)?;
        Some(&self.slots[place as usize].value)
    }

    /// All keys with their weights and values, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, u64, &V)> {
        let slots = self.slots.iter();
        slots.map(|slot| (&slot.key, slot.weight, &slot.value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::proptest;

    use super::*;

    /// What a table of this capacity makes of a stream of keys, each of weight one, and what it handed out.
    fn counted(capacity: u32, stream: &[u8]) -> (BTreeMap<u8, u64>, u64) {
        let mut table = SpaceSaving::<u8, u64>::new(capacity);
        let mut handed_out = 0;
        for key in stream {
            let (count, evicted) = table.add(key, 1);
            *count += 1;
            handed_out += evicted.map_or(0, |(_, count)| count);
        }
        let kept = table.iter().map(|(key, _, count)| (*key, *count));
        (kept.collect(), handed_out)
    }

    #[test]
    fn the_lightest_loses_its_place() {
        let (kept, handed_out) = counted(2, &[1, 1, 1, 2, 2, 3]);
        assert_eq!(kept, BTreeMap::from([(1, 3), (3, 1)]));
        assert_eq!(handed_out, 2);
    }

    #[test]
    fn a_key_that_everybody_asks_for_stays_among_any_number_of_others() {
        // One in four, among names that come once each.
        let mut table = SpaceSaving::<u32, u32>::new(8);
        for index in 0..100_000 {
            let key = if index % 4 == 0 { 0 } else { index };
            *table.add(&key, 1).0 += 1;
        }
        assert_eq!(table.get(&0), Some(&25_000));
        assert_eq!(table.iter().count(), 8);
    }

    proptest! {
        /// The guarantee of the paper (theorem 2 there), and that nothing is lost.
        #[test]
        fn what_is_frequent_is_kept_and_nothing_is_lost(capacity in 1_u32..12, stream in vec(0_u8..40, 0..400)) {
            let (kept, handed_out) = counted(capacity, &stream);
            let total = kept.values().sum::<u64>() + handed_out;
            assert_eq!(total, stream.len() as u64);
            assert!(kept.len() <= capacity as usize);
            let mut exact = BTreeMap::<u8, usize>::new();
            stream.iter().for_each(|key| *exact.entry(*key).or_default() += 1);
            for (key, count) in exact {
                if count > stream.len() / capacity as usize {
                    assert!(kept.contains_key(&key), "{key} came {count} times");
                }
            }
        }
    }
}
