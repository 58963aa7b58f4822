//! What jobs and rooms rely on: which value wins, what is accepted, what is said about the rest.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::keys::OnFailure;
use super::*;

const KEY: &str = "tidemill.streaming.block_interval";

/// All keys that Spark Streaming 4 reads, with those of its connectors.
const SPARK_STREAMING: [&str; 55] = [
    "spark.streaming.backpressure.enabled",
    "spark.streaming.backpressure.initialRate",
    "spark.streaming.backpressure.rateEstimator",
    "spark.streaming.backpressure.pid.proportional",
    "spark.streaming.backpressure.pid.integral",
    "spark.streaming.backpressure.pid.derived",
    "spark.streaming.backpressure.pid.minRate",
    "spark.streaming.receiver.maxRate",
    "spark.streaming.blockInterval",
    "spark.streaming.blockQueueSize",
    "spark.streaming.receiverRestartDelay",
    "spark.streaming.receiver.blockStoreTimeout",
    "spark.streaming.receiver.writeAheadLog.enable",
    "spark.streaming.receiver.writeAheadLog.class",
    "spark.streaming.receiver.writeAheadLog.rollingIntervalSecs",
    "spark.streaming.receiver.writeAheadLog.maxFailures",
    "spark.streaming.receiver.writeAheadLog.closeFileAfterWrite",
    "spark.streaming.driver.writeAheadLog.class",
    "spark.streaming.driver.writeAheadLog.rollingIntervalSecs",
    "spark.streaming.driver.writeAheadLog.maxFailures",
    "spark.streaming.driver.writeAheadLog.closeFileAfterWrite",
    "spark.streaming.driver.writeAheadLog.allowBatching",
    "spark.streaming.driver.writeAheadLog.batchingTimeout",
    "spark.streaming.unpersist",
    "spark.streaming.stopGracefullyOnShutdown",
    "spark.streaming.gracefulStopTimeout",
    "spark.streaming.stopSparkContextByDefault",
    "spark.streaming.concurrentJobs",
    "spark.streaming.checkpoint.directory",
    "spark.streaming.ui.retainedBatches",
    "spark.streaming.fileStream.minRememberDuration",
    "spark.streaming.minRememberDuration",
    "spark.streaming.sessionByKey.deltaChainThreshold",
    "spark.streaming.clock",
    "spark.streaming.manualClock.jump",
    "spark.streaming.dynamicAllocation.enabled",
    "spark.streaming.dynamicAllocation.testing",
    "spark.streaming.dynamicAllocation.minExecutors",
    "spark.streaming.dynamicAllocation.maxExecutors",
    "spark.streaming.dynamicAllocation.scalingInterval",
    "spark.streaming.dynamicAllocation.scalingUpRatio",
    "spark.streaming.dynamicAllocation.scalingDownRatio",
    "spark.streaming.kafka.maxRatePerPartition",
    "spark.streaming.kafka.minRatePerPartition",
    "spark.streaming.kafka.consumer.cache.enabled",
    "spark.streaming.kafka.consumer.cache.initialCapacity",
    "spark.streaming.kafka.consumer.cache.maxCapacity",
    "spark.streaming.kafka.consumer.cache.loadFactor",
    "spark.streaming.kafka.consumer.poll.ms",
    "spark.streaming.kafka.allowNonConsecutiveOffsets",
    "spark.streaming.kafka.maxRetries",
    "spark.streaming.kinesis.retry.waitTime",
    "spark.streaming.kinesis.retry.maxAttempts",
    "spark.streaming.internal.batchTime",
    "spark.streaming.internal.outputOpId",
];

/// Keeps the texts of warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What `action` warns of.
fn warnings(action: impl FnOnce()) -> Vec<String> {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), action);
    Arc::into_inner(warnings.0).unwrap().into_inner().unwrap()
}

