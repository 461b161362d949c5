//! Work on several threads, and memory that they write side by side.

use std::marker::PhantomData;

/// Threads that share the tasks of a kernel.
pub(crate) trait Workers {
    /// How many there are, the caller's own included.
    fn count(&self) -> usize;

    /// Calls `task` with every number below `tasks`, each once, in any order and on any thread; returns when all are done.
    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync));
}

/// The calling thread alone.
#[derive(Debug)]
pub(crate) struct Alone;

impl Workers for Alone {
    fn count(&self) -> usize {
        1
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(task);
    }
}

/// A slice that several tasks write, each in places of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it is a mutable slice whose parts are handed to different threads; `part_mut` makes the caller promise that they
// do not overlap.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The `length` elements from `start` on.
    ///
    /// # Safety
    /// While the result lives, nobody else reads or writes any of these elements.
    ///
    /// # Panics
    /// They reach beyond the slice.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "parts that do not overlap are the caller's promise")]
    pub(crate) unsafe fn part_mut(&self, start: usize, length: usize) -> &mut [T] {
        assert!(start <= self.length && length <= self.length - start, "a part inside the slice");
        // SAFETY: the range lies inside the slice that `new` borrowed for 'a, and is not shared (promise of the caller).
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), length) }
    }

    /// The `length` elements from `start` on, to be read.
    ///
    /// # Safety
    /// While the result lives, nobody writes any of these elements.
    ///
    /// # Panics
    /// They reach beyond the slice.
    #[inline(always)]
    pub(crate) unsafe fn part(&self, start: usize, length: usize) -> &[T] {
        assert!(start <= self.length && length <= self.length - start, "a part inside the slice");
        // SAFETY: as in `part_mut`.
        unsafe { std::slice::from_raw_parts(self.start.add(start), length) }
    }
}
