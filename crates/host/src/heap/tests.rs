//! Blocks as programs use them: each filled with a value of its own, and looked at when it is freed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A block that is somebody's, every byte of it `fill`.
struct Block {
    at: *mut u8,
    layout: Layout,
    fill: u8,
}

impl Block {
    fn new(layout: Layout, fill: u8, zeroed: bool) -> Self {
        // SAFETY: no layout of these tests has size 0.
        let at = unsafe {
            if zeroed {
                Heap.alloc_zeroed(layout)
            } else {
                Heap.alloc(layout)
            }
        };
        assert!(!at.is_null());
        assert_eq!(at.addr() % layout.align(), 0, "{layout:?}");
        let block = Self { at, layout, fill };
        assert!(!zeroed || block.bytes().iter().all(|byte| *byte == 0));
        block.filled()
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: it is ours, and this large.
        unsafe { std::slice::from_raw_parts(self.at, self.layout.size()) }
    }

    fn filled(self) -> Self {
        // SAFETY: it is ours, and this large.
        unsafe { self.at.write_bytes(self.fill, self.layout.size()) };
        self
    }

    fn resized(self, size: usize) -> Self {
        let kept = self.layout.size().min(size);
        // SAFETY: it is ours, got with this layout.
        let at = unsafe { Heap.realloc(self.at, self.layout, size) };
        let layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        let block = Self { at, layout, ..self };
        assert!(block.bytes()[..kept].iter().all(|byte| *byte == block.fill));
        block.filled()
    }

    fn free(self) {
        assert!(self.bytes().iter().all(|byte| *byte == self.fill));
        // SAFETY: it is ours, got with this layout.
        unsafe { Heap.dealloc(self.at, self.layout) };
    }
}

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// Every block of a class that this thread keeps is freed memory; counts them.
fn kept() -> usize {
    STORE.with(|store| store.lists.iter().map(|list| list.count.get()).sum())
}

/// Sizes around those of the classes, and any other.
fn size() -> impl Strategy<Value = usize> {
    let near = (0..CLASSES, 0_usize..3)
        .prop_map(|(class, more)| usize::from(UNITS[class]) * UNIT - USED - 1 + more);
    prop_oneof![near, 1_usize..300, 1_usize..100_000]
}

proptest! {
    #[test]
    fn blocks_are_their_owners_alone(
        steps in proptest::collection::vec((0_u8..4, size(), 0_u32..7, any::<prop::sample::Index>()), 0..400),
        keeping in any::<bool>(),
    ) {
        if keeping {
            keep();
        }
        let mut blocks: Vec<Block> = Vec::new();
        for (number, (step, size, align, which)) in steps.into_iter().enumerate() {
            let fill = u8::try_from(number % 251).unwrap();
            if step < 2 || blocks.is_empty() {
                let layout = Layout::from_size_align(size, 1 << align).unwrap();
                blocks.push(Block::new(layout, fill, step == 1));
                continue;
            }
            let block = blocks.swap_remove(which.index(blocks.len()));
            match step {
                2 => block.free(),
                _ => blocks.push(block.resized(size)),
            }
        }
        blocks.into_iter().for_each(Block::free);
        prop_assert!(keeping || kept() == 0);
        give_back();
        prop_assert_eq!(kept(), 0);
    }
}

#[test]
fn each_size_has_the_smallest_class_that_holds_it() {
    for size in 1..=usize::from(UNITS[CLASSES - 1]) * UNIT - USED {
        let class = Class::of(bytes(size)).unwrap();
        assert!(class.layout().size() >= size);
        let smaller = class.0.checked_sub(1).map(Class);
        assert!(smaller.is_none_or(|class| class.layout().size() < size));
    }
    assert_eq!(
        Class::of(bytes(usize::from(UNITS[CLASSES - 1]) * UNIT)),
        None
    );
    assert_eq!(Class::of(Layout::from_size_align(64, 32).unwrap()), None);
    assert_eq!(Class::of(Layout::from_size_align(8, 16).unwrap()), None);
}

#[test]
fn a_freed_block_is_the_next_one_of_its_size_where_blocks_are_kept() {
    keep();
    let first = Block::new(bytes(100), 1, false);
    let at = first.at;
    first.free();
    let next = Block::new(bytes(98), 2, false);
    assert_eq!(next.at, at);
    next.free();
    give_back();
}

#[test]
fn a_thread_keeps_no_more_than_its_share() {
    keep();
    for class in (0..40).map(Class) {
        let layout = class.layout();
        let blocks: Vec<Block> = (0..2 * class.most())
            .map(|_| Block::new(layout, 3, false))
            .collect();
        let places: BTreeSet<*mut u8> = blocks.iter().map(|block| block.at).collect();
        assert_eq!(places.len(), blocks.len());
        blocks.into_iter().for_each(Block::free);
    }
    let most: usize = (0..40)
        .map(|class| Class(class).most() * Class(class).layout().size())
        .sum();
    assert!(most <= 3 << 19, "{most}");
    assert_eq!(kept(), (0..40).map(|class| Class(class).most()).sum());
    give_back();
}

#[test]
fn a_thread_that_was_not_told_to_keeps_nothing() {
    Block::new(bytes(100), 4, false).free();
    assert_eq!(kept(), 0);
}

#[test]
fn a_block_may_be_freed_by_another_thread() {
    keep();
    let block = Block::new(bytes(500), 5, false);
    let (at, layout) = (block.at.expose_provenance(), block.layout);
    std::thread::spawn(move || {
        keep();
        let at = std::ptr::with_exposed_provenance_mut(at);
        Block {
            at,
            layout,
            fill: 5,
        }
        .free();
        assert_eq!(kept(), 1);
        give_back();
    })
    .join()
    .unwrap();
    assert_eq!(kept(), 0);
    give_back();
}
