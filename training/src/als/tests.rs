use super::*;

/// Two tastes: users like items of their half, and now and then another.
fn tastes(users: usize, items: usize) -> Interactions {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let histories: Vec<Vec<(u32, f32)>> = (0..users)
        .map(|user| {
            let mut draw = |most: usize| (random.random::<f64>() * most as f64) as u32;
            let length = 3 + draw(20);
            (0..length)
                .map(|_| {
                    let half = if draw(10) == 0 { (user + 1) % 2 } else { user % 2 };
                    (half as u32 * items as u32 / 2 + draw(items / 2), 1.0)
                })
                .collect()
        })
        .collect();
    Interactions::of(&histories, items)
}

fn settings(solver: Solver) -> AlsSettings {
    AlsSettings { factors: 10, epochs: 8, solver, ..AlsSettings::default() }
}

#[test]
fn every_epoch_lowers_the_loss() {
    for solver in [Solver::Cholesky, Solver::ConjugateGradient { steps: 3 }] {
        let trained = train(&tastes(300, 80), &settings(solver), |_| {});
        assert!(trained.losses.windows(2).all(|pair| pair[1] < pair[0]), "{solver:?} {:?}", trained.losses);
    }
}

#[test]
fn conjugate_gradients_with_many_steps_are_exact() {
    let interactions = tastes(300, 80);
    let exact = train(&interactions, &settings(Solver::Cholesky), |_| {});
    let iterated = train(&interactions, &settings(Solver::ConjugateGradient { steps: 40 }), |_| {});
    for (a, b) in exact.item_factors.iter().zip(&iterated.item_factors) {
        assert!((a - b).abs() < 2e-3, "{a} {b}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_number_of_threads() {
    let interactions = tastes(3_000, 200);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(&interactions, &settings(AlsSettings::default().solver), |_| {}))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
    let other = AlsSettings { seed: 43, ..settings(AlsSettings::default().solver) };
    assert_ne!(one.item_factors, train(&interactions, &other, |_| {}).item_factors);
}

#[test]
fn the_loss_is_the_formula_of_the_paper() {
    let interactions = tastes(40, 20);
    let settings = AlsSettings { epochs: 1, ..settings(Solver::Cholesky) };
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (users, items) =
        (Factors::random(40, &settings, &mut random), Factors::random(20, &settings, &mut random));
    let row = |f: &Factors, i: usize| f.values[i * f.stride..][..f.factors].to_vec();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let mut expected = 0.0;
    for user in 0..40 {
        let u = row(&users, user);
        let (seen, _) = interactions.by_user.row(user);
        expected += settings.regularization * (seen.len() as f64 + settings.alpha0 * 20.0) * dot(&u, &u);
        for item in 0..20 {
            let score = dot(&u, &row(&items, item));
            expected += settings.alpha0 * score * score;
            if seen.contains(&(item as u32)) {
                expected += (1.0 - score).powi(2);
            }
        }
    }
    for item in 0..20 {
        let v = row(&items, item);
        let count = interactions.by_item.row(item).0.len() as f64;
        expected += settings.regularization * (count + settings.alpha0 * 40.0) * dot(&v, &v);
    }
    expected /= interactions.len() as f64;
    let found = loss(&users, &items, &users.gram(), &interactions, &settings);
    assert!((found - expected).abs() < 1e-5 * expected, "{found} {expected}");
}

#[test]
fn a_pair_counts_once_and_an_item_without_users_has_no_direction() {
    let interactions = Interactions::of(&[vec![(0, 1.0), (0, 0.5), (1, 1.0)], vec![(1, 1.0)]], 3);
    assert_eq!(interactions.len(), 3);
    assert_eq!(interactions.by_user.row(0), (&[0, 1][..], &[1.0, 1.0][..]));
    assert_eq!(interactions.popularity(), [1, 2, 0]);
    let trained = train(&interactions, &settings(Solver::Cholesky), |_| {});
    assert!(trained.item_factors[20..].iter().all(|v| *v == 0.0));
}
