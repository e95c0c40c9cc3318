//! A device: follows the link in its twin, keeps its file in step with it, and answers.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

use crate::{
    answer::Answer,
    backoff::pause,
    connection_string::ConnectionString,
    download::{Failure, obtain},
    link::Link,
    mqtt::{Broken, Connection, Message, PATIENCE},
    shared::Shared,
    token::RENEWAL,
};

/// After so many failures in a row that may be the network's, the answer is `failed`. The device goes on trying.
const GIVE_UP: u32 = 3;

/// How a device is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who it is and where its hub is.
    pub connection: ConnectionString,
    /// Where the asset is kept.
    pub file: PathBuf,
    /// The desired property with the link.
    pub property: String,
    /// The reported property with the answer.
    pub reported_property: String,
    /// The largest asset that it takes, in bytes.
    pub max_size: u64,
}

impl Config {
    /// The property `configurationBlob`, and assets of at most 64 MiB.
    pub fn new(connection: ConnectionString, file: PathBuf) -> Self {
        let property = "configurationBlob".to_owned();
        Self { connection, file, reported_property: property.clone(), property, max_size: 64 * 1024 * 1024 }
    }
}

/// Runs a device until `stop`. Whatever fails is tried again with growing pauses.
pub async fn run(config: Config, shared: Shared, stop: CancellationToken) {
    let mut device = Device {
        config: Arc::new(config),
        shared,
        wanted: None,
        current: None,
        failures: 0,
        answer: None,
        confirmed: None,
        work: None,
    };
    stop.run_until_cancelled(device.live()).await;
}

struct Device {
    config: Arc<Config>,
    shared: Shared,
    /// The link that the twin has.
    wanted: Option<Link>,
    /// The blob whose bytes the file has.
    current: Option<String>,
    /// How often in a row `wanted` could not be had.
    failures: u32,
    /// What the hub should know.
    answer: Option<Answer>,
    /// What the hub does know.
    confirmed: Option<Answer>,
    /// The way from `wanted` to the file; it goes on while the connection is down.
    work: Option<AbortOnDropHandle<Result<bool, Failure>>>,
}

impl Device {
    async fn live(&mut self) {
        let mut failures = 0;
        loop {
            let Err(error) = self.serve(&mut failures).await else { continue };
            failures += 1;
            let pause = pause(failures);
            warn!(device = self.id(), %error, "connecting again in {} ms", pause.as_millis());
            tokio::time::sleep(pause).await;
        }
    }

    fn id(&self) -> &str {
        self.config.connection.device_id()
    }

    /// Serves one connection, until it breaks or its token has to be replaced. `failures` is reset once the twin is there.
    async fn serve(&mut self, failures: &mut u32) -> Result<(), Broken> {
        let shared = self.shared.clone();
        let mut permit = shared.connect_permit().await;
        let mut connection = Connection::open(&self.config.connection, &shared).await?;
        // What was patched while the device was away is in the twin and nowhere else.
        let mut asked = Some(connection.ask_for_twin().await?);
        let mut reporting: Option<(u32, Answer)> = None;
        let (mut refused, mut report_at) = (0, Instant::now());
        let mut silent_at = Instant::now() + PATIENCE;
        let renewal = Instant::now() + RENEWAL;
        loop {
            let unanswered = reporting.is_none() && permit.is_none() && self.answer != self.confirmed;
            tokio::select! {
                message = connection.next() => match message? {
                    Message::Desired(patch) => {
                        if let Some(desired) = patch.get(&self.config.property) {
                            self.look(desired);
                        }
                    }
                    Message::Answer { request, status, body } if asked == Some(request) => {
                        if status != 200 {
                            return Err(Broken::NoTwin(status));
                        }
                        self.confirmed = Answer::parse(&body["reported"][&self.config.reported_property]);
                        self.look(&body["desired"][&self.config.property]);
                        (asked, permit, *failures) = (None, None, 0);
                    }
                    Message::Answer { request, status, .. } => {
                        let Some((_, answer)) = reporting.take_if(|(sent, _)| *sent == request) else { continue };
                        if (200..300).contains(&status) {
                            (self.confirmed, refused) = (Some(answer), 0);
                        } else {
                            refused += 1;
                            report_at = Instant::now() + pause(refused);
                            warn!(device = self.id(), status, "the hub does not take the answer now");
                        }
                    }
                },
                outcome = finished(&mut self.work) => {
                    if self.judge(outcome) {
                        asked = Some(connection.ask_for_twin().await?);
                        silent_at = Instant::now() + PATIENCE;
                    }
                }
                () = sleep_until(report_at), if unanswered => {
                    if let Some(answer) = self.answer.clone() {
                        let patch = json!({(self.config.reported_property.as_str()): answer.to_json()});
                        reporting = Some((connection.report(&patch).await?, answer));
                        silent_at = Instant::now() + PATIENCE;
                    } else {
                        // Nothing is asked for, so what was answered earlier may stay.
                        self.confirmed = None;
                    }
                }
                () = sleep_until(silent_at), if asked.is_some() || reporting.is_some() => return Err(Broken::Silent),
                () = sleep_until(renewal) => return Ok(()),
            }
        }
    }

