use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::properties::fewest_moves;
use super::*;

/// A book like [`book`](super::book), in which leases are pinned.
fn pinned(owners: &[Option<usize>], pins: &[(usize, usize)]) -> LeaseBook {
    let mut book = book(owners);
    for (number, to) in pins {
        pin(&mut book, &shard(*number), *to);
    }
    book
}

/// All have renewed at `now`, and are seen to have.
fn renewed(book: &mut LeaseBook, now: MonotonicTime) {
    let owned: Vec<Lease> = book.leases().filter(|lease| lease.owner.is_some()).cloned().collect();
    for lease in owned {
        book.observe(lease.after(&LeaseChange::Renew), now);
    }
}

#[test]
fn what_is_pinned_to_a_worker_it_asks_for_and_others_do_not() {
    let pins = [(0, 1), (1, 1), (2, 1)];
    let book =
        pinned(&[Some(0), Some(0), Some(0), Some(1), Some(1), Some(1), Some(2), Some(2), Some(2)], &pins);
    let asks: BTreeSet<ShardKey> = due(&book, 1).ask.into_iter().collect();
    assert_eq!(asks, BTreeSet::from([shard(0), shard(1), shard(2)]));
    assert_eq!(
        due(&book, 0).ask,
        [shard(3), shard(4), shard(5)],
        "it gives as many, and none that is pinned"
    );
    assert_eq!(due(&book, 2), Due::default());
}

#[test]
fn a_worker_keeps_all_that_is_pinned_to_it_and_the_others_share_the_rest() {
    let owners: Vec<Option<usize>> = [vec![Some(0); 8], vec![Some(1); 3], vec![Some(2)]].concat();
    let book = pinned(&owners, &(0..8).map(|number| (number, 0)).collect::<Vec<_>>());
    assert_eq!(due(&book, 0), Due::default());
    assert_eq!(due(&book, 1), Due::default());
    assert_eq!(due(&book, 2).ask, [shard(10)]);
}

#[test]
fn a_free_lease_is_left_to_the_worker_that_it_is_pinned_to_and_not_for_long() {
    let mut book = pinned(&[None, Some(0), Some(1), Some(1), Some(1)], &[(0, 1)]);
    assert_eq!(due(&book, 0).take, []);
    assert_eq!(due(&book, 1).take, [shard(0)]);
    renewed(&mut book, at(119));
    let me = worker(0);
    let later = |now| due_leases(&Situation { now, ..situation(&book, &me) }).take;
    assert_eq!(later(at(119)), []);
    assert_eq!(later(at(120)), [shard(0)]);
}

#[test]
fn a_pin_that_its_worker_does_not_heed_counts_for_nobody_but_that_worker() {
    let owners = [Some(0), Some(0), Some(0), Some(1)];
    let mut book = pinned(&owners, &[(0, 1), (1, 1), (2, 1)]);
    assert_eq!(due(&book, 1).ask.len(), 3);
    assert_eq!(due(&book, 0).ask, [shard(3)], "worker 1 has three, as far as anybody knows");
    for now in [at(109), at(118)] {
        renewed(&mut book, now);
    }
    let (ada, bob) = (worker(0), worker(1));
    let later = |me, stance: &dyn Fn(&Lease) -> Stance| {
        due_leases(&Situation { now: at(120), stance, ..situation(&book, me) })
    };
    assert_eq!(later(&ada, &|_| Stance::Open), Due::default());
    assert_eq!(later(&bob, &|_| Stance::Open).ask.len(), 3, "it may have been unable to, until now");
    assert_eq!(
        later(&bob, &|lease| if lease.shard == shard(2) { Stance::Open } else { Stance::IfFree }).ask,
        [shard(2)]
    );
}

#[test]
fn a_newcomer_s_pins_count_once_it_has_asked_for_one_of_them() {
    let owners: Vec<Option<usize>> = [vec![Some(0); 6], vec![Some(2)]].concat();
    let mut book = pinned(&owners, &[(0, 1), (1, 1), (2, 1), (3, 1)]);
    for now in [at(109), at(118), at(124)] {
        renewed(&mut book, now);
    }
    let me = worker(2);
    let mut asks_while_worker_1_asks_for = |number| {
        let row = book.get(&shard(number)).unwrap().clone();
        book.observe(row.with_request(Some(&worker(1))), at(125));
        let due = due_leases(&Situation { now: at(125), ..situation(&book, &me) });
        book.observe(row, at(125));
        due.ask.len()
    };
    assert_eq!(asks_while_worker_1_asks_for(0), 0, "worker 1 is to have four, so worker 0 keeps two");
    assert_eq!(asks_while_worker_1_asks_for(5), 1, "worker 1 did not want any of them first");
}

