use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const CUT_OFF: Duration = Duration::from_millis(180);
const STARTS: [Start; 3] = [Start::Nothing, Start::Open, Start::Called];
const OWN: [OwnAnswer; 3] = [OwnAnswer::Ranked, OwnAnswer::NothingKnown, OwnAnswer::Invalid];
/// Every way in which asking an accelerator can end.
const REPLIES: [Reply; 6] = [
    Reply::Ranked,
    Reply::Failed(Reason::AcceleratorTimeout),
    Reply::Failed(Reason::AcceleratorUnreachable),
    Reply::Failed(Reason::AcceleratorRejected),
    Reply::Failed(Reason::AcceleratorInvalidOutput),
    Reply::Failed(Reason::AcceleratorInsufficient),
];

/// What the rules of the ladder say, written down a second time: the verdict when the function's answer and, at that time,
/// the accelerator's reply are there; `None` where the reply never comes.
fn rules(start: Start, own: OwnAnswer, reply: Option<(Reply, Duration)>) -> Verdict {
    let in_time = reply.filter(|(_, at)| *at < CUT_OFF).map(|(reply, _)| reply);
    let accelerator = match (start, in_time) {
        (Start::Nothing, _) => None,
        (Start::Open, _) => Some(Reason::AcceleratorOpen),
        (Start::Called, Some(Reply::Ranked)) => {
            return Verdict { rung: Rung::Accelerator, accelerator: None, function: None };
        }
        (Start::Called, Some(Reply::Failed(reason))) => Some(reason),
        (Start::Called, None) => Some(Reason::AcceleratorTimeout),
    };
    let (rung, function) = match own {
        OwnAnswer::Ranked => (Rung::Function, None),
        OwnAnswer::NothingKnown => (Rung::Popular, Some(Reason::NoKnownHistory)),
        OwnAnswer::Invalid => (Rung::Popular, Some(Reason::FunctionInvalidOutput)),
    };
    Verdict { rung, accelerator, function }
}

/// Runs events in their order; the verdict, and when it fell.
fn run(start: Start, events: &[(Event, Duration)]) -> Option<(Verdict, Duration)> {
    let mut ladder = Ladder::new(start, CUT_OFF);
    let mut decided: Option<(Verdict, Duration)> = None;
    for (event, at) in events {
        match (ladder.on(*event, *at), decided) {
            (Decision::Wait, None) => {}
            (Decision::Wait, Some(_)) => panic!("a decision was taken back"),
            (Decision::Answer(verdict), None) => decided = Some((verdict, *at)),
            (Decision::Answer(verdict), Some((first, _))) => assert_eq!(verdict, first, "it stays decided"),
        }
    }
    decided
}

/// The instants at which something may come: well before the cut-off, just before, at it, just after, long after.
fn instants() -> [Duration; 5] {
    let step = Duration::from_nanos(1);
    [Duration::ZERO, CUT_OFF - step, CUT_OFF, CUT_OFF + step, CUT_OFF * 10]
}

