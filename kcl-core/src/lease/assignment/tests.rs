mod hostile;
mod pins;
mod properties;

use super::*;
use crate::lease::LeaseChange;
use crate::model::{Checkpoint, ShardId, StreamId};

const UNCLAIMED_AFTER: Duration = Duration::from_secs(20);
const REQUEST_LIFETIME: Duration = Duration::from_secs(40);
const NOW: MonotonicTime = MonotonicTime::from_start(Duration::from_secs(100));

fn at(secs: u64) -> MonotonicTime {
    MonotonicTime::from_start(Duration::from_secs(secs))
}

fn worker(number: usize) -> WorkerId {
    WorkerId::new(format!("worker-{number}")).unwrap()
}

fn shard(number: usize) -> ShardKey {
    ShardKey::new(StreamId::named("s").unwrap(), ShardId::new(format!("shardId-{number:012}")))
}

/// A book in which lease `i` belongs to worker `owners[i]`, or to nobody.
fn book(owners: &[Option<usize>]) -> LeaseBook {
    let mut book = LeaseBook::new(Duration::from_secs(10));
    for (index, owner) in owners.iter().enumerate() {
        let mut lease = Lease::unowned(shard(index), Checkpoint::TrimHorizon, Vec::new());
        if let Some(owner) = owner {
            lease = lease.after(&LeaseChange::Take { by: worker(*owner) });
        }
        book.observe(lease, NOW);
    }
    book
}

/// What a worker decides from, with everything usual.
fn situation<'a>(book: &'a LeaseBook, me: &'a WorkerId) -> Situation<'a> {
    Situation {
        book,
        me,
        stance: &|_| Stance::Open,
        is_introduced: true,
        leases_max: usize::MAX,
        unclaimed_after: UNCLAIMED_AFTER,
        request_lifetime: REQUEST_LIFETIME,
        now: NOW,
    }
}

fn due(book: &LeaseBook, me: usize) -> Due {
    due_leases(&situation(book, &worker(me)))
}

fn with_stance(book: &LeaseBook, me: usize, stance: Stance) -> Due {
    due_leases(&Situation { stance: &|_| stance, ..situation(book, &worker(me)) })
}

fn change(book: &mut LeaseBook, shard: &ShardKey, change: &LeaseChange, now: MonotonicTime) {
    let row = book.get(shard).unwrap().after(change);
    book.observe(row, now);
}

fn apply_takes(book: &mut LeaseBook, me: usize, shards: &[ShardKey]) {
    for shard in shards {
        change(book, shard, &LeaseChange::Take { by: worker(me) }, NOW);
    }
}

fn ask(book: &mut LeaseBook, me: usize, shard: &ShardKey) {
    let row = book.get(shard).unwrap().with_request(Some(&worker(me)));
    book.observe(row, NOW);
}

fn pin(book: &mut LeaseBook, shard: &ShardKey, to: usize) {
    let row = book.get(shard).unwrap().with_pin(Some(&worker(to)));
    book.observe(row, NOW);
}

/// The owners do what they are asked.
fn hand_over_all(book: &mut LeaseBook) {
    let asked: Vec<Lease> = book.leases().filter(|lease| lease.request.is_some()).cloned().collect();
    for lease in asked {
        let by = lease.request.unwrap().by;
        change(book, &lease.shard, &LeaseChange::Take { by }, NOW);
    }
}

fn shares(book: &LeaseBook, workers: usize) -> Vec<usize> {
    (0..workers).map(|w| book.leases().filter(|lease| lease.is_owned_by(&worker(w))).count()).collect()
}

fn spread(shares: &[usize]) -> usize {
    shares.iter().max().unwrap() - shares.iter().min().unwrap()
}

#[test]
fn a_worker_alone_takes_everything_in_one_pass() {
    assert_eq!(due(&book(&[None; 40]), 0).take.len(), 40);
}

#[test]
fn a_newcomer_asks_for_its_whole_share_in_one_pass() {
    let book = book(&[Some(1); 40]);
    let due = due(&book, 0);
    assert_eq!((due.take.len(), due.ask.len()), (0, 20));
}

#[test]
fn an_owner_that_answers_no_request_is_taken_from() {
    let mut book = book(&[Some(1); 4]);
    for number in 0..4 {
        let java = Lease { hand_over_owner: Some(worker(0)), ..book.get(&shard(number)).unwrap().clone() };
        book.observe(java, NOW);
    }
    let due = due(&book, 0);
    assert_eq!((due.take.len(), due.ask.len()), (2, 0));
}

#[test]
fn a_worker_that_nobody_knows_begins_with_one_lease() {
    let (free, owned) = (book(&[None; 40]), book(&[Some(1); 40]));
    let me = worker(0);
    let unknown = |book| due_leases(&Situation { is_introduced: false, ..situation(book, &me) });
    assert_eq!((unknown(&free).take.len(), unknown(&free).ask.len()), (1, 0));
    assert_eq!((unknown(&owned).take.len(), unknown(&owned).ask.len()), (0, 1));
    let first = unknown(&free).take;
    let stance = |lease: &Lease| if first.contains(&lease.shard) { Stance::Mine } else { Stance::Open };
    let waiting = due_leases(&Situation { is_introduced: false, stance: &stance, ..situation(&free, &me) });
    assert_eq!(waiting, Due::default(), "until the others know it");
}