#[test]
fn a_pin_to_a_worker_that_is_not_there_or_leaves_changes_nothing() {
    let owners = [Some(0), Some(0), Some(0), Some(1), None];
    let absent = pinned(&owners, &[(0, 7), (1, 7), (4, 7)]);
    for me in 0..2 {
        assert_eq!(due(&absent, me), due(&book(&owners), me));
    }
    let leaving = |book: &mut LeaseBook| change(book, &shard(3), &LeaseChange::Release, NOW);
    let (mut with_pin, mut without) = (pinned(&owners, &[(0, 1), (4, 1)]), book(&owners));
    leaving(&mut with_pin);
    leaving(&mut without);
    assert_eq!(due(&with_pin, 0), due(&without, 0));
}

#[test]
fn what_the_pinned_worker_cannot_read_it_replaces_by_nothing_else() {
    let book = pinned(&[Some(0), Some(0), Some(1), Some(1)], &[(0, 1)]);
    let stance = |lease: &Lease| if lease.shard == shard(0) { Stance::Failed } else { Stance::Open };
    let me = worker(1);
    let due_to_me = due_leases(&Situation { stance: &stance, ..situation(&book, &me) });
    assert_eq!(due_to_me, Due::default());
    let free = pinned(&[None, Some(1)], &[(0, 1)]);
    let alone = due_leases(&Situation { stance: &stance, ..situation(&free, &me) });
    assert_eq!(alone.take, [shard(0)], "nobody else is there");
}

#[test]
fn a_pinned_lease_is_not_taken_from_a_worker_that_hands_nothing_over_nor_waited_for_by_one() {
    let mut owned = pinned(&[Some(0), Some(0), Some(1), Some(1)], &[(0, 1)]);
    let mut free = pinned(&[None, Some(0), Some(1)], &[(0, 1)]);
    for (book, numbers) in [(&mut owned, 0..2), (&mut free, 2..3)] {
        for number in numbers {
            let java = Lease { hand_over_owner: None, ..book.get(&shard(number)).unwrap().clone() };
            book.observe(java, NOW);
        }
    }
    assert_eq!(due(&owned, 1), Due::default());
    assert_eq!(due(&free, 0).take, [shard(0)]);
}

#[test]
fn a_worker_at_its_limit_gets_no_pinned_lease_and_hands_over_before_it_takes() {
    let owners = [Some(0), Some(0), Some(1), Some(1)];
    let limited = |book: &LeaseBook, me: usize, leases_max| {
        let me = worker(me);
        due_leases(&Situation { leases_max, ..situation(book, &me) })
    };
    let book = pinned(&owners, &[(0, 1)]);
    assert_eq!(limited(&book, 1, 2), Due::default());
    assert_eq!((limited(&book, 1, 3).ask, limited(&book, 0, 3).ask.len()), (vec![shard(0)], 1));
    let both_ways = pinned(&owners, &[(0, 1), (2, 0)]);
    assert!((0..2).all(|me| limited(&both_ways, me, 2) == Due::default()), "neither may have a third");
    let [first, second] = [0, 1].map(|me| limited(&both_ways, me, 3).ask);
    assert_eq!((first, second), (vec![shard(2)], vec![shard(0)]));
}

#[test]
fn a_worker_that_nobody_knows_begins_with_what_is_pinned_to_it() {
    let owners: Vec<Option<usize>> = [vec![None; 10], vec![Some(1); 10]].concat();
    for (number, expected) in [(7, (vec![shard(7)], vec![])), (17, (vec![], vec![shard(17)]))] {
        let book = pinned(&owners, &[(number, 0)]);
        let me = worker(0);
        let due = due_leases(&Situation { is_introduced: false, ..situation(&book, &me) });
        assert_eq!((due.take, due.ask), expected);
    }
}

/// How many leases each worker should have: first its pinned ones, and then, one by one, whoever has least.
fn poured(pinned: &[usize], leases: usize) -> Vec<usize> {
    let mut shares = pinned.to_vec();
    for _ in pinned.iter().sum::<usize>()..leases {
        *shares.iter_mut().min().unwrap() += 1;
    }
    shares
}

/// The owners of leases, and whom each is pinned to, if to anybody.
type Pinned = Vec<(Option<usize>, Option<usize>)>;

fn any_pinned(workers: usize, leases: std::ops::Range<usize>) -> impl Strategy<Value = Pinned> {
    let pins = prop_oneof![Just(0.01), Just(0.3), Just(0.9)];
    pins.prop_flat_map(move |share| {
        vec((option::of(0..workers), option::weighted(share, 0..workers)), leases.clone())
    })
}

