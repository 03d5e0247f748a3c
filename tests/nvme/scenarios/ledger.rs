//! What a volume must hold: all that the guest's programs were told is safe.

use nvme::node::Node;
use nvme::shell::Dialogue;
use nvme::volume::{Kind, Volume};

use crate::world::place;

/// Bytes that each commit of the database brings along, so that its pages change.
const FILLER: usize = 3000;

/// How the database makes a commit atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Journal {
    /// What is new is appended to a log.
    WriteAhead,
    /// What was there is put aside, and taken away by the commit.
    Rollback,
}

impl Journal {
    /// The statement that chooses it, with as much care as makes each commit durable. The removal of a rollback journal
    /// takes EXTRA: FULL does not sync the directory. <https://www.sqlite.org/pragma.html#pragma_synchronous>
    const fn pragmas(self) -> &'static str {
        match self {
            Self::WriteAhead => "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            Self::Rollback => "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;",
        }
    }
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Lines of each file that was appended to; of a raw block device, the blocks that were written.
    files: Vec<usize>,
    /// Rows of the database.
    rows: usize,
}

impl Ledger {
    /// How many writes and commits.
    pub(crate) fn acknowledged(&self) -> usize {
        self.files.iter().sum::<usize>() + self.rows
    }

    /// Appends line after line and syncs each, until the disk stands still.
    pub(crate) async fn append(&mut self, node: &Node, volume: &Volume) {
        let place = place(volume);
        let (file, write) = match volume.kind {
            Kind::Block => {
                self.files.resize(1, 0);
                let write = format!(
                    "echo \"$line\" | dd of={place} bs=4096 count=1 seek=${{line#* }} conv=sync,notrunc,fsync 2>/dev/null"
                );
                (0, write)
            }
            Kind::FileSystem(_) => {
                let file = self.files.len();
                self.files.push(0);
                let name = format!("{place}/file-{file}");
                (
                    file,
                    format!("echo \"$line\" >>{name} && sync {name} {place}"),
                )
            }
        };
        let program =
            format!("sh -c 'while read -r line; do {write} && echo ok || exit 1; done' 2>&1");
        let mut dialogue = node.shell().talk(&program).await.unwrap();
        loop {
            let line = format!("{} {}", volume.id, self.files[file]);
            match answer_or_cut(volume, &mut dialogue, &line).await {
                Some(answer) => assert_eq!(answer, "ok", "{line}"),
                None => return,
            }
            self.files[file] += 1;
        }
    }

    /// Commits row after row to the volume's database, until the disk stands still.
    pub(crate) async fn commit(&mut self, node: &Node, volume: &Volume, journal: Journal) {
        let program = format!("sqlite3 -batch {}/database 2>&1", place(volume));
        let mut dialogue = node.shell().talk(&program).await.unwrap();
        let pragmas = journal.pragmas();
        let Some(mode) = answer_or_cut(volume, &mut dialogue, pragmas).await else {
            return;
        };
        assert!(matches!(mode.as_str(), "wal" | "delete"), "{mode}");
        let table = "CREATE TABLE IF NOT EXISTS rows(number INTEGER PRIMARY KEY, volume TEXT, filler BLOB); SELECT 'ok';";
        let Some(created) = answer_or_cut(volume, &mut dialogue, table).await else {
            return;
        };
        assert_eq!(created, "ok");
        loop {
            let row = format!(
                "INSERT OR REPLACE INTO rows VALUES({}, '{}', randomblob({FILLER})); SELECT 'ok';",
                self.rows, volume.id
            );
            match answer_or_cut(volume, &mut dialogue, &row).await {
                Some(answer) => assert_eq!(answer, "ok", "{row}"),
                None => return,
            }
            self.rows += 1;
        }
    }

    /// Looks whether all of it is there.
    pub(crate) async fn check(&self, node: &Node, volume: &Volume) {
        let place = place(volume);
        for (file, count) in self.files.iter().enumerate() {
            let read = match volume.kind {
                Kind::Block => {
                    format!("dd if={place} bs=4096 count={count} 2>/dev/null | tr -d '\\0'")
                }
                // A file of which nothing was acknowledged need not be there.
                Kind::FileSystem(_) => {
                    format!("[ ! -e {place}/file-{file} ] || head -n {count} {place}/file-{file}")
                }
            };
            let found = node.shell().run(&read).await.unwrap();
            let found: Vec<&str> = found.lines().collect();
            let wanted: Vec<String> = (0..*count)
                .map(|line| format!("{} {line}", volume.id))
                .collect();
            assert_eq!(
                found,
                wanted,
                "file {file} of {} ({})",
                volume.id,
                volume.kind.name()
            );
        }
        if self.rows > 0 {
            let ask = format!(
                "sqlite3 -batch {place}/database \"PRAGMA integrity_check; SELECT count(*) FROM rows WHERE number < {} AND volume = '{}' AND length(filler) = {FILLER};\"",
                self.rows, volume.id
            );
            let found = node.shell().run(&ask).await.unwrap();
            assert_eq!(
                found,
                format!("ok\n{}", self.rows),
                "database of {} ({})",
                volume.id,
                volume.kind.name()
            );
        }
    }
}

/// What the guest's program answers, or nothing if the disk stands still.
async fn answer_or_cut(volume: &Volume, dialogue: &mut Dialogue, line: &str) -> Option<String> {
    tokio::select! {
        biased;
        answer = dialogue.say(line) => Some(answer.unwrap()),
        () = volume.disk.stopped() => None,
    }
}
