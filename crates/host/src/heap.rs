//! The heap of the process: the C library's, before which a thread may keep blocks that it freed.
//!
//! Answers for: what memory is got from and given back to. An RPC of the controller gets and frees some thousand small blocks, most of
//! them of the AWS SDK. musl's heap is made to keep little memory: it takes a lock each time, and gives pages back to the kernel as
//! soon as it can, to ask for them again a moment later. That was a third of the processor time of an RPC. A node has few RPCs, and
//! little memory is what counts there: it is served as if all this were not there.
//! Doesn't answer for: which threads keep what they freed; [`keep`] says so.

#![expect(
    unsafe_code,
    reason = "a heap hands out raw memory, and answers for nobody else having it"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "a class is an index of the table of sizes: `Class::of` makes no other"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// The sizes of kept blocks, in units of 16 bytes. Each is a size of slots of musl's heap (`src/malloc/mallocng/malloc.c`), so that rounding
/// up to it costs no memory there.
const UNITS: [u16; CLASSES] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 20, 25, 31, 36, 42, 50, 63, 72, 84, 102, 127, 146,
    170, 204, 255, 292, 340, 409, 511, 584, 682, 818, 1023, 1169, 1364, 1637, 2047,
];

/// How many sizes there are.
const CLASSES: usize = 40;

/// The bytes of a unit.
const UNIT: usize = 16;

/// The bytes of a slot that musl's heap uses itself.
const USED: usize = 4;

/// The largest size that is looked up, and not searched for, in units: most blocks are smaller.
const LOOKED_UP: usize = 128;

/// What a thread keeps of each size at most, in bytes, unless a few blocks are more: 1.5 MiB in all.
const KEPT: usize = 32 << 10;

/// How many blocks of each size a thread keeps at most, however large they are.
const FEW: usize = 2;

/// The size of malloc(3)'s from which a block has pages of its own, which go back to the kernel when it is freed. musl gets smaller blocks by
/// the dozen: of those of 32 KiB and more, which few parts of the program use, and for a moment, it would keep a MiB.
const OWN_PAGES: usize = 131_052;

/// The allocator: `#[global_allocator] static HEAP: host::Heap = host::Heap;`.
#[derive(Debug)]
pub struct Heap;

/// A size of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class(u8);

/// By the number of units, the class that holds so many.
static CLASS_OF: [u8; LOOKED_UP] = {
    let mut classes = [0; LOOKED_UP];
    let (mut units, mut class) = (1, 0_u8);
    while units < LOOKED_UP {
        if UNITS[class as usize] as usize >= units {
            classes[units] = class;
            units += 1;
        } else {
            class += 1;
        }
    }
    classes
};

impl Class {
    /// The class of a block, if its size has one.
    #[inline]
    fn of(layout: Layout) -> Option<Self> {
        let units = (layout.size() + USED).div_ceil(UNIT);
        // What malloc(3) promises no alignment of is not for here.
        if layout.align() > UNIT.min(layout.size()) {
            return None;
        }
        if let Some(class) = CLASS_OF.get(units) {
            return Some(Self(*class));
        }
        let class = UNITS.partition_point(|most| usize::from(*most) < units);
        u8::try_from(class)
            .ok()
            .filter(|_| class < CLASSES)
            .map(Self)
    }

    /// What a block of this class is got and given back as.
    #[inline]
    fn layout(self) -> Layout {
        let size = usize::from(UNITS[usize::from(self.0)]) * UNIT - USED;
        let align = if size < UNIT { UNIT / 2 } else { UNIT };
        // SAFETY: a power of two, and a size far below `isize::MAX`.
        unsafe { Layout::from_size_align_unchecked(size, align) }
    }

    /// How many blocks of it a thread keeps.
    #[inline]
    fn most(self) -> usize {
        (KEPT / self.layout().size()).max(FEW)
    }
}

/// What a block that has no class is got and given back as.
#[inline]
fn large(layout: Layout) -> Layout {
    let largest = usize::from(UNITS[CLASSES - 1]) * UNIT;
    if layout.align() > UNIT || !(largest..OWN_PAGES).contains(&layout.size()) {
        return layout;
    }
    // SAFETY: the alignment is one, and the size is far below `isize::MAX`.
    unsafe { Layout::from_size_align_unchecked(OWN_PAGES, layout.align()) }
}

