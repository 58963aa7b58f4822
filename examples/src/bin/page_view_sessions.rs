//! Finds out how long each user of a site stays, and how many pages they look at.
//!
//! Without arguments it reads the page views of a small site from a server of its own. Your own come as lines of four fields
//! with tabs between, address, status, zip code and user: run `nc -lk 9999` in one terminal,
//! `cargo run --release -p tidemill-examples --bin page_view_sessions localhost 9999` in another, and type such lines.
//!
//! A visit is over when nothing came from its user for longer than `--idle`. A frame shows the visits that are
//! over; the line behind it says who is on the site, and comes from a look into the state while the job runs.

#![allow(clippy::print_stdout, reason = "it is what the job is for")]

use serde::{Deserialize, Serialize};
use tidemill::{State, StateSpec};
use tidemill_examples::{Job, PageView, serve_page_views};
use {tidemill::prelude::*, tidemill_socket::SocketStreams as _};

#[derive(clap::Args, Debug)]
struct Arguments {
    /// How long a user looks at nothing before the visit is over.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// The folder that keeps the visits from one run to the next.
    #[arg(long, default_value = "checkpoint/visits", value_name = "FOLDER")]
    checkpoint: String,
}

/// What is known of a visit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Visit {
    pages: u32,
    /// Pages that were not there.
    missed: u32,
    begin: BatchTime,
    end: BatchTime,
}

/// A page view joins the visit of its user, or begins one. Without a page view the visit is over.
fn visit(
    time: BatchTime,
    user: u32,
    view: Option<PageView>,
    visit: &mut State<Visit>,
) -> Option<(u32, Visit)> {
    let Some(view) = view else { return visit.get().map(|over| (user, *over)) };
    let mut now = visit.get().copied().unwrap_or(Visit { pages: 0, missed: 0, begin: time, end: time });
    now.pages += 1;
    now.missed += u32::from(view.status == 404);
    now.end = time;
    visit.update(now);
    None
}

fn main() -> anyhow::Result<()> {
    let does = "Finds out how long each user of a site stays, and how many pages they look at.";
    let job = Job::<Arguments>::from_args("page_view_sessions", does, serve_page_views)?;

    let ssc = StreamingContext::from_conf(job.conf.clone())?;
    ssc.checkpoint(&job.own.checkpoint);
    let lines = ssc.socket_text_stream(&job.host, job.port);
    let views = lines.map_or_reject(|line| Ok(PageView::parse(line)?));
    let visits = views
        .map(|view| (view.user, view))
        .map_with_state_at(StateSpec::new().timeout(job.own.idle), |time, user, view, state| {
            visit(time, *user, view, state)
        })
        .uid("visits");
    visits.flat_map(|over| over).pprint_n(job.print);
    ssc.start()?;

    let on_the_site = ssc.state::<u32, Visit>("visits")?;
    Ok(job.run_and_look(&ssc, || {
        let visits: Vec<Vec<(u32, Visit)>> = on_the_site.scan()?.collect::<Result<_>>()?;
        let visits = visits.concat();
        if let Some((user, Visit { pages, .. })) =
            visits.iter().max_by_key(|(user, visit)| (visit.pages, *user))
        {
            println!("{} on the site; user {user} has looked at {pages} pages", visits.len());
        }
        Ok(())
    })?)
}