/// A settings file; it lives as long as the folder.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidemill.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn message<T: fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn an_argument_wins_over_the_environment_over_a_file_over_the_default() {
    let (_folder, path) = file(
        "[tidemill.streaming]\nblock_interval = '1ms'\nconcurrent_jobs = 2\nremember = '1m'\n[tidemill.app]\nname = 'file'",
    );
    let variables = [
        ("TIDEMILL_STREAMING_BLOCK_INTERVAL", "2ms"),
        ("TIDEMILL_STREAMING_CONCURRENT_JOBS", "3"),
        ("TIDEMILL_CONF_FILE", path.as_str()),
    ];
    let args =
        ["--conf", "tidemill.streaming.block_interval=3ms", "--name=argument", "word"].map(str::to_owned);
    let (conf, rest) = Conf::new().layered(variables, args).unwrap();

    let mut found = Vec::new();
    for setting in conf.settings() {
        let name = setting.key.rsplit('.').next().unwrap().to_owned();
        if ["block_interval", "concurrent_jobs", "remember", "max_failures", "name"].contains(&name.as_str())
        {
            found.push((name, setting.value.unwrap(), setting.origin.to_string()));
        }
    }
    let expected = [
        ("name", "argument", "argument"),
        ("block_interval", "3ms", "argument"),
        ("concurrent_jobs", "3", "environment"),
        ("remember", "1m", "file"),
        ("max_failures", "4", "default"),
    ];
    assert_eq!(found, expected.map(|(name, value, origin)| (name.into(), value.into(), origin.into())));
    assert_eq!(rest, ["word"]);
}

#[test]
fn the_order_of_reading_does_not_matter() {
    let (_folder, path) = file("tidemill.streaming.block_interval = '1ms'");
    let variables = [("TIDEMILL_STREAMING_BLOCK_INTERVAL", "2ms")];
    let args = ["--conf", "spark.streaming.blockInterval=3ms"];

    let conf = Conf::new().with_variables(variables).unwrap().with_file(&path).unwrap();
    assert_eq!(conf.get(KEY).unwrap(), "2ms");
    let (conf, _) = Conf::new().with_args(args).unwrap();
    let conf = conf.with_variables(variables).unwrap().with_file(&path).unwrap();
    assert_eq!(conf.get(KEY).unwrap(), "3ms");
}

#[test]
fn code_replaces_what_was_read_before_and_is_replaced_by_what_is_read_after() {
    let args = ["--conf", "tidemill.streaming.block_interval=3ms"];
    let (conf, _) = Conf::new().set(KEY, "1ms").unwrap().with_args(args).unwrap();
    assert_eq!(conf.get(KEY).unwrap(), "3ms");
    let conf = conf.set(KEY, "4ms").unwrap();
    assert_eq!(conf.get(KEY).unwrap(), "4ms");
    let conf = conf.with_variables([("TIDEMILL_STREAMING_BLOCK_INTERVAL", "5ms")]).unwrap();
    assert_eq!(conf.get(KEY).unwrap(), "5ms");
}

#[test]
fn the_file_of_the_command_line_replaces_that_of_the_environment() {
    let (_folder, first) = file("tidemill.app.name = 'first'\ntidemill.streaming.remember = '1m'");
    let (_folder, second) = file("tidemill.app.name = 'second'");
    let args = ["--properties-file".to_owned(), second];
    let (conf, _) = Conf::new().layered([("TIDEMILL_CONF_FILE", first)], args).unwrap();
    assert_eq!(conf.get("tidemill.app.name").unwrap(), "second");
    assert_eq!(conf.get("tidemill.streaming.remember"), None);
}

#[test]
fn a_clone_does_not_change_with_its_original() {
    let conf = Conf::new().app_name("one").unwrap();
    let other = conf.clone().app_name("two").unwrap();
    assert_eq!(
        (conf.get_typed(keys::APP_NAME), other.get_typed(keys::APP_NAME)),
        ("one".into(), "two".into())
    );
}

#[test]
fn every_streaming_key_of_spark_is_accepted() {
    for spark in SPARK_STREAMING {
        let row = row::find(spark).unwrap_or_else(|| panic!("{spark}"));
        let text = ["1", "0.5", "true", "pid"].into_iter().find(|text| row.parse(text).is_some()).unwrap();
        let mut conf = Conf::new();
        let warned = warnings(|| conf = Conf::new().set(spark, text).unwrap());
        assert_eq!(conf.get(spark).as_deref(), Some(text), "{spark}");
        assert_eq!(conf.get(row.key).as_deref(), Some(text), "{spark}");
        assert_eq!(warned.len(), usize::from(!row.has_effect()), "{spark} {warned:?}");
    }
    let ours: Vec<_> =
        row::all().flat_map(|row| row.spark).filter(|key| key.starts_with("spark.streaming.")).collect();
    assert_eq!(ours.len(), SPARK_STREAMING.len());
    for spark in ["spark.master", "spark.app.name", "spark.default.parallelism", "spark.task.maxFailures"] {
        assert!(row::find(spark).is_some_and(Row::has_effect), "{spark}");
    }
}

