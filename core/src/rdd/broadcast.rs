//! A value shared with tasks.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A value that functions on elements read: a dictionary, a model. Clones are the same value.
///
/// Members run the same program, so each makes its own; nothing travels, and the last clone frees it.
///
/// ```
/// use std::collections::HashMap;
/// use tidemill::Broadcast;
///
/// let names = Broadcast::new(HashMap::from([(1, "sea"), (2, "tide")]));
/// let in_a_task = names.clone();
/// let name = move |number: u32| in_a_task.get(&number).copied().unwrap_or("?");
/// assert_eq!((name(2), name(3)), ("tide", "?"));
/// assert_eq!(names.len(), 2);
/// ```
pub struct Broadcast<T: ?Sized>(Arc<T>);

impl<T> Broadcast<T> {
    /// Shares `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> Broadcast<T> {
    /// The value; what `*` gives too.
    pub fn value(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Deref for Broadcast<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> From<Arc<T>> for Broadcast<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Broadcast").field(&&*self.0).finish()
    }
}
