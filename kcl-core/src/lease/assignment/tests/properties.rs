use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// The fewest leases that must leave their owners so that shares end at most one apart: over all ways to say who has the
/// remainder.
pub(super) fn fewest_moves(shares: &[usize], leases: usize) -> usize {
    let (share, remainder) = (leases / shares.len(), leases % shares.len());
    let ways = (0..1_u32 << shares.len()).filter(|way| way.count_ones() as usize == remainder);
    let moves = |way: u32| {
        let target = |rank: usize| share + usize::from(way & (1 << rank) != 0);
        shares.iter().enumerate().map(|(rank, held)| held.saturating_sub(target(rank))).sum()
    };
    ways.map(moves).min().unwrap()
}

proptest! {
    #[test]
    fn workers_that_know_each_other_are_balanced_after_one_round_and_the_fewest_moves(
        owners in vec(option::of(0..6_usize), 0..60),
    ) {
        let mut book = book(&owners);
        let before = shares(&book, 6);
        let workers: Vec<usize> = (0..6).filter(|worker| before[*worker] > 0).collect();
        prop_assume!(!workers.is_empty());
        let all_due: Vec<(usize, Due)> = workers.iter().map(|me| (*me, due(&book, *me))).collect();
        let moves: usize = all_due.iter().map(|(_, due)| due.ask.len()).sum();
        let held: Vec<usize> = workers.iter().map(|worker| before[*worker]).collect();
        prop_assert_eq!(moves, fewest_moves(&held, owners.len()));

        let mut wanted = BTreeSet::new();
        for (me, due) in &all_due {
            for shard in due.take.iter().chain(&due.ask) {
                prop_assert!(wanted.insert(shard.clone()), "{} is wanted twice", shard);
            }
            apply_takes(&mut book, *me, &due.take);
            apply_takes(&mut book, *me, &due.ask);
        }
        let after: Vec<usize> = workers.iter().map(|worker| shares(&book, 6)[*worker]).collect();
        prop_assert_eq!(after.iter().sum::<usize>(), owners.len());
        prop_assert!(spread(&after) <= 1, "{:?}", after);
        for me in workers {
            prop_assert_eq!(due(&book, me), Due::default(), "a balanced fleet moves nothing");
        }
    }

    #[test]
    fn newcomers_are_balanced_one_round_after_they_are_known_and_after_the_fewest_moves(
        owners in vec(0..3_usize, 1..60),
        newcomers in 1..8_usize,
    ) {
        let owners: Vec<Option<usize>> = owners.into_iter().map(Some).collect();
        let mut book = book(&owners);
        let before = shares(&book, 3 + newcomers);
        let mut moves = 0;
        for me in 3..3 + newcomers {
            let me_id = worker(me);
            let due = due_leases(&Situation { is_introduced: false, ..situation(&book, &me_id) });
            for shard in due.ask {
                ask(&mut book, me, &shard);
                moves += 1;
            }
        }
        let all: Vec<usize> = (0..3 + newcomers).filter(|worker| *worker >= 3 || before[*worker] > 0).collect();
        let round: Vec<(usize, Due)> = all.iter().map(|me| (*me, due(&book, *me))).collect();
        for (me, due) in round {
            for shard in due.ask {
                ask(&mut book, me, &shard);
                moves += 1;
            }
        }
        hand_over_all(&mut book);
        let share = |shares: &[usize]| all.iter().map(|worker| shares[*worker]).collect::<Vec<_>>();
        let after = share(&shares(&book, 3 + newcomers));
        prop_assert!(spread(&after) <= 1, "{:?}", after);
        prop_assert_eq!(moves, fewest_moves(&share(&before), owners.len()));
        for me in all {
            prop_assert_eq!(due(&book, me), Due::default());
        }
    }

    #[test]
    fn workers_that_act_on_their_own_old_books_settle_in_the_end(
        owners in vec(option::of(0..6_usize), 0..60),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let mut book = book(&owners);
        // Two rounds: before the first, workers without a lease are not in anybody's book.
        for _ in 0..2 {
            for me in &order {
                let due = due(&book, *me);
                apply_takes(&mut book, *me, &due.take);
                apply_takes(&mut book, *me, &due.ask);
            }
        }
        prop_assert!(spread(&shares(&book, 6)) <= 1, "{:?}", shares(&book, 6));
        for me in 0..6 {
            prop_assert_eq!(due(&book, me), Due::default());
        }
    }

    #[test]
    fn no_worker_takes_more_than_its_limit(
        owners in vec(option::of(0..3_usize), 0..30),
        leases_max in 1..10_usize,
    ) {
        let book = book(&owners);
        let me = worker(0);
        let due = due_leases(&Situation { leases_max, ..situation(&book, &me) });
        let wanted = due.take.len() + due.ask.len();
        prop_assert!(wanted == 0 || shares(&book, 1)[0] + wanted <= leases_max);
    }

    #[test]
    fn what_failed_here_is_replaced_by_another_lease_of_the_same_owner(
        owners in vec(1..5_usize, 1..59),
        failures in vec(any::<bool>(), 60),
    ) {
        // The others know worker 0 by its first lease.
        let owners: Vec<Option<usize>> = std::iter::once(0).chain(owners).map(Some).collect();
        let book = book(&owners);
        let me = worker(0);
        let failed: BTreeSet<ShardKey> = (0..60).filter(|index| failures[*index]).map(shard).collect();
        let stance = |lease: &Lease| {
            if failed.contains(&lease.shard) { Stance::Failed } else { Stance::Open }
        };
        let usual = due(&book, 0).ask;
        let of_others: BTreeSet<ShardKey> =
            (1..5).filter(|other| shares(&book, 5)[*other] > 0).flat_map(|other| due(&book, other).ask).collect();
        let asked = due_leases(&Situation { stance: &stance, ..situation(&book, &me) }).ask;
        prop_assert!(asked.iter().all(|shard| !failed.contains(shard) && !of_others.contains(shard)));
        prop_assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len());
        for owner in 1..5 {
            let is_of = |shard: &ShardKey| book.get(shard).unwrap().is_owned_by(&worker(owner));
            let count = |asks: &[ShardKey]| asks.iter().filter(|shard| is_of(shard)).count();
            let may_move = |shard: &ShardKey| is_of(shard) && !failed.contains(shard) && !of_others.contains(shard);
            let movable = book.leases().filter(|lease| may_move(&lease.shard)).count();
            prop_assert_eq!(count(&asked), count(&usual).min(movable));
        }
    }
}