#[test]
fn those_who_come_together_begin_with_different_leases() {
    let book = book(&[None; 100]);
    let first = |me| {
        let me = worker(me);
        due_leases(&Situation { is_introduced: false, ..situation(&book, &me) }).take.remove(0)
    };
    let firsts: BTreeSet<ShardKey> = (0..10).map(first).collect();
    assert!(firsts.len() >= 8, "{firsts:?}");
}

#[test]
fn a_lease_that_is_asked_for_counts_for_the_worker_that_asks() {
    let mut book = book(&[Some(1); 4]);
    ask(&mut book, 2, &shard(0));
    ask(&mut book, 2, &shard(1));
    assert_eq!(due(&book, 2).ask.len(), 0, "worker 2 has its half, as far as anybody knows");
    assert_eq!(due(&book, 0).ask.len(), 1, "4 leases, 3 workers, one of which has none");
    assert!(!due(&book, 0).ask.contains(&shard(0)) && !due(&book, 0).ask.contains(&shard(1)));
}

#[test]
fn a_lease_that_was_handed_over_and_not_taken_up_is_left_alone() {
    let mut book = book(&[Some(1); 2]);
    ask(&mut book, 2, &shard(0));
    ask(&mut book, 2, &shard(1));
    for number in 0..2 {
        let hand_over = LeaseChange::HandOver { to: worker(2), checkpoint: None };
        change(&mut book, &shard(number), &hand_over, NOW);
    }
    assert_eq!(due(&book, 0), Due::default());
    let me = worker(0);
    assert_eq!(due_leases(&Situation { now: at(111), ..situation(&book, &me) }).take.len(), 2);
}

#[test]
fn a_request_that_is_too_old_was_made_by_a_worker_that_has_gone() {
    let mut book = book(&[Some(1); 4]);
    ask(&mut book, 2, &shard(0));
    let later = at(100 + REQUEST_LIFETIME.as_secs() + 1);
    for number in 0..4 {
        change(&mut book, &shard(number), &LeaseChange::Renew, later);
    }
    let me = worker(0);
    let due = due_leases(&Situation { now: later, ..situation(&book, &me) });
    assert_eq!(due.ask.len(), 2);
}

#[test]
fn what_was_asked_of_an_owner_that_has_gone_says_nothing() {
    let mut book = book(&[Some(1); 4]);
    ask(&mut book, 2, &shard(0));
    let java = Lease { owner: Some(worker(3)), ..book.get(&shard(0)).unwrap().clone() };
    book.observe(java, NOW);
    let due = due(&book, 0);
    assert_eq!(due.take.len() + due.ask.len(), 1, "three workers share four leases");
}

#[test]
fn a_worker_that_gives_its_leases_back_takes_no_share() {
    let mut book = book(&[Some(0), Some(0), Some(1), Some(1), Some(2), Some(2)]);
    change(&mut book, &shard(4), &LeaseChange::Release, NOW);
    let wanted: Vec<usize> = (0..2).map(|me| due(&book, me).take.len()).collect();
    assert_eq!(wanted.iter().sum::<usize>(), 1, "worker 2 is still busy with its other lease");
    assert!((0..2).all(|me| due(&book, me).ask.is_empty()), "it will give that back by itself");
}

#[test]
fn an_expired_lease_is_free_and_its_owner_does_not_count() {
    let book = book(&[Some(1), Some(1), Some(1)]);
    let me = worker(0);
    assert_eq!(due_leases(&Situation { now: at(200), ..situation(&book, &me) }).take.len(), 3);
}

#[test]
fn what_has_expired_is_not_left_to_a_worker_that_has_just_come() {
    let mut book = book(&[Some(1), Some(1), Some(0), Some(0)]);
    for (number, time) in [(2, 105), (3, 105), (2, 110), (3, 110)] {
        change(&mut book, &shard(number), &LeaseChange::Renew, at(time));
    }
    let newcomer = book.get(&shard(3)).unwrap().with_request(Some(&worker(2)));
    book.observe(newcomer, at(109));
    let me = worker(0);
    let due = due_leases(&Situation { now: at(112), ..situation(&book, &me) });
    assert_eq!(due.take.len(), 2, "worker 1 has gone, and worker 2 does not know it");
    assert!(due.ask.is_empty());
}

#[test]
fn what_is_free_is_not_left_to_a_worker_that_has_fallen_silent() {
    let mut book = book(&[None, None, Some(0), Some(1)]);
    let mut rows: Vec<Lease> = book.leases().cloned().collect();
    rows[2] = rows[2].after(&LeaseChange::Renew);
    book.observe_scan(rows, at(108));
    let me = worker(0);
    let due = due_leases(&Situation { now: at(108), ..situation(&book, &me) });
    assert_eq!(due.take.len(), 2, "worker 1 has not renewed for 8 of 10 s");
}

