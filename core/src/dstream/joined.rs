//! Streams that are drawn from several streams: what must fit, and what each batch needs.

use std::panic::Location;
use std::sync::Arc;

use super::stream::Stream;
use super::{DStream, Graph};
use crate::rdd::{Function, Job, Rdd};
use crate::runtime::Site;
use crate::words::{BatchTime, Error, Interval, Result};

impl<T: 'static> DStream<T> {
    /// A stream whose Rdd is made from the Rdds of this stream and `other` of the same time.
    pub(crate) fn both_rdds<U: 'static, V: 'static>(
        &self,
        other: &DStream<U>,
        operator: &'static str,
        caller: &'static Location<'static>,
        f: impl Fn(Rdd<T>, Rdd<U>) -> Result<Rdd<V>> + Function,
    ) -> DStream<V> {
        let site = Site::new(operator, caller);
        let (here, there) = (Arc::clone(&self.stream), Arc::clone(&other.stream));
        let fits = fits(&self.graph, site, &[self.side(), other.side()]);
        let stream = self.graph.draw(site, here.slide(), move |time, job| {
            if !fits {
                return Ok(None);
            }
            let (a, b) = (of_parent(site, &here, time, job)?, of_parent(site, &there, time, job)?);
            f(a.at(site), b).map(|made| Some(made.unnamed()))
        });
        self.stream.add_child();
        other.stream.add_child();
        DStream::new(&self.graph, stream)
    }

    fn side(&self) -> Side<'_> {
        Side { graph: &self.graph, site: self.stream.site(), slide: self.stream.slide() }
    }
}

/// A stream of `graph` whose Rdd is made from the Rdds of all `streams` of the same time, in their order.
pub(crate) fn all_rdds<T: 'static, U: 'static>(
    graph: &Arc<Graph>,
    streams: &[DStream<T>],
    operator: &'static str,
    caller: &'static Location<'static>,
    f: impl Fn(Vec<Rdd<T>>, &Arc<Job>) -> Result<Rdd<U>> + Function,
) -> DStream<U> {
    let site = Site::new(operator, caller);
    let sides: Vec<Side<'_>> = streams.iter().map(DStream::side).collect();
    let fits = fits(graph, site, &sides);
    let slide = sides.first().map_or(graph.interval(), |first| first.slide);
    let parents: Vec<Arc<Stream<T>>> = streams.iter().map(|stream| Arc::clone(&stream.stream)).collect();
    let stream = graph.draw(site, slide, move |time, job| {
        if !fits {
            return Ok(None);
        }
        let rdds = parents.iter().map(|parent| of_parent(site, parent, time, job)).collect::<Result<_>>()?;
        f(rdds, job).map(|made| Some(made.unnamed()))
    });
    for stream in streams {
        stream.stream.add_child();
    }
    DStream::new(graph, stream)
}

/// A stream as far as it must fit to others.
struct Side<'a> {
    graph: &'a Arc<Graph>,
    site: Site,
    slide: Interval,
}

