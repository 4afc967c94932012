use std::fmt;
use std::time::Duration;

use kcl_core::lease::Lease;
use kcl_core::model::WorkerId;

use super::list::unfinished_parents;

/// Everything that was seen of a shard.
pub(super) struct Findings<'a> {
    /// The shard's name, as it was asked for.
    pub(super) shard: &'a str,
    /// Its row, and the same a while later.
    pub(super) before: Option<Lease>,
    pub(super) after: Option<Lease>,
    /// How much later.
    pub(super) watched_for: Duration,
    /// All rows, at the end.
    pub(super) rows: &'a [Lease],
    /// True if the stream lists the shard.
    pub(super) is_listed: bool,
    /// What the stream has behind the checkpoint; `None` where that cannot be told.
    pub(super) backlog: Option<Backlog>,
}

/// What is in the stream behind a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backlog {
    /// Nothing: the reader is at the tip.
    Empty,
    /// At least one record, which arrived this long ago.
    Since(Duration),
    /// The stream no longer has the record of the checkpoint, and has later ones: those between may be lost.
    Trimmed,
}

/// Why a shard moves, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Diagnosis {
    /// Neither the table nor the stream knows it.
    Unknown,
    /// The stream has it, and no worker has made its row.
    NoRow,
    /// It is processed to its end.
    Finished,
    /// It may not start before its parents are finished; these are not.
    WaitsForParents(Vec<Lease>),
    /// Nobody owns it.
    Free,
    /// It was handed to a worker that has not taken it up.
    NotTakenUp(WorkerId),
    /// The owner writes nothing any more.
    OwnerSilent(WorkerId),
    /// The owner was asked for it.
    AskedFor { owner: WorkerId, by: WorkerId },
    /// It moves.
    Moves(WorkerId),
    /// The owner is alive, and there is nothing to do.
    AtTheTip(WorkerId),
    /// The owner is alive, and records wait.
    Stands { owner: WorkerId, backlog: Option<Backlog> },
}

impl Diagnosis {
    pub(super) fn of(findings: &Findings<'_>) -> Self {
        let Some(row) = &findings.after else {
            return if findings.is_listed { Self::NoRow } else { Self::Unknown };
        };
        if row.is_finished() {
            return Self::Finished;
        }
        let parents = unfinished_parents(row, findings.rows);
        if !parents.is_empty() {
            return Self::WaitsForParents(parents.into_iter().cloned().collect());
        }
        let Some(owner) = row.owner.clone() else { return Self::Free };
        let has_moved = |moved: fn(&Lease, &Lease) -> bool| {
            findings.before.as_ref().is_none_or(|before| moved(before, row))
        };
        if row.is_handed_over() {
            return Self::NotTakenUp(owner);
        }
        if !has_moved(|before, row| before.counter != row.counter || before.owner != row.owner) {
            return Self::OwnerSilent(owner);
        }
        if let Some(by) = row.requested_by().cloned() {
            return Self::AskedFor { owner, by };
        }
        if has_moved(|before, row| before.checkpoint != row.checkpoint) {
            return Self::Moves(owner);
        }
        match findings.backlog {
            Some(Backlog::Empty) => Self::AtTheTip(owner),
            backlog => Self::Stands { owner, backlog },
        }
    }

