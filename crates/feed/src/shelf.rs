//! Where a graph keeps what nobody touches.
//!
//! A party may have millions of entries, and who opens it touches a few. So a [`Graph`](crate::Graph) can lie on a
//! *shelf*: its long lists (the entries by number, and of each feed the numbers of its entries) are cut into pages,
//! each read when something of it is needed and let go again when others are; what is short (feeds, heads, frontiers)
//! is its *summary*. What changes stays in memory until [`Graph::shelve`](crate::Graph::shelve) gives it out, to be
//! written in one commit, so that what lies on the shelf is always one graph.
//!
//! Questions to a graph have answers and not errors. If the shelf fails, the graph notes the *fault*, answers anything
//! (that every entry is there, and is one without causes), and whoever asked looks at
//! [`Graph::fault`](crate::Graph::fault) before believing anything.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use motet_fact::Cid;

/// Names a page: of which list, and which of its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId {
    /// The list: 0 is that of all entries, `n + 1` that of the n-th feed.
    pub list: u32,
    /// The page of the list, from 0.
    pub page: u32,
}

/// What a graph was asked to keep, and reads again.
pub trait Shelf: Send + Sync {
    /// The bytes of a page.
    ///
    /// # Errors
    /// Why it can't be read, for people.
    fn page(&self, id: PageId) -> Result<Option<Vec<u8>>, String>;

    /// The number of an entry.
    ///
    /// # Errors
    /// Why it can't be read, for people.
    fn number(&self, id: &Cid) -> Result<Option<u32>, String>;

    /// How many pages of entries (20 KiB each, by and large) may stay in memory that could be read again; up to twice
    /// as many do.
    fn pages_kept(&self) -> usize {
        512
    }
}

/// One thing to put on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shelved {
    /// A page, in place of what was there under this name.
    Page(PageId, Vec<u8>),
    /// The number of an entry.
    Number(Cid, u32),
}

/// A shelf, or none, and what went wrong with it.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    pub(crate) shelf: Option<Arc<dyn Shelf>>,
    fault: RefCell<Option<String>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Desk").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn on(shelf: Arc<dyn Shelf>) -> Self {
        Desk { shelf: Some(shelf), fault: RefCell::default() }
    }

    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.borrow().clone()
    }

    /// The number under which an entry lies on the shelf; once there was a fault, some number.
    pub(crate) fn number(&self, id: &Cid) -> Option<u32> {
        let found = self.shelf.as_ref()?.number(id);
        self.noting(found).unwrap_or(Some(0)).or_else(|| self.fault.borrow().is_some().then_some(0))
    }

    fn pages_kept<T: Paper>(&self) -> usize {
        T::kept(self.shelf.as_ref().map_or(usize::MAX / 2, |shelf| shelf.pages_kept()))
    }

    fn read<T: Paper>(&self, id: PageId) -> Option<Vec<T>> {
        let read = || {
            let shelf = self.shelf.as_ref().ok_or("there is no shelf")?;
            let bytes = shelf.page(id)?.ok_or("it is missing")?;
            T::decode_page(&bytes)
        };
        let place = |why: String| format!("page {} of list {} of the graph: {why}", id.page, id.list);
        self.noting(read().map_err(place))
    }

    fn noting<T>(&self, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|why| *self.fault.borrow_mut() = Some(why)).ok()
    }
}

/// What pages are made of.
pub(crate) trait Paper: Clone {
    /// How many there are on a page.
    const PER_PAGE: u32;
    /// How many pages of a list may stay in memory, of so many of entries.
    fn kept(pages: usize) -> usize;

    fn encode_page(items: &[Self]) -> Vec<u8>;
    fn decode_page(bytes: &[u8]) -> Result<Vec<Self>, String>;
}

#[derive(Clone, Debug)]
struct Page<T> {
    /// None: it is on the shelf.
    items: Option<Arc<Vec<T>>>,
    changed: bool,
    /// Whether it was touched since pages were last let go.
    touched: Cell<bool>,
}

impl<T> Page<T> {
    fn with(items: Option<Arc<Vec<T>>>, changed: bool) -> Self {
        Page { items, changed, touched: Cell::new(true) }
    }
}

