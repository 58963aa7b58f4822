//! A server that a test drives, and a job whose records, errors and rejected records it sees.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::disallowed_methods, reason = "the server is another program's part")]

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Linger;
use tidemill::{Conf, DStream, Data, Event, StreamingContext, StreamingListener, Wire, keys};

/// Far longer than anything here takes; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// No batch is due before the test is over: what was received comes with the graceful stop.
pub(crate) const ONE_BATCH: Duration = Duration::from_hours(24);

/// Batches come soon, for tests that wait for records while the job runs.
pub(crate) const SOON: Duration = Duration::from_millis(10);

/// A server on a free port.
pub(crate) struct Server {
    pub(crate) port: u16,
    connections: Receiver<TcpStream>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (sender, connections) = channel();
        // A thread, because `accept` cannot be given up; it ends with the test's process.
        thread::spawn(move || listener.incoming().try_for_each(|stream| sender.send(stream.unwrap())));
        Self { port, connections }
    }

    /// The next connection that the job makes.
    pub(crate) fn accept(&self) -> TcpStream {
        self.connections.recv_timeout(PATIENCE).expect("the job did not connect")
    }
}

/// Closes a connection without waiting for anything: the other side sees a reset, not an end.
pub(crate) fn reset(connection: TcpStream) {
    setsockopt(&connection, Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(connection);
}

/// A job with one stream that runs.
pub(crate) struct Job<T> {
    ssc: StreamingContext,
    batches: Receiver<Vec<T>>,
    events: Receiver<Event>,
    records: Vec<T>,
}

/// What a job had seen when it ended.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    pub(crate) records: Vec<T>,
    /// How many records its batches were planned with.
    pub(crate) planned: u64,
    /// How many records were rejected, and the reasons that were given.
    pub(crate) rejected: u64,
    pub(crate) reasons: Vec<String>,
}

struct Listener(Sender<Event>);

impl StreamingListener for Listener {
    fn on_event(&self, event: &Event) {
        let _ = self.0.send(event.clone());
    }
}

impl<T: Wire> Job<T> {
    /// Starts a job with batches of `interval` on the stream that `make` draws.
    pub(crate) fn start(interval: Duration, make: impl FnOnce(&StreamingContext) -> DStream<T>) -> Self {
        Self::start_with(Self::conf(interval), make)
    }

    pub(crate) fn conf(interval: Duration) -> Conf {
        let conf = Conf::new().allow_several(true).master("local[2]").unwrap();
        conf.batch_interval(interval).unwrap().set(keys::RECEIVER_RESTART_DELAY.name(), "1ms").unwrap()
    }

    pub(crate) fn start_with(conf: Conf, make: impl FnOnce(&StreamingContext) -> DStream<T>) -> Self {
        Self::reading(conf, |ssc, batches| {
            make(ssc).foreach_rdd(move |rdd, _| Ok(batches.send(rdd.collect()?)?));
        })
    }

    /// A job whose output `draw` adds; it sends what it sees of each batch.
    fn reading(conf: Conf, draw: impl FnOnce(&StreamingContext, Sender<Vec<T>>)) -> Self {
        let ssc = StreamingContext::from_conf(conf).unwrap();
        let (sender, events) = channel();
        ssc.add_streaming_listener(Listener(sender));
        let (sender, batches) = channel();
        draw(&ssc, sender);
        ssc.start().unwrap();
        Self { ssc, batches, events, records: Vec::new() }
    }

    /// Waits until the job has seen `count` records in all, and gives them.
    pub(crate) fn records(&mut self, count: usize) -> &[T] {
        while self.records.len() < count {
            self.records.extend(self.batches.recv_timeout(PATIENCE).expect("the records did not come"));
        }
        &self.records
    }

    /// Waits for so many more batches, whatever they hold.
    pub(crate) fn batches(&mut self, count: usize) {
        for _ in 0..count {
            self.records.extend(self.batches.recv_timeout(PATIENCE).expect("no batch came"));
        }
    }

    /// Waits for the receiver's next error.
    pub(crate) fn error(&self) -> String {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("the receiver reported no error");
            if let Event::ReceiverError(receiver) = event {
                return receiver.last_error.unwrap();
            }
        }
    }

    /// Stops gracefully.
    pub(crate) fn stop(mut self) -> Ended<T> {
        let (ssc, (sender, stopped)) = (self.ssc.clone(), channel());
        thread::spawn(move || sender.send(ssc.stop(true)));
        stopped.recv_timeout(PATIENCE).expect("the job did not stop").unwrap();
        self.records.extend(self.batches.try_iter().flatten());
        let mut ended = Ended { records: self.records, planned: 0, rejected: 0, reasons: Vec::new() };
        for event in self.events.try_iter() {
            match event {
                Event::BatchCompleted(batch) => ended.planned += batch.records(),
                Event::RecordsRejected { records, reason, .. } => {
                    ended.rejected += records;
                    ended.reasons.push(reason);
                }
                _ => {}
            }
        }
        ended
    }
}

impl Job<u64> {
    /// As `start`, but the records are how many each batch has.
    pub(crate) fn counting<T: Data>(
        interval: Duration,
        make: impl FnOnce(&StreamingContext) -> DStream<T>,
    ) -> Self {
        Self::reading(Self::conf(interval), |ssc, batches| {
            make(ssc).foreach_rdd(move |rdd, _| Ok(batches.send(vec![rdd.count()?])?));
        })
    }
}
