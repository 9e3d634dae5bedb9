//! The system's allocator with counters: of this thread's allocations while [`counted`] runs, of all those of one other thread,
//! and of the bytes that are held.
#![allow(dead_code)] // each test file uses its part

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering};

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static FIRST: RefCell<Option<Backtrace>> = const { RefCell::new(None) };
    /// The thread's number in the system, once it was asked for.
    static NUMBER: Cell<i32> = const { Cell::new(0) };
}

/// The thread that is watched; 0 is nobody's number.
static WATCHED: AtomicI32 = AtomicI32::new(0);
static OF_WATCHED: AtomicU64 = AtomicU64::new(0);
static FIRST_OF_WATCHED: Mutex<Option<Backtrace>> = Mutex::new(None);

static HELD: AtomicI64 = AtomicI64::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn note(more: i64) {
    HELD.fetch_add(more, Ordering::Relaxed);
    if COUNTS.replace(false) {
        COUNT.set(COUNT.get() + 1);
        FIRST.with_borrow_mut(|first| {
            first.get_or_insert_with(Backtrace::force_capture);
        });
        COUNTS.set(true);
    }
    let watched = WATCHED.load(Ordering::Relaxed);
    if watched != 0 && watched == number() && OF_WATCHED.fetch_add(1, Ordering::Relaxed) == 0 {
        // What the backtrace takes is counted too, but by then the test has failed.
        *FIRST_OF_WATCHED.lock().unwrap() = Some(Backtrace::force_capture());
    }
}

fn number() -> i32 {
    if NUMBER.get() == 0 {
        // SAFETY: takes nothing and can't fail.
        #[allow(unsafe_code)] // std has no call for it
        NUMBER.set(unsafe { libc::gettid() });
    }
    NUMBER.get()
}

// SAFETY: everything is handed on to the system's allocator as it came.
#[allow(unsafe_code)] // an allocator can't be written without
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn told(first: Option<Backtrace>) -> String {
    first.map_or_else(String::new, |first| first.to_string())
}

/// Runs `work` and counts what it allocates on this thread.
pub fn counted<T>(work: impl FnOnce() -> T) -> T {
    COUNTS.set(true);
    let result = work();
    COUNTS.set(false);
    result
}

/// How often [`counted`] work has allocated since this was last asked, and where first.
pub fn taken() -> (u64, String) {
    (COUNT.take(), told(FIRST.take()))
}

/// Bytes that the process holds now.
pub fn held() -> i64 {
    HELD.load(Ordering::Relaxed)
}

/// Counts every allocation of the thread of that name from now on.
pub fn watch_thread(name: &str) {
    let of_name = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let task = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .find(of_name)
        .unwrap_or_else(|| panic!("no thread is called {name}"));
    let number = task.file_name().to_string_lossy().parse().unwrap();
    WATCHED.store(number, Ordering::Relaxed);
}

/// How often the watched thread has allocated, and where first; it is watched no more.
pub fn taken_by_thread() -> (u64, String) {
    WATCHED.store(0, Ordering::Relaxed);
    (
        OF_WATCHED.load(Ordering::Relaxed),
        told(FIRST_OF_WATCHED.lock().unwrap().take()),
    )
}