/// A list of which those pages are in memory that were changed or touched lately.
#[derive(Clone, Debug)]
pub(crate) struct Paged<T> {
    list: u32,
    len: u32,
    pages: RefCell<Vec<Page<T>>>,
    /// How many unchanged pages are in memory.
    clean: Cell<usize>,
    /// How many pages changed since they were last shelved.
    changed: usize,
}

impl<T: Paper> Paged<T> {
    /// A list with this many items on the shelf.
    pub(crate) fn new(list: u32, len: u32) -> Self {
        let pages = (0..len.div_ceil(T::PER_PAGE)).map(|_| Page::with(None, false)).collect();
        Paged { list, len, pages: RefCell::new(pages), clean: Cell::new(0), changed: 0 }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The page that an item is on, and its place there.
    pub(crate) fn find(&self, desk: &Desk, number: u32) -> Option<(Arc<Vec<T>>, usize)> {
        let page = self.load(desk, number / T::PER_PAGE)?;
        let at = (number % T::PER_PAGE) as usize;
        (at < page.len()).then_some((page, at))
    }

    pub(crate) fn push(&mut self, desk: &Desk, item: T) {
        let number = self.len / T::PER_PAGE;
        if self.len.is_multiple_of(T::PER_PAGE) {
            self.pages.get_mut().push(Page::with(Some(Arc::default()), true));
            self.changed += 1;
        }
        self.change_page(desk, number, |items| items.push(item));
        self.len += 1;
    }

    pub(crate) fn change(&mut self, desk: &Desk, number: u32, change: impl FnOnce(&mut T)) {
        self.change_page(desk, number / T::PER_PAGE, |items| {
            if let Some(item) = items.get_mut((number % T::PER_PAGE) as usize) {
                change(item);
            }
        });
    }

    fn change_page(&mut self, desk: &Desk, number: u32, change: impl FnOnce(&mut Vec<T>)) {
        if self.load(desk, number).is_none() {
            return; // a fault, which is noted
        }
        let page = &mut self.pages.get_mut()[number as usize];
        if !std::mem::replace(&mut page.changed, true) {
            self.clean.set(self.clean.get() - 1);
            self.changed += 1;
        }
        change(Arc::make_mut(page.items.as_mut().expect("it was just loaded")));
    }

    fn load(&self, desk: &Desk, number: u32) -> Option<Arc<Vec<T>>> {
        {
            let pages = self.pages.borrow();
            let page = pages.get(number as usize)?;
            page.touched.set(true);
            if let Some(items) = &page.items {
                return Some(items.clone());
            }
        }
        let items: Arc<Vec<T>> = Arc::new(desk.read(PageId { list: self.list, page: number })?);
        let mut pages = self.pages.borrow_mut();
        pages[number as usize].items = Some(items.clone());
        self.clean.set(self.clean.get() + 1);
        let kept = desk.pages_kept::<T>();
        if self.clean.get() > 2 * kept {
            self.let_go(&mut pages, kept, Some(number));
        }
        Some(items)
    }

    /// Lets unchanged pages go until so many are left: first those that nobody touched since the last time, and one
    /// not at all.
    fn let_go(&self, pages: &mut [Page<T>], most: usize, but: Option<u32>) {
        for untouched in [true, false] {
            let pages = (0..).zip(pages.iter_mut()).filter(|(number, _)| Some(*number) != but);
            for (_, page) in pages.filter(|(_, page)| !page.changed && page.items.is_some()) {
                if self.clean.get() > most && !(untouched && page.touched.replace(false)) {
                    page.items = None;
                    self.clean.set(self.clean.get() - 1);
                }
            }
        }
    }

    /// How many pages changed since they were last shelved.
    pub(crate) fn changed(&self) -> usize {
        self.changed
    }

    /// Gives out the pages that changed.
    pub(crate) fn shelve(&mut self, desk: &Desk, put: &mut dyn FnMut(Shelved)) {
        let list = self.list;
        self.changed = 0;
        for (number, page) in (0..).zip(self.pages.get_mut()) {
            if std::mem::take(&mut page.changed) {
                let items = page.items.as_ref().expect("a page that changed is in memory");
                put(Shelved::Page(PageId { list, page: number }, T::encode_page(items)));
                self.clean.set(self.clean.get() + 1);
            }
        }
        let mut pages = std::mem::take(self.pages.get_mut());
        self.let_go(&mut pages, desk.pages_kept::<T>(), None);
        *self.pages.get_mut() = pages;
    }
}
