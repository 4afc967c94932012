//! Books and stances of every kind, also those that no fleet should come to.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Row {
    owner: Option<usize>,
    asker: Option<usize>,
    pin: Option<usize>,
    kind: Kind,
    age_secs: u64,
    stance: Stance,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Ours,
    Java,
    GivenBack,
    HandedOver,
    Finished,
}

fn any_row() -> impl Strategy<Value = Row> {
    let worker = || option::of(0..5_usize);
    let kinds = [Kind::Ours, Kind::Ours, Kind::Java, Kind::GivenBack, Kind::HandedOver, Kind::Finished];
    let stances = [Stance::Open, Stance::Mine, Stance::LeftOver, Stance::IfFree, Stance::Failed, Stance::Off];
    let kind = prop::sample::select(kinds.to_vec());
    let stance = prop_oneof![2 => Just(Stance::Open), 1 => prop::sample::select(stances.to_vec())];
    (worker(), worker(), worker(), kind, 0..60_u64, stance).prop_map(
        |(owner, asker, pin, kind, age_secs, stance)| Row { owner, asker, pin, kind, age_secs, stance },
    )
}

fn lease_of(number: usize, row: &Row) -> Lease {
    let checkpoint =
        if let Kind::Finished = row.kind { Checkpoint::ShardEnd } else { Checkpoint::TrimHorizon };
    let mut lease = Lease::unowned(shard(number), checkpoint, Vec::new());
    if let Some(owner) = row.owner {
        lease = lease.after(&LeaseChange::Take { by: worker(owner) });
    }
    lease = lease.with_request(row.asker.map(worker).as_ref()).with_pin(row.pin.map(worker).as_ref());
    match (row.kind, row.asker) {
        (Kind::Java, _) => Lease { hand_over_owner: None, ..lease },
        (Kind::GivenBack, _) => lease.after(&LeaseChange::Release),
        (Kind::HandedOver, Some(asker)) => {
            lease.after(&LeaseChange::HandOver { to: worker(asker), checkpoint: None })
        }
        _ => lease,
    }
}

proptest! {
    #[test]
    fn every_book_has_a_plan_that_wants_nothing_twice_and_keeps_the_limit(
        rows in vec(any_row(), 0..25),
        me in 0..5_usize,
        leases_max in prop_oneof![0..12_usize, Just(usize::MAX)],
        is_introduced: bool,
    ) {
        let mut book = LeaseBook::new(Duration::from_secs(10));
        for (number, row) in rows.iter().enumerate() {
            book.observe(lease_of(number, row), at(100 - row.age_secs));
        }
        let stances: BTreeMap<ShardKey, Stance> =
            rows.iter().enumerate().map(|(number, row)| (shard(number), row.stance)).collect();
        let (me, stance) = (worker(me), |lease: &Lease| stances[&lease.shard]);
        let situation =
            Situation { is_introduced, leases_max, stance: &stance, ..situation(&book, &me) };
        let fleet = Fleet::of(&situation);
        let due = due_leases(&situation);
        let wanted: BTreeSet<&ShardKey> = due.take.iter().chain(&due.ask).collect();
        prop_assert_eq!(wanted.len(), due.take.len() + due.ask.len(), "{:?}", due);
        let gained = wanted.iter().filter(|shard| stances[**shard] != Stance::LeftOver).count();
        prop_assert!(gained == 0 || fleet.count(&me) + gained <= leases_max, "{:?}", due);
    }
}