    /// For programs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NoRow => "no-row",
            Self::Finished => "finished",
            Self::WaitsForParents(_) => "waits-for-parents",
            Self::Free => "free",
            Self::NotTakenUp(_) => "not-taken-up",
            Self::OwnerSilent(_) => "owner-silent",
            Self::AskedFor { .. } => "asked-for",
            Self::Moves(_) => "moves",
            Self::AtTheTip(_) => "at-the-tip",
            Self::Stands { .. } => "stands",
        }
    }

    /// What can be done about it, if anything need be.
    pub(super) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Unknown => {
                Some("`leases list` shows the shards that have rows; is it the right stream and table?")
            }
            Self::NoRow => Some(
                "A worker makes the rows of new shards every minute by default (shard_sync_interval_ms). Is one running?",
            ),
            Self::WaitsForParents(_) => Some("Ask `leases explain` about the parent."),
            Self::Free => Some(
                "A worker takes a free lease at its next look at the table. If it stays free: no worker runs, all have as \
                 many leases as they may (max_leases), or all have failed to read this shard and their logs say why.",
            ),
            Self::NotTakenUp(_) => {
                Some("It takes it up at once, or the lease expires after the failover time.")
            }
            Self::OwnerSilent(_) => Some(
                "It has gone, or cannot reach the table. After the failover time any other worker takes the shard; if none \
                 does, none is running.",
            ),
            Self::Stands { backlog: Some(Backlog::Trimmed), .. } => Some(
                "Records that followed it and left the stream, too, are lost. The owner goes on at the oldest that is left.",
            ),
            Self::Stands { .. } => Some(
                "Its processor fails, hangs or is slow: the owner's log and its /status say which. `leases release` has \
                 another worker try.",
            ),
            Self::Finished | Self::AskedFor { .. } | Self::Moves(_) | Self::AtTheTip(_) => None,
        }
    }
}