#[test]
fn a_key_without_effect_warns_and_is_kept() {
    let warned = warnings(|| {
        let conf = Conf::new().set("spark.streaming.unpersist", "false").unwrap();
        assert_eq!(conf.get("tidemill.streaming.unpersist").unwrap(), "false");
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("spark.streaming.unpersist") && warned[0].contains("no effect"), "{warned:?}");
}

#[test]
fn an_unknown_key_of_spark_warns_with_the_nearest_and_is_kept() {
    let warned = warnings(|| {
        let conf = Conf::new().set("spark.streaming.blokInterval", "1s").unwrap();
        assert_eq!(conf.get("spark.streaming.blokInterval").unwrap(), "1s");
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("nearest=\"spark.streaming.blockInterval\""), "{warned:?}");
}

#[test]
fn an_unknown_key_of_ours_is_an_error_that_names_the_nearest() {
    for (wrong, right) in [
        ("tidemill.streaming.blok_interval", KEY),
        ("tidemill.streaming.blockInterval", KEY),
        ("tidemill.mastr", "tidemill.master"),
        ("tidemill.memory.disc", "tidemill.memory.disk"),
    ] {
        let expected = format!(
            "setting `{wrong}` is 1s, but must be spelled `{right}`, which is the nearest key there is"
        );
        assert_eq!(message(Conf::new().set(wrong, "1s")), expected);
    }
}

#[test]
fn keys_of_the_job_are_kept_and_a_forgotten_prefix_warns() {
    let mut conf = Conf::new();
    let warned = warnings(|| {
        conf = Conf::new().set("shop.country", "").unwrap().set("streaming.block_interval", "1s").unwrap();
    });
    assert_eq!(conf.get("shop.country").unwrap(), "");
    assert_eq!(conf.get("streaming.block_interval").unwrap(), "1s");
    assert_eq!(conf.get_typed(keys::BLOCK_INTERVAL), None);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains(KEY), "{warned:?}");
}

#[test]
fn a_wrong_value_is_an_error_that_names_key_value_and_what_is_accepted() {
    assert_eq!(
        message(Conf::new().set("spark.streaming.blockInterval", "soon")),
        "setting `spark.streaming.blockInterval` is soon, but must be a duration from 1ms to 1day, as in `200ms`, `2s` or \
         `5min`, a plain number being milliseconds, or `none`"
    );
    let wrong = "setting `TIDEMILL_MEMORY` is 64, but must be a size of at least 1m with its unit";
    assert!(message(Conf::new().with_variables([("TIDEMILL_MEMORY", "64")])).starts_with(wrong));
    let (_folder, path) = file("tidemill.task.max_failures = 0");
    assert_eq!(
        message(Conf::from_file(&path)),
        format!(
            "setting `tidemill.task.max_failures` is 0 (in {path}), but must be a whole number from 1 to 1000"
        )
    );
    assert!(message(Conf::new().master("yarn")).contains("runs in this process"));
    assert!(Conf::new().app_name("").is_err());
    assert!(Conf::new().batch_interval(Duration::from_micros(999)).is_err());
}

#[test]
fn a_plain_number_is_milliseconds_where_spark_says_so_and_an_error_where_only_we_would() {
    let conf = Conf::new().set(KEY, "50").unwrap();
    assert_eq!(conf.get_typed(keys::BLOCK_INTERVAL), Some(Duration::from_millis(50)));
    assert!(message(Conf::new().set("tidemill.streaming.batch_interval", "2")).contains("with its unit"));
}

#[test]
fn none_takes_back_what_a_weaker_place_set() {
    let (_folder, path) = file("tidemill.streaming.block_interval = '1ms'");
    let conf = Conf::from_file(&path)
        .unwrap()
        .with_variables([("TIDEMILL_STREAMING_BLOCK_INTERVAL", "none")])
        .unwrap();
    assert_eq!((conf.get(KEY), conf.get_typed(keys::BLOCK_INTERVAL)), (None, None));
    assert!(Conf::new().set("tidemill.memory", "none").is_err());
}

#[test]
fn typed_values_are_what_was_set() {
    let conf = [
        ("tidemill.master", "local[3, 2]"),
        ("tidemill.default.parallelism", "7"),
        ("tidemill.task.max_failures", "5"),
        ("tidemill.memory", "64MiB"),
        ("tidemill.memory.spill_dir", "/spill"),
        ("tidemill.batch.on_failure", "skip"),
        ("tidemill.output.empty_batches", "TRUE"),
    ]
    .into_iter()
    .fold(Conf::new(), |conf, (key, value)| conf.set(key, value).unwrap());
    assert_eq!(conf.get_typed(keys::MASTER), Master { slots: 3, max_failures: Some(2) });
    assert_eq!(conf.get_typed(keys::DEFAULT_PARALLELISM), Some(7));
    assert_eq!(conf.get_typed(keys::MAX_FAILURES), 5);
    assert_eq!(conf.get_typed(keys::MEMORY), 64 << 20);
    assert_eq!(conf.get_typed(keys::SPILL_DIR), Some(PathBuf::from("/spill")));
    assert_eq!(conf.get_typed(keys::ON_FAILURE), OnFailure::Skip);
    assert!(conf.get_typed(keys::EMPTY_BATCHES));
}

#[test]
fn every_typed_default_can_be_read() {
    let conf = Conf::new();
    assert!(conf.get_typed(keys::MASTER).slots >= 1);
    assert_eq!(conf.get_typed(keys::APP_NAME), "tidemill");
    assert!(!conf.get_typed(keys::ALLOW_SEVERAL));
    assert_eq!(conf.get_typed(keys::BATCH_INTERVAL), Duration::from_secs(1));
    assert_eq!(conf.get_typed(keys::BLOCK_INTERVAL), None);
    assert_eq!(conf.get_typed(keys::CONCURRENT_JOBS), 1);
    assert_eq!(conf.get_typed(keys::REMEMBER), None);
    assert!(conf.get_typed(keys::STOP_GRACEFULLY_ON_SHUTDOWN));
    assert_eq!(conf.get_typed(keys::GRACEFUL_STOP_TIMEOUT), None);
    assert_eq!(conf.get_typed(keys::RECEIVER_RESTART_DELAY), Duration::from_millis(500));
    assert_eq!(conf.get_typed(keys::RECEIVER_MAX_RATE), None);
    assert!(conf.get_typed(keys::BACKPRESSURE_ENABLED));
    assert_eq!(conf.get_typed(keys::BACKPRESSURE_INITIAL_RATE), None);
    assert_eq!(conf.get_typed(keys::RATE_ESTIMATOR), keys::Estimator::Steady);
    let gains = [keys::PID_PROPORTIONAL, keys::PID_INTEGRAL, keys::PID_DERIVED, keys::PID_MIN_RATE];
    assert_eq!(gains.map(|gain| conf.get_typed(gain)), [1.0, 0.2, 0.0, 100.0]);
    assert_eq!(conf.get_typed(keys::DEFAULT_PARALLELISM), None);
    assert_eq!(conf.get_typed(keys::MAX_FAILURES), 4);
    assert_eq!(conf.get_typed(keys::MEMORY), 512 << 20);
    assert_eq!(conf.get_typed(keys::SPILL_DIR), None);
    assert_eq!(conf.get_typed(keys::DISK), 10 << 30);
    assert_eq!(conf.get_typed(keys::ON_FAILURE), OnFailure::Stop);
    assert_eq!(conf.get_typed(keys::MAX_JUMP), Duration::from_hours(1));
    assert!(!conf.get_typed(keys::EMPTY_BATCHES));
    assert_eq!(conf.get_typed(keys::LISTENER_QUEUE_MAX), 10_000);
}

#[test]
fn the_book_has_one_row_for_each_setting() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/settings.md"));
    let spelled = |keys: &[&str]| match keys {
        [] => "–".to_owned(),
        keys => keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "),
    };
    let mut expected = String::new();
    for Row { key, spark, default, meaning, reason, .. } in table::ROWS {
        writeln!(expected, "| `{key}` | {} | `{default}` | {meaning} {reason} |", spelled(spark)).unwrap();
    }
    for Row { key, spark, meaning, .. } in spark_only::ROWS {
        writeln!(expected, "| `{key}` | {} | – | No effect. {meaning} |", spelled(spark)).unwrap();
    }
    let found = page.lines().filter(|line| line.starts_with("| `"));
    assert!(found.eq(expected.lines()), "docs/src/settings.md should have these rows:\n{expected}");
}