/// Kept blocks of one class: the first, each of which begins with the address of the next.
struct List {
    first: Cell<*mut u8>,
    count: Cell<usize>,
}

/// What a thread keeps.
struct Store {
    /// Whether it keeps anything.
    on: Cell<bool>,
    lists: [List; CLASSES],
}

thread_local! {
    // Without a destructor, and made without code: it can be reached from the thread's first allocation to its last.
    static STORE: Store = const {
        Store {
            on: Cell::new(false),
            lists: [const { List { first: Cell::new(ptr::null_mut()), count: Cell::new(0) } }; CLASSES],
        }
    };
}

impl Store {
    #[inline]
    fn list(&self, class: Class) -> &List {
        &self.lists[usize::from(class.0)]
    }

    /// A kept block, now the caller's.
    #[inline]
    fn take(&self, class: Class) -> Option<*mut u8> {
        let list = self.list(class);
        let block = list.first.get();
        if block.is_null() {
            return None;
        }
        // SAFETY: `keep` wrote an address there, and nobody else had the block since.
        list.first
            .set(unsafe { block.cast::<*mut u8>().read_unaligned() });
        list.count.set(list.count.get() - 1);
        Some(block)
    }

    /// Keeps a block; false if there are enough of them.
    ///
    /// # Safety
    /// It was got with the class's layout, and is nobody's any more.
    #[inline]
    unsafe fn keep(&self, class: Class, block: *mut u8) -> bool {
        let list = self.list(class);
        if !self.on.get() || list.count.get() >= class.most() {
            return false;
        }
        // SAFETY: the smallest class holds an address.
        unsafe { block.cast::<*mut u8>().write_unaligned(list.first.get()) };
        list.first.set(block);
        list.count.set(list.count.get() + 1);
        true
    }

    fn give_back(&self) {
        for class in (0..=u8::MAX).take(CLASSES).map(Class) {
            while let Some(block) = self.take(class) {
                // SAFETY: what is kept was got with the class's layout.
                unsafe { System.dealloc(block, class.layout()) };
            }
        }
    }
}

/// From now on this thread keeps blocks that it frees, 1.5 MiB at most, for what it allocates next.
///
/// A thread that ends calls [`give_back`] last: nobody else can use what it keeps.
pub fn keep() {
    STORE.with(|store| store.on.set(true));
}

/// Gives back what this thread kept, and keeps nothing from now on.
pub fn give_back() {
    STORE.with(|store| {
        store.on.set(false);
        store.give_back();
    });
}

// Its functions are called and not copied to the places that call them, which are all over the program: a node would have more pages of it.
//
// SAFETY: a block of a class is got from `System` with the class's layout, which is at least as large and as aligned as what was asked for,
// whether it is kept or not; it is handed out again only after it was freed, to one caller, and given back with the same layout.
// The class follows from the layout alone, which callers repeat when they free. All other blocks are `System`'s alone, got and given back
// with the layout that `large` says, which is at least as large as well.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = Class::of(layout) else {
            // SAFETY: as promised to us.
            return unsafe { System.alloc(large(layout)) };
        };
        let kept = STORE.with(|store| store.take(class));
        // SAFETY: no class has size 0.
        kept.unwrap_or_else(|| unsafe { System.alloc(class.layout()) })
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = Class::of(layout) else {
            // SAFETY: as promised to us, and got from there in the same way.
            return unsafe { System.dealloc(block, large(layout)) };
        };
        // SAFETY: it was got as one of this class; as promised to us, it is nobody's any more.
        unsafe {
            if !STORE.with(|store| store.keep(class, block)) {
                System.dealloc(block, class.layout());
            }
        }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(class) = Class::of(layout) else {
            // SAFETY: as promised to us.
            return unsafe { System.alloc_zeroed(large(layout)) };
        };
        match STORE.with(|store| store.take(class)) {
            // SAFETY: it is as large.
            Some(block) => unsafe {
                block.write_bytes(0, layout.size());
                block
            },
            // SAFETY: no class has size 0.
            None => unsafe { System.alloc_zeroed(class.layout()) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised to us.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (Class::of(layout), Class::of(wanted)) {
            // SAFETY: as promised to us; both are `System`'s alone.
            (None, None) => unsafe { System.realloc(block, large(layout), large(wanted).size()) },
            (had, wants) if had == wants => block,
            // SAFETY: as promised to us, and both are at least as large as what is copied.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests;
