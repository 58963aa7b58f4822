//! A job that is fed while it runs reads each file once and loses none.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use support::{Folder, PATIENCE};
use tidemill::{Conf, StreamingContext};
use tidemill_file::{FileStream, FileStreams as _};

const FILES: u32 = 300;

/// Each file in another way: written in place at once, moved in, moved in with an old time, into a new folder, written bit by bit under a hidden name.
fn feed(folder: &Folder, elsewhere: &Folder, n: u32) {
    let content = format!("{n} a\n{n} b\n");
    let name = format!("{n}.txt");
    match n % 5 {
        0 => folder.write(&name, &content),
        1 | 2 => {
            elsewhere.write(&name, &content);
            if n % 5 == 2 {
                elsewhere.touch(&name, Duration::from_secs(1));
            }
            fs::rename(elsewhere.at(&name), folder.at(&name)).unwrap();
        }
        3 => {
            let mut file = File::create(folder.at(&format!(".{name}"))).unwrap();
            content.bytes().for_each(|byte| file.write_all(&[byte]).unwrap());
            fs::rename(folder.at(&format!(".{name}")), folder.at(&name)).unwrap();
        }
        _ => folder.write(&format!("{n}/{name}"), &content),
    }
}

fn loses_and_doubles_nothing(
    draw: impl FnOnce(FileStream<tidemill_file::TextLines>) -> FileStream<tidemill_file::TextLines>,
) {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let conf = Conf::new().allow_several(true).master("local[2]").unwrap();
    let ssc = StreamingContext::from_conf(conf.batch_interval(Duration::from_millis(10)).unwrap()).unwrap();
    let stream = draw(FileStream::text(folder.path()).nested(true).settle(Duration::from_millis(50)));
    let (sender, batches) = channel();
    ssc.file_stream(stream).foreach_rdd(move |rdd, _| Ok(sender.send(rdd.collect()?)?));
    ssc.start().unwrap();
    #[allow(clippy::disallowed_methods, reason = "who feeds is another program's part")]
    let feeder = thread::spawn(move || {
        (0..FILES).for_each(|n| feed(&folder, &elsewhere, n));
        (folder, elsewhere)
    });
    let mut lines = Vec::new();
    while lines.len() < 2 * FILES as usize {
        lines.extend(batches.recv_timeout(PATIENCE).expect("the lines did not come"));
    }
    // Once all has come, what came twice would come still.
    for _ in 0..20 {
        lines.extend(batches.recv_timeout(PATIENCE).unwrap());
    }
    ssc.stop(true).unwrap();
    feeder.join().unwrap();
    let wanted: BTreeSet<String> = (0..FILES).flat_map(|n| [format!("{n} a"), format!("{n} b")]).collect();
    assert_eq!(lines.len(), wanted.len());
    assert_eq!(lines.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), wanted);
}

#[test]
fn a_job_that_is_fed_while_it_runs_loses_and_doubles_nothing() {
    loses_and_doubles_nothing(|stream| stream);
}

#[test]
fn nor_does_it_where_the_system_tells_of_nothing() {
    loses_and_doubles_nothing(|stream| stream.watch(false));
}
