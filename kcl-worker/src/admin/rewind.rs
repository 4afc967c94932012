use std::cell::Cell;
use std::pin::pin;

use futures_util::{StreamExt, stream};
use kcl_core::lease::{Conditional, LeaseChange};
use kcl_core::model::{Checkpoint, RecordPosition, SequenceNumber, Shard, ShardKey, Timestamp};

use super::hand_over::{HandOver, Hold};
use super::locate::{locate, locate_record};
use super::print;
use super::rewind_plan::{FirstSince, RewindTo, Step, in_order};
use super::target::Target;
use crate::Failure;
use crate::cli::{ActArgs, RewindArgs};
use crate::progress::with_progress;

/// Shards in which a place is looked for at once: each has limits of its own, and a page is at most 10 MB.
const SHARDS_IN_FLIGHT_MAX: usize = 16;

/// Moves the position of a shard, or of all.
pub(super) async fn rewind(target: &Target, args: &RewindArgs) -> Result<(), Failure> {
    let to = rewind_to(args)?;
    let looked_at = Cell::new(0_usize);
    let looking = || format!("looking for places in the stream: {} shards done", looked_at.get());
    let steps = with_progress(looking, target.unless_stopped(plan(target, args, &to, &looked_at))).await?;
    for step in &steps {
        print(&describe(step, args.act))?;
    }
    if !args.act.apply {
        return print(&format!("{} shards; nothing is written without --apply\n", steps.len()));
    }
    let written = Cell::new(0_usize);
    let writing = || {
        let next = steps.get(written.get()).map(|step| format!(", waiting for {}", step.shard.shard_id));
        format!("{} of {} rows written{}", written.get(), steps.len(), next.unwrap_or_default())
    };
    with_progress(writing, apply_all(target, args, &steps, &written)).await
}

async fn apply_all(
    target: &Target,
    args: &RewindArgs,
    steps: &[Step],
    written: &Cell<usize>,
) -> Result<(), Failure> {
    let hand_over = HandOver::new(target, args.act)?;
    for (number, step) in (1..).zip(steps) {
        apply(target, &hand_over, step).await?;
        written.set(number);
        print(&format!(
            "{number} of {}: {} is at {}, and free\n",
            steps.len(),
            step.shard.shard_id,
            step.checkpoint
        ))?;
    }
    Ok(())
}

fn rewind_to(args: &RewindArgs) -> Result<RewindTo, Failure> {
    let text = args.to.as_str();
    match text {
        "trim-horizon" => return Ok(RewindTo::TrimHorizon),
        "latest" => return Ok(RewindTo::Latest),
        _ => {}
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(RewindTo::Time(Timestamp::from_millis(time.as_millisecond())));
    }
    let (number, user_record) =
        text.split_once('/').map_or((text, None), |(number, sub)| (number, Some(sub)));
    let parsed = (number.parse::<SequenceNumber>(), user_record.map(str::parse).transpose());
    let (Ok(number), Ok(user_record)) = parsed else {
        let accepted = "trim-horizon, latest, a time such as 2026-01-31T12:00:00Z, or a sequence number";
        return Err(Failure::usage(format!("--to is '{text}'; use {accepted}")));
    };
    if args.all {
        return Err(Failure::usage(
            "--to with a sequence number is for one shard: each has numbers of its own",
        ));
    }
    Ok(RewindTo::After(number, user_record))
}

/// What is written, parents first.
async fn plan(
    target: &Target,
    args: &RewindArgs,
    to: &RewindTo,
    looked_at: &Cell<usize>,
) -> Result<Vec<Step>, Failure> {
    let rows = target.rows().await?;
    let mut shards = target.shards().await?;
    if let Some(name) = &args.shard {
        shards.retain(|shard| shard.shard_id.as_str() == name);
        if shards.is_empty() {
            return Err(Failure::runtime(format!("the stream does not list a shard '{name}'")));
        }
    }
    let mut steps = Vec::new();
    let placed = stream::iter(in_order(shards)).map(async |shard| (place(target, &shard, to).await, shard));
    let mut placed = pin!(placed.buffered(SHARDS_IN_FLIGHT_MAX));
    while let Some((checkpoint, shard)) = placed.next().await {
        let checkpoint = checkpoint?;
        looked_at.set(looked_at.get() + 1);
        let row = rows.iter().find(|row| row.shard.shard_id == shard.shard_id).cloned();
        // What is finished, and was forgotten, need not be made again.
        let is_needless = row.is_none() && checkpoint == Checkpoint::ShardEnd;
        let is_there = row.as_ref().is_some_and(|row| row.checkpoint == checkpoint);
        if !is_needless && !is_there {
            steps.push(Step { shard, row, checkpoint });
        }
    }
    Ok(steps)
}

async fn place(target: &Target, shard: &Shard, to: &RewindTo) -> Result<Checkpoint, Failure> {
    let kinesis = &*target.ports.kinesis;
    let key = ShardKey::new(target.stream.clone(), shard.shard_id.clone());
    let first = match to {
        RewindTo::TrimHorizon => FirstSince::All,
        RewindTo::Latest => locate(kinesis, shard, &key, None).await?,
        RewindTo::Time(time) => locate(kinesis, shard, &key, Some(*time)).await?,
        RewindTo::After(number, sub_sequence_number) => {
            match (locate_record(kinesis, shard, &key, number).await?, *sub_sequence_number) {
                (FirstSince::After(end), Some(sub_sequence_number)) => {
                    FirstSince::After(RecordPosition { sub_sequence_number, ..end })
                }
                (end, _) => end,
            }
        }
    };
    Ok(first.checkpoint())
}

fn describe(step: &Step, act: ActArgs) -> String {
    let Step { shard: Shard { shard_id, .. }, row, checkpoint } = step;
    let Some(row) = row else {
        return format!("{shard_id}: its row is made anew, at {checkpoint}\n");
    };
    let first = match (Hold::of(row), &row.owner) {
        (Hold::Answers, Some(owner)) => format!("{owner} is asked for it; then "),
        (Hold::Silent, Some(owner)) if act.take => format!("it is taken from {owner}; then "),
        (Hold::Silent, Some(owner)) => {
            format!("{owner} hands nothing over when it is asked, so this needs --take; then ")
        }
        _ => String::new(),
    };
    format!("{shard_id}: {first}from {} to {checkpoint}\n", row.checkpoint)
}

async fn apply(target: &Target, hand_over: &HandOver<'_>, step: &Step) -> Result<(), Failure> {
    let shard = ShardKey::new(target.stream.clone(), step.shard.shard_id.clone());
    if step.row.is_none() {
        let created =
            target.ports.leases.create(&step.new_row(shard.clone())).await.map_err(Failure::runtime)?;
        if matches!(created, Conditional::Applied(_)) {
            return Ok(());
        }
        // Made by a worker meanwhile.
    }
    let change = LeaseChange::Rewind { checkpoint: step.checkpoint.clone() };
    hand_over.make(&shard, &change).await.map(drop)
}