/// One sentence: the reason, in words.
pub(super) struct Reason<'a>(pub(super) &'a Diagnosis, pub(super) &'a Findings<'a>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(diagnosis, Findings { shard, after, watched_for, .. }) = self;
        let checkpoint = after.as_ref().map(|row| row.checkpoint.to_string()).unwrap_or_default();
        match diagnosis {
            Diagnosis::Unknown => write!(f, "{shard}: neither the lease table nor the stream knows it."),
            Diagnosis::NoRow => write!(f, "{shard} is in the stream, and has no row in the lease table."),
            Diagnosis::Finished => write!(f, "{shard} is closed, and processed to its end."),
            Diagnosis::WaitsForParents(parents) => {
                write!(f, "{shard} may not start before its parents are finished:")?;
                parents.iter().try_for_each(|parent| {
                    let owner = parent.owner.as_ref().map_or("nobody", WorkerId::as_str);
                    write!(f, " {} is at {}, and {owner} owns it.", parent.shard.shard_id, parent.checkpoint)
                })
            }
            Diagnosis::Free => write!(f, "{shard} is at {checkpoint}, and nobody owns it."),
            Diagnosis::NotTakenUp(owner) => {
                write!(f, "{shard} was handed to {owner}, which has not taken it up.")
            }
            Diagnosis::OwnerSilent(owner) => {
                write!(f, "{shard} belongs to {owner}, which has written nothing for {watched_for:?}.")
            }
            Diagnosis::AskedFor { owner, by } => {
                write!(
                    f,
                    "{by} has asked {owner} for {shard}, which is at {checkpoint}: it moves when the batch in hand is done."
                )
            }
            Diagnosis::Moves(owner) => write!(f, "{owner} processes {shard}, and is at {checkpoint}."),
            Diagnosis::AtTheTip(owner) => {
                write!(
                    f,
                    "{owner} processes {shard}: it is at {checkpoint}, and nothing follows in the stream."
                )
            }
            Diagnosis::Stands { owner, backlog } => {
                write!(f, "{owner} is alive, and {shard} has stood at {checkpoint} for {watched_for:?}: ")?;
                match backlog {
                    Some(Backlog::Since(age)) => write!(f, "the next record arrived {age:.0?} ago."),
                    Some(Backlog::Trimmed) => f.write_str(
                        "the stream no longer has the record of its checkpoint, and has later ones.",
                    ),
                    _ => f.write_str("what follows in the stream cannot be told."),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kcl_core::lease::LeaseChange;
    use kcl_core::model::{Checkpoint, ShardId, ShardKey, StreamId};

    use super::*;

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name).unwrap()
    }

    fn row(shard: &str) -> Lease {
        let key = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new(shard));
        Lease::unowned(key, Checkpoint::TrimHorizon, Vec::new())
    }

    fn owned() -> Lease {
        row("s").after(&LeaseChange::Take { by: worker("ada") })
    }

    fn diagnose(
        before: Option<Lease>,
        after: Option<Lease>,
        rows: &[Lease],
        backlog: Option<Backlog>,
    ) -> Diagnosis {
        let watched_for = Duration::from_secs(12);
        let findings = Findings { shard: "s", before, after, watched_for, rows, is_listed: false, backlog };
        let diagnosis = Diagnosis::of(&findings);
        assert!(Reason(&diagnosis, &findings).to_string().contains('s'));
        diagnosis
    }

    fn between(before: &Lease, after: &Lease, backlog: Option<Backlog>) -> Diagnosis {
        diagnose(Some(before.clone()), Some(after.clone()), &[], backlog)
    }

    #[test]
    fn a_child_waits_for_its_parent() {
        let child = Lease { parents: vec![ShardId::new("p")], ..row("s") };
        let parent = row("p");
        let rows = [child.clone(), parent.clone()];
        let diagnosis = diagnose(Some(child.clone()), Some(child.clone()), &rows, None);
        assert_eq!(diagnosis, Diagnosis::WaitsForParents(vec![parent.clone()]));
        let end = LeaseChange::Checkpoint { checkpoint: Checkpoint::ShardEnd, children: Vec::new() };
        let rows = [child.clone(), parent.after(&end)];
        assert_eq!(diagnose(Some(child.clone()), Some(child), &rows, None), Diagnosis::Free);
    }

    #[test]
    fn an_owner_that_writes_nothing_is_silent_whatever_the_stream_has() {
        for backlog in [None, Some(Backlog::Empty), Some(Backlog::Since(Duration::ZERO))] {
            assert_eq!(between(&owned(), &owned(), backlog), Diagnosis::OwnerSilent(worker("ada")));
        }
    }

    #[test]
    fn an_owner_that_only_renews_stands_if_records_wait() {
        let renewed = owned().after(&LeaseChange::Renew);
        let waiting = Some(Backlog::Since(Duration::from_secs(60)));
        let stands = Diagnosis::Stands { owner: worker("ada"), backlog: waiting };
        assert_eq!(between(&owned(), &renewed, waiting), stands);
        assert_eq!(between(&owned(), &renewed, Some(Backlog::Empty)), Diagnosis::AtTheTip(worker("ada")));
    }

    #[test]
    fn an_owner_that_commits_moves() {
        let checkpoint = LeaseChange::Checkpoint { checkpoint: Checkpoint::Latest, children: Vec::new() };
        let moved = between(&owned(), &owned().after(&checkpoint), Some(Backlog::Trimmed));
        assert_eq!(moved, Diagnosis::Moves(worker("ada")));
    }

    #[test]
    fn a_request_is_named_and_so_is_a_hand_over() {
        let asked = owned().with_request(Some(&worker("bob")));
        let renewed = asked.after(&LeaseChange::Renew);
        let by = Diagnosis::AskedFor { owner: worker("ada"), by: worker("bob") };
        assert_eq!(between(&asked, &renewed, None), by);
        let handed = renewed.after(&LeaseChange::HandOver { to: worker("bob"), checkpoint: None });
        assert_eq!(between(&asked, &handed, None), Diagnosis::NotTakenUp(worker("bob")));
    }

    #[test]
    fn what_the_table_does_not_know_the_stream_may() {
        assert_eq!(diagnose(None, None, &[], None), Diagnosis::Unknown);
        let findings = Findings {
            shard: "s",
            before: None,
            after: None,
            watched_for: Duration::ZERO,
            rows: &[],
            is_listed: true,
            backlog: None,
        };
        assert_eq!(Diagnosis::of(&findings), Diagnosis::NoRow);
    }
}
