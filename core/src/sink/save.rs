//! `save_to`: an Rdd into a sink.

use std::panic::Location;
use std::sync::Arc;

use super::{OutputId, Receipt, Rows, Sink};
use crate::data::Data;
use crate::rdd::{Job, Pull, Rdd, Saved};
use crate::runtime::Site;
use crate::words::{Error, Result};

impl<T: Data> Rdd<T> {
    /// Inside `foreach_rdd`: writes this Rdd to `sink`, with the same guarantee as
    /// [`DStream::save_to`](crate::DStream::save_to). It is shown once the batch is committed.
    ///
    /// # Errors
    /// The first failure of a task; and outside an output operation, as there is no commit that would show it.
    #[track_caller]
    pub fn save_to(&self, sink: &Arc<impl Sink<T>>) -> Result<()> {
        save(self, self.site("save_to", Location::caller()), sink)
    }
}

/// Writes all partitions, and leaves the publishing to the commit.
pub(crate) fn save<T: Data>(rdd: &Rdd<T>, site: Site, sink: &Arc<impl Sink<T>>) -> Result<()> {
    save_some(rdd, site, sink, |_| true)
}

/// As [`save`], with the partitions that are `wanted` alone; the same ones on all members.
pub(crate) fn save_some<T: Data>(
    rdd: &Rdd<T>,
    site: Site,
    sink: &Arc<impl Sink<T> + ?Sized>,
    wanted: impl Fn(usize) -> bool,
) -> Result<()> {
    Job::outside_tasks("save_to")?;
    let (node, job) = (rdd.node(), rdd.job());
    let Some(output) = &job.output else {
        return Err(Error::new(
            "`save_to` works inside `foreach_rdd` only: what it writes is shown with the batch",
        ));
    };
    node.prepare(job)?;
    let ordinal = output.next_ordinal();
    let partitions: Vec<usize> = (0..node.partitions()).filter(|partition| wanted(*partition)).collect();
    let receipts: Vec<Receipt> = job.gather(site, &*node, &partitions, |partition, task| {
        let id = OutputId {
            job: output.job.clone(),
            sink: output.uid.clone(),
            ordinal,
            batch: job.batch,
            partition: partition as u32,
        };
        let rows = Rows::new(Pull::new(node.open(partition, task)?, task, site));
        sink.write(&id, job.epoch, rows, task)
    })?;
    let (sink, batch) = (Arc::clone(sink), job.batch);
    let tokens = receipts.iter().map(|receipt| (receipt.token.clone(), receipt.rows)).collect();
    output.save(Saved {
        ordinal,
        receipts: tokens,
        publish: Box::new(move || sink.publish(batch, &receipts)),
    });
    Ok(())
}