/// Every start, every outcome of both sides, every instant of both, in both orders where the instants are the same, with
/// ticks of the clock between: one verdict each, the rules' own, as soon as it can be known and never later than the first
/// thing that happens at the cut-off once the function has answered.
#[test]
fn every_outcome_in_every_order_comes_to_the_verdict_of_the_rules() {
    let mut outcomes = 0;
    let mut verdicts = BTreeSet::new();
    for start in STARTS {
        let replies: Vec<Option<Reply>> = match start {
            Start::Called => REPLIES.into_iter().map(Some).chain([None]).collect(),
            _ => vec![None],
        };
        for (own, own_at) in OWN.iter().flat_map(|own| instants().map(|at| (*own, at))) {
            for reply in &replies {
                let times = if reply.is_some() { instants().to_vec() } else { vec![Duration::ZERO] };
                for (reply_at, function_first) in times.iter().flat_map(|at| [(*at, true), (*at, false)]) {
                    let mut events = vec![(Event::Function(own), own_at)];
                    if let Some(reply) = reply {
                        let place = usize::from(function_first);
                        events.insert(place, (Event::Accelerator(*reply), reply_at));
                    }
                    events.extend(instants().map(|at| (Event::Tick, at)));
                    // Stable: where two come at one instant their order is the one above.
                    events.sort_by_key(|(_, at)| *at);
                    let (verdict, at) = run(start, &events).expect("a request is always answered");
                    // A list that is valid and in time answers even where the function's own came late.
                    let expected = rules(start, own, reply.map(|reply| (reply, reply_at)));
                    assert_eq!(verdict, expected, "{start:?}: {events:?}");
                    let latest = own_at.max(if start == Start::Called { CUT_OFF } else { Duration::ZERO });
                    assert!(at <= latest, "{start:?}: decided at {at:?}, after {latest:?}: {events:?}");
                    outcomes += 1;
                    verdicts.insert(format!("{verdict:?}"));
                }
            }
        }
    }
    // 30 without a call, 2 starts × 3 × 5 × 2; 930 with one: 3 × 5 × (6 × 5 × 2 + 2).
    assert_eq!(outcomes, 60 + 930);
    // The accelerator's; else each of nothing, open and five failures with each of three answers of the function.
    assert_eq!(verdicts.len(), 1 + 7 * 3);
}

#[test]
fn the_reason_is_what_kept_the_highest_rung_and_degraded_lists_all() {
    let verdict = rules(Start::Open, OwnAnswer::Invalid, None);
    assert_eq!(verdict.reason(), Some(Reason::AcceleratorOpen));
    let degraded: Vec<_> = verdict.degraded().collect();
    assert_eq!(degraded, [Reason::AcceleratorOpen, Reason::FunctionInvalidOutput]);
    let best = rules(Start::Nothing, OwnAnswer::Ranked, None);
    assert_eq!((best.reason(), best.degraded().count()), (None, 0));
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        proptest::sample::select(OWN.to_vec()).prop_map(Event::Function),
        proptest::sample::select(REPLIES.to_vec()).prop_map(Event::Accelerator),
        Just(Event::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    /// Whatever comes whenever, twice or never: what was decided is what the first answer of each side and the clock say.
    #[test]
    fn random_schedules_come_to_the_verdict_of_the_rules(
        start in proptest::sample::select(STARTS.to_vec()),
        steps in proptest::collection::vec((event(), 0..100_u64), 0..12),
    ) {
        let mut at = Duration::ZERO;
        let mut events: Vec<(Event, Duration)> = Vec::new();
        for (event, millis) in steps {
            at += Duration::from_millis(millis);
            events.push((event, at));
        }
        let own = events.iter().find_map(|(event, at)| match event {
            Event::Function(own) => Some((*own, *at)),
            _ => None,
        });
        let reply = events.iter().find_map(|(event, at)| match event {
            Event::Accelerator(reply) => Some((*reply, *at)),
            _ => None,
        });
        let decided = run(start, &events);
        let ranked = start == Start::Called && matches!(reply, Some((Reply::Ranked, at)) if at < CUT_OFF);
        let Some((own, own_at)) = own else {
            // Only the accelerator's own list needs nothing of the function.
            prop_assert_eq!(decided.is_some(), ranked);
            return Ok(());
        };
        let reply_is_known = reply.is_some_and(|(_, at)| at < CUT_OFF) || at >= CUT_OFF;
        if start != Start::Called || reply_is_known {
            let (verdict, when) = decided.expect("all that is needed has happened");
            prop_assert_eq!(verdict, rules(start, own, reply));
            let first_after = events.iter().map(|(_, at)| *at).find(|at| *at >= CUT_OFF).unwrap_or(at);
            prop_assert!(when <= own_at.max(first_after));
        } else {
            prop_assert_eq!(decided, None);
        }
    }
}