fn book_of(leases: &Pinned) -> LeaseBook {
    let owners: Vec<Option<usize>> = leases.iter().map(|(owner, _)| *owner).collect();
    let pins = leases.iter().enumerate().filter_map(|(number, (_, to))| to.map(|to| (number, to)));
    pinned(&owners, &pins.collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn pins_are_honoured_and_the_rest_is_balanced_after_one_round_and_the_fewest_moves(
        leases in any_pinned(6, 0..60),
    ) {
        let mut book = book_of(&leases);
        let before = shares(&book, 6);
        let workers: Vec<usize> = (0..6).filter(|worker| before[*worker] > 0).collect();
        prop_assume!(!workers.is_empty());
        let is_there = |to: &Option<usize>| to.filter(|to| workers.contains(to));
        let mut with_pins = before;
        let mut pins = vec![0; 6];
        let mut forced = 0;
        for (owner, to) in &leases {
            let Some(to) = is_there(to) else { continue };
            pins[to] += 1;
            if *owner != Some(to) {
                with_pins[to] += 1;
                if let Some(owner) = owner {
                    with_pins[*owner] -= 1;
                    forced += 1;
                }
            }
        }
        let of = |counts: &[usize]| workers.iter().map(|worker| counts[*worker]).collect::<Vec<_>>();
        let (pins, with_pins) = (of(&pins), of(&with_pins));
        let expected = poured(&pins, leases.len());
        let level = *expected.iter().min().unwrap();
        let sharing: Vec<usize> = (0..pins.len()).filter(|worker| pins[*worker] <= level).collect();
        let of_sharing = |counts: &[usize]| sharing.iter().map(|worker| counts[*worker]).collect::<Vec<_>>();
        let beyond = (0..pins.len()).filter(|worker| pins[*worker] > level);
        let fewest = forced
            + beyond.map(|worker| with_pins[worker] - pins[worker]).sum::<usize>()
            + fewest_moves(&of_sharing(&with_pins), of_sharing(&expected).iter().sum());

        let round: Vec<(usize, Due)> = workers.iter().map(|me| (*me, due(&book, *me))).collect();
        prop_assert_eq!(round.iter().map(|(_, due)| due.ask.len()).sum::<usize>(), fewest);
        let mut wanted = BTreeSet::new();
        for (me, due) in &round {
            for shard in due.take.iter().chain(&due.ask) {
                prop_assert!(wanted.insert(shard.clone()), "{} is wanted twice", shard);
            }
            apply_takes(&mut book, *me, &due.take);
            apply_takes(&mut book, *me, &due.ask);
        }
        for (number, (_, to)) in leases.iter().enumerate() {
            let to = is_there(to);
            prop_assert!(to.is_none_or(|to| book.get(&shard(number)).unwrap().is_owned_by(&worker(to))));
        }
        let (mut after, mut expected) = (of(&shares(&book, 6)), expected);
        after.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(after, expected);
        for me in &workers {
            prop_assert_eq!(due(&book, *me), Due::default(), "a settled fleet moves nothing");
        }
    }

    #[test]
    fn newcomers_get_what_is_pinned_to_them_and_all_settle(
        leases in vec((0..3_usize, option::weighted(0.4, 0..6_usize)), 1..60),
    ) {
        let leases: Pinned = leases.into_iter().map(|(owner, to)| (Some(owner), to)).collect();
        let mut book = book_of(&leases);
        let all: Vec<usize> = (0..6).filter(|worker| *worker >= 3 || shares(&book, 6)[*worker] > 0).collect();
        for me in 3..6 {
            let me_id = worker(me);
            let due = due_leases(&Situation { is_introduced: false, ..situation(&book, &me_id) });
            let is_pinned = |shard: &ShardKey| book.get(shard).unwrap().is_pinned_to(&me_id);
            let may_be_asked = |lease: &Lease| lease.is_pinned_to(&me_id) && lease.request.is_none();
            prop_assert_eq!(due.ask.iter().any(is_pinned), book.leases().any(may_be_asked));
            prop_assert!(due.ask.len() <= 1 && due.take.is_empty());
            due.ask.iter().for_each(|shard| ask(&mut book, me, shard));
        }
        hand_over_all(&mut book);
        for _ in 0..2 {
            for me in &all {
                due(&book, *me).ask.iter().for_each(|shard| ask(&mut book, *me, shard));
            }
            hand_over_all(&mut book);
        }
        for (number, (_, to)) in leases.iter().enumerate() {
            let to = to.filter(|to| all.contains(to));
            prop_assert!(to.is_none_or(|to| book.get(&shard(number)).unwrap().is_owned_by(&worker(to))));
        }
        for me in all {
            prop_assert_eq!(due(&book, me), Due::default());
        }
    }

    #[test]
    fn no_pin_takes_a_worker_above_its_limit_and_each_is_honoured_below_it(
        leases in any_pinned(4, 0..40),
        leases_max in 1..15_usize,
    ) {
        let book = book_of(&leases);
        let before = shares(&book, 4);
        for me in (0..4).filter(|me| before[*me] > 0) {
            let me_id = worker(me);
            let due = due_leases(&Situation { leases_max, ..situation(&book, &me_id) });
            let wanted: BTreeSet<&ShardKey> = due.take.iter().chain(&due.ask).collect();
            prop_assert!(wanted.is_empty() || before[me] + wanted.len() <= leases_max);
            let missing = book.leases().filter(|lease| {
                lease.is_pinned_to(&me_id) && !lease.is_owned_by(&me_id) && !wanted.contains(&lease.shard)
            });
            let gained = wanted.iter().filter(|shard| book.get(shard).unwrap().is_pinned_to(&me_id));
            prop_assert!(missing.count() == 0 || before[me] + gained.count() >= leases_max);
        }
    }
}
