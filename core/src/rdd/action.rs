//! What most actions are made of: one task a partition, and what each made of it on every member.

use super::node::Pull;
use super::wide::wide;
use super::{Job, Rdd};
use crate::data::{Chunk, Wire};
use crate::runtime::Site;
use crate::words::Result;

impl<T> Rdd<T> {
    /// Runs `task` on every partition; its results in the order of partitions, the same on every member.
    pub(super) fn run<R: Wire>(
        &self,
        action: &'static str,
        site: Site,
        task: impl Fn(Pull<T>) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        Job::outside_tasks(action)?;
        let node = self.node();
        node.prepare(self.job())?;
        let partitions: Vec<usize> = (0..node.partitions()).collect();
        self.job().gather(site, &*node, &partitions, |partition, context| {
            task(Pull::new(node.open(partition, context)?, context, site))
        })
    }
}

impl<T: Clone> Pull<T> {
    /// Folds all elements that are left, chunk by chunk: a loop that the compiler sees through.
    pub(super) fn fold<A>(mut self, mut all: A, mut f: impl FnMut(A, T) -> A) -> Result<A> {
        while let Some(chunk) = self.next()? {
            all = match chunk {
                Chunk::Ref(slice) => wide::<(A, T), _>(|| slice.iter().cloned().fold(all, &mut f)),
                Chunk::Own(vec) => wide::<(A, T), _>(|| vec.drain(..).fold(all, &mut f)),
            };
        }
        Ok(all)
    }

    /// As [`fold`](Self::fold), from the first element on; `None` where there is none.
    pub(super) fn reduce(mut self, f: impl Fn(T, T) -> T) -> Result<Option<T>> {
        while let Some(chunk) = self.next()? {
            let of_chunk = match chunk {
                Chunk::Ref(slice) => slice.iter().cloned().reduce(&f),
                Chunk::Own(vec) => vec.drain(..).reduce(&f),
            };
            if let Some(first) = of_chunk {
                return self.fold(first, f).map(Some);
            }
        }
        Ok(None)
    }

    /// Calls `each` with every element that is left.
    pub(super) fn for_each(mut self, mut each: impl FnMut(T) -> Result<()>) -> Result<()> {
        while let Some(chunk) = self.next()? {
            match chunk {
                Chunk::Ref(slice) => slice.iter().cloned().try_for_each(&mut each)?,
                Chunk::Own(vec) => vec.drain(..).try_for_each(&mut each)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::tests::job;

    #[test]
    fn every_action_is_refused_inside_a_task() {
        let pairs = Rdd::parallelize(&job(1), vec![(1u32, 2u32)], 1);
        let actions: Vec<(&str, fn(&Rdd<(u32, u32)>) -> Result<()>)> = vec![
            ("aggregate", |rdd| rdd.aggregate(0u32, |all, _| all, |all, _| all).map(drop)),
            ("collect_as_map", |rdd| rdd.collect_as_map().map(drop)),
            ("count_by_key", |rdd| rdd.count_by_key().map(drop)),
            ("fold", |rdd| rdd.fold((0, 0), |all, _| all).map(drop)),
            ("foreach", |rdd| rdd.foreach(drop)),
            ("foreach_partition", |rdd| rdd.foreach_partition(|_| Ok(()))),
            ("reduce", |rdd| rdd.reduce(|a, _| a).map(drop)),
            ("take_ordered", |rdd| rdd.take_ordered(1).map(drop)),
            ("top", |rdd| rdd.top(1).map(drop)),
            ("try_foreach", |rdd| rdd.try_foreach(|_| Ok(()))),
        ];
        for (name, action) in actions {
            action(&pairs).unwrap();
            let inner = pairs.clone();
            let text = pairs.try_foreach(move |_| Ok(action(&inner)?)).unwrap_err().chain();
            assert!(text.contains(&format!("try 1: `{name}` was called inside a task")), "{text}");
        }
    }
}