    /// Looks at the desired property, from the twin or a patch: both carry the whole object.
    fn look(&mut self, desired: &Value) {
        if desired.is_null() {
            (self.wanted, self.work, self.answer) = (None, None, None);
            return;
        }
        let link = match Link::parse(desired) {
            Ok(link) => link,
            Err(why) => {
                warn!(device = self.id(), "the desired property is passed over: {why}");
                return;
            }
        };
        let before = self.wanted.replace(link.clone());
        let same = before.as_ref().is_some_and(|before| before.blob() == link.blob());
        if self.current.as_deref() == Some(link.blob()) {
            // The same path is the same content: a renewed link is kept for the next download, and nothing is done.
            (self.work, self.answer) = (None, Some(self.say(link.blob(), true)));
        } else if !same {
            self.failures = 0;
            self.start();
        } else if self.failures > 0 && before.as_ref() != Some(&link) {
            // The link that failed has been replaced.
            self.start();
        }
    }

    /// Begins, or begins anew, to make the file what the twin asks for.
    fn start(&mut self) {
        let Some(link) = self.wanted.clone() else { return };
        let held = self.confirmed.as_ref().and_then(|answer| answer.current.as_deref()) == Some(link.blob());
        let (config, shared, failures) = (self.config.clone(), self.shared.clone(), self.failures);
        self.work = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            if failures > 0 {
                tokio::time::sleep(pause(failures)).await;
            }
            obtain(&shared, &link, &config.file, config.max_size, held).await
        })));
    }

    /// Judges how the work ended. Returns whether the twin should be read again, because it may have a newer link.
    fn judge(&mut self, outcome: Result<bool, Failure>) -> bool {
        self.work = None;
        let Some(link) = self.wanted.clone() else { return false };
        match outcome {
            Ok(downloaded) => {
                info!(device = self.id(), asset = ?link, downloaded, "the asset is in place");
                self.failures = 0;
                self.current = Some(link.blob().to_owned());
                self.answer = Some(self.say(link.blob(), true));
                false
            }
            Err(failure) => {
                self.failures += 1;
                warn!(device = self.id(), asset = ?link, failures = self.failures, "{failure}");
                if failure.is_the_assets() || self.failures >= GIVE_UP {
                    self.answer = Some(self.say(link.blob(), false));
                }
                self.start();
                matches!(failure, Failure::Refused)
            }
        }
    }

    fn say(&self, blob: &str, received: bool) -> Answer {
        Answer { current: self.current.clone(), acknowledged: blob.to_owned(), received }
    }
}

/// Waits for the end of the work; forever if there is none.
async fn finished(work: &mut Option<AbortOnDropHandle<Result<bool, Failure>>>) -> Result<bool, Failure> {
    match work {
        Some(work) => work.await.unwrap_or_else(|error| Err(Failure::Disk(std::io::Error::other(error)))),
        None => std::future::pending().await,
    }
}
