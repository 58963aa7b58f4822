//! `uid`: a name that stays when the plan changes.

use std::panic::Location;

use super::DStream;

impl<T: 'static> DStream<T> {
    /// Names this stream: what it keeps and what is written from it is found again under this name after a restart, also
    /// when the plan around it has changed. Without a name it goes by its place in the plan.
    ///
    /// A name that is empty or taken, and a second name for a stream, are mistakes that
    /// [`start`](crate::StreamingContext::start) reports.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let counts = input_batches(&ssc, 1, vec![vec![1]]).count().uid("counts");
    /// let again = input_batches(&ssc, 1, vec![vec![2]]).count().uid("counts");
    /// let _both = collect_batches(&counts.union(&again));
    /// assert!(ssc.start().unwrap_err().to_string().contains("`counts`"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn uid(self, name: &str) -> Self {
        let caller = Location::caller();
        if let Some(before) = self.stream().uid() {
            let message =
                format!("the stream has the uid `{before}`, and cannot be `{name}` too: one stream, one uid");
            self.graph().mistake(caller, message);
        } else if self.graph().claim_uid(caller, name) {
            self.stream().set_uid(name);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{input_batches, local};
    use crate::words::Error;

    #[test]
    fn a_name_that_is_taken_or_empty_and_a_second_name_are_mistakes() {
        let ssc = local(2);
        let numbers = || input_batches(&ssc, 1, vec![vec![1]]);
        let _taken =
            [numbers().uid("sea"), numbers().uid("sea"), numbers().uid(""), numbers().uid("a").uid("b")];
        numbers().foreach_rdd(|_, _| Ok(()));
        let Err(Error::Plan(mistakes)) = ssc.start() else { panic!("a plan with mistakes has started") };
        let said: Vec<&str> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said[0].starts_with(&format!("the uid `sea` is taken by the stream named at {}", file!())),
            "{said:?}"
        );
        assert_eq!(said[1], "a uid must not be empty");
        assert!(said[2].starts_with("the stream has the uid `a`, and cannot be `b` too"), "{said:?}");
    }

    #[test]
    fn two_outputs_of_a_named_stream_go_by_different_names() {
        let ssc = local(2);
        let named = input_batches(&ssc, 1, vec![vec![1]]).uid("sea");
        named.foreach_rdd(|_, _| Ok(()));
        named.foreach_rdd(|_, _| Ok(()));
        input_batches(&ssc, 1, vec![vec![1]]).foreach_rdd(|_, _| Ok(()));
        let outputs = ssc.graph().outputs();
        let uids: Vec<String> = outputs.iter().enumerate().map(|(index, output)| output.uid(index)).collect();
        assert_eq!(uids, ["sea", "sea#1", "output-2"]);
    }
}