#[test]
fn what_is_free_is_not_left_to_java() {
    let mut book = book(&[None, None, Some(0), Some(1)]);
    let java = Lease { hand_over_owner: None, ..book.get(&shard(3)).unwrap().clone() };
    book.observe(java, NOW);
    assert_eq!(due(&book, 0).take.len(), 2);
}

#[test]
fn only_what_may_be_consumed_comes_free() {
    let mut book = book(&[Some(0), Some(1)]);
    book.observe(Lease::unowned(shard(2), Checkpoint::TrimHorizon, vec![shard(0).shard_id]), NOW);
    let two_secs = Duration::from_secs(2);
    assert!(!has_just_come_free(&book, two_secs, NOW), "the child waits for its parent");
    change(&mut book, &shard(1), &LeaseChange::Release, at(105));
    assert!(has_just_come_free(&book, two_secs, at(106)));
    assert!(!has_just_come_free(&book, two_secs, at(107)), "nobody wants it");
    let children = vec![shard(2).shard_id];
    let end = LeaseChange::Checkpoint { checkpoint: Checkpoint::ShardEnd, children };
    change(&mut book, &shard(0), &end, at(108));
    assert!(has_just_come_free(&book, two_secs, at(109)), "the parent has ended");
    assert!(!has_just_come_free(&book, two_secs, at(110)));
}

#[test]
fn owners_are_asked_by_turns() {
    let many: Vec<Option<usize>> = [vec![Some(1); 30], vec![Some(2); 30]].concat();
    let book = book(&many);
    let asks = due(&book, 0).ask;
    let owner = |shard: &ShardKey| book.get(shard).unwrap().owner.clone().unwrap();
    assert_eq!([owner(&asks[0]), owner(&asks[1]), owner(&asks[2])], [worker(1), worker(2), worker(1)]);
}

#[test]
fn those_who_wait_for_expired_leases_share_them() {
    let mut book = book(&[Some(9); 4]);
    ask(&mut book, 0, &shard(0));
    ask(&mut book, 1, &shard(1));
    let me = worker(0);
    let due = due_leases(&Situation { now: at(111), ..situation(&book, &me) });
    assert_eq!(due.take.len(), 2, "two wait, and the book shows both: {due:?}");
}

#[test]
fn a_lease_that_may_not_start_is_left_alone() {
    assert_eq!(with_stance(&book(&[None, None]), 0, Stance::Off), Due::default());
    assert_eq!(with_stance(&book(&[Some(1); 2]), 0, Stance::Off), Due::default());
}

#[test]
fn a_shard_that_waits_for_its_parent_is_in_nobodys_share() {
    let mut book = book(&[Some(0), Some(1), Some(1)]);
    for number in 3..5 {
        let parents = vec![shard(0).shard_id];
        book.observe(Lease::unowned(shard(number), Checkpoint::TrimHorizon, parents), NOW);
    }
    assert_eq!(due(&book, 0), Due::default());
}

#[test]
fn a_lease_that_is_held_is_ours_whatever_a_stale_scan_says() {
    let book = book(&[Some(1), Some(1), Some(1), Some(1)]);
    let me = worker(0);
    let stance = |lease: &Lease| if lease.shard == shard(0) { Stance::Mine } else { Stance::Open };
    let due = due_leases(&Situation { stance: &stance, leases_max: 2, ..situation(&book, &me) });
    assert_eq!(due.ask.len(), 1);
    assert!(!due.ask.contains(&shard(0)));
}

#[test]
fn what_failed_here_is_not_taken_from_a_live_owner() {
    assert_eq!(with_stance(&book(&[Some(1); 4]), 0, Stance::IfFree), Due::default());
    assert_eq!(with_stance(&book(&[None; 4]), 0, Stance::IfFree).take.len(), 4);
}

#[test]
fn what_became_ours_without_our_knowing_is_taken_up() {
    assert_eq!(with_stance(&book(&[Some(0)]), 0, Stance::Open), Due::default());
    assert_eq!(with_stance(&book(&[Some(0)]), 0, Stance::LeftOver).take.len(), 1);
}

#[test]
fn what_nobody_claims_is_taken_beyond_a_fair_share() {
    let mut book = book(&[Some(1), Some(1), None, None, None, None, None, None, None, None]);
    let shards = due(&book, 0).take;
    assert_eq!(shards.len(), 5);
    apply_takes(&mut book, 0, &shards);
    assert_eq!(due(&book, 0), Due::default());
    let renewed: Vec<Lease> = book.leases().filter(|lease| lease.owner.is_some()).cloned().collect();
    for lease in renewed {
        book.observe(lease.after(&LeaseChange::Renew), at(119));
    }
    let me = worker(0);
    let later = |leases_max| due_leases(&Situation { now: at(120), leases_max, ..situation(&book, &me) });
    assert_eq!(later(usize::MAX).take.len(), 3);
    assert_eq!(later(6).take.len(), 1);
}