/// Whether the operator at `site` can be drawn from `sides`; if not, that is a mistake.
fn fits(graph: &Arc<Graph>, site: Site, sides: &[Side<'_>]) -> bool {
    let operator = site.operator();
    let stranger = sides.iter().find(|side| !Arc::ptr_eq(side.graph, graph));
    let other = sides.windows(2).find(|pair| pair[0].slide != pair[1].slide);
    let message = match (sides.first(), stranger, other) {
        (None, _, _) => format!("`{operator}` needs at least one stream"),
        (Some(first), Some(stranger), _) => format!(
            "`{operator}` takes streams of one context only, but {} and {} do not belong together: draw both on the \
             same StreamingContext",
            first.site, stranger.site
        ),
        (_, _, Some([a, b])) => format!(
            "Some of the DStreams have different slide durations: {} every {}, {} every {}; give both the same, for \
             example by a window on the faster one",
            a.site, a.slide, b.site, b.slide
        ),
        _ => return true,
    };
    graph.mistake(site.location(), message);
    false
}

/// The Rdd of a parent that the operator at `site` cannot do without.
fn of_parent<T>(site: Site, parent: &Stream<T>, time: BatchTime, job: &Arc<Job>) -> Result<Rdd<T>> {
    parent.rdd(time, job)?.ok_or_else(|| {
        Error::new(format!(
            "{site} could not generate an Rdd at time {time}: its parent {} has none",
            parent.site()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::StreamingContext;
    use crate::testing::{collect_batches, input_batches, input_gaps, local, run_batches};
    use crate::words::Mistake;

    /// A stream with an Rdd every third batch, as a window will give.
    fn every_third(ssc: &StreamingContext) -> DStream<u32> {
        let graph = ssc.graph();
        let site = Site::new("every_third", Location::caller());
        let slide = Interval::from_millis(3000).unwrap();
        let stream = graph.draw(site, slide, |time, job| {
            Ok(Some(Rdd::parallelize(job, vec![(time.as_millis() / 1000) as u32], 1)))
        });
        DStream::new(graph, stream)
    }

    fn mistakes(ssc: &StreamingContext) -> Vec<Mistake> {
        let Err(Error::Plan(mistakes)) = ssc.start() else { panic!("a plan with mistakes has started") };
        mistakes
    }

    #[test]
    fn streams_of_different_slides_do_not_fit_and_both_are_named() {
        let ssc = local(2);
        let (fast, slow) = (input_batches(&ssc, 1, vec![vec![1]]), every_third(&ssc));
        let pairs = |stream: &DStream<u32>| stream.map(|n| (n, n));
        let drawn = [
            fast.union(&slow),
            fast.transform_with(&slow, |fast, _| fast),
            pairs(&fast).join(&pairs(&slow)).keys(),
            ssc.union(&[fast.clone(), slow.clone()]),
            ssc.transform(&[slow, fast], |rdds, _| rdds[0].clone()),
        ];
        for stream in &drawn {
            stream.foreach_rdd(|_, _| Ok(()));
        }
        let mistakes = mistakes(&ssc);
        assert_eq!(mistakes.len(), drawn.len(), "{mistakes:#?}");
        for mistake in mistakes {
            let text = &mistake.message;
            assert!(text.starts_with("Some of the DStreams have different slide durations: "), "{text}");
            assert!(text.contains("every 3000 ms") && text.contains("every 1000 ms"), "{text}");
            assert_eq!(text.matches(file!()).count(), 2, "{text}");
            assert_eq!(mistake.site.map(Location::file), Some(file!()));
        }
    }

    #[test]
    fn streams_of_the_same_longer_slide_have_a_batch_as_often_as_they() {
        let ssc = local(2);
        let slow = every_third(&ssc);
        let both = collect_batches(&slow.union(&slow.map(|n| n * 10)));
        let all = collect_batches(&ssc.union(&[slow.clone(), slow]));
        run_batches(&ssc, 7).unwrap();
        assert_eq!(both.batches(), [[3, 30], [6, 60]]);
        assert_eq!(all.batches(), [[3, 3], [6, 6]]);
    }

    #[test]
    fn streams_of_two_contexts_do_not_fit() {
        let (ssc, other) = (local(2), local(2));
        let (here, there) = (input_batches(&ssc, 1, vec![vec![1]]), input_batches(&other, 1, vec![vec![1]]));
        here.union(&there).foreach_rdd(|_, _| Ok(()));
        ssc.union(&[there]).foreach_rdd(|_, _| Ok(()));
        let mistakes = mistakes(&ssc);
        assert_eq!(mistakes.len(), 2, "{mistakes:#?}");
        assert!(mistakes.iter().all(|mistake| mistake.message.contains("streams of one context only")));
    }

    #[test]
    fn a_union_of_no_stream_is_a_mistake() {
        let ssc = local(2);
        ssc.union::<u32>(&[]).foreach_rdd(|_, _| Ok(()));
        assert_eq!(mistakes(&ssc)[0].message, "`union` needs at least one stream");
    }

    #[test]
    fn without_an_rdd_before_them_narrow_operators_have_no_batch() {
        let ssc = local(2);
        let numbers = input_gaps(&ssc, 2, vec![vec![1, 2]]);
        let counts = collect_batches(&numbers.map(|n| n + 1).filter(|_| true).count());
        run_batches(&ssc, 3).unwrap();
        assert_eq!(counts.batches(), [[2]]);
    }
}
